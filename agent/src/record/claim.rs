//! Claims of tokens in the store: whichever host puts a claim first has the token, all others find it claimed.

use serde::{Deserialize, Serialize};

use super::digest::hex;
use super::error::RecordError;
use super::store::{CLAIMS, Store, StoreAt};

/// Who claimed a token, and until when it matters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenClaim {
    /// The token's issuer.
    pub issuer: String,
    /// The session that acts by the token.
    pub session_id: String,
    /// Whether other sessions of the host may act by it too.
    #[serde(default)]
    pub is_for_host: bool,
    /// Its host's machine id.
    pub host_id: String,
    /// Tells installations apart that have the same machine id.
    pub installation: String,
    /// When it was claimed (RFC 3339).
    pub claimed_at: String,
    /// Until when the token is good (RFC 3339); the claim is of no use from some minutes after it on.
    pub token_expires_at: Option<String>,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The token is the claimant's.
    Now,
    /// It was claimed before; by whom is not known if what is there cannot be read.
    Before(Option<TokenClaim>),
}

impl TokenClaim {
    /// Claims a token, by the digest that is the same for all hosts, in a store. Blocks.
    ///
    /// # Errors
    /// The store cannot be reached, or does not take it; it is not known then whose the token is.
    pub fn put(&self, store: &StoreAt, token: [u8; 32]) -> Result<Claimed, RecordError> {
        let key = format!("{CLAIMS}{}.json", hex(&token));
        let text = serde_json::to_vec(self).map_err(|error| RecordError::Store {
            store: store.to_string(),
            cause: error.to_string(),
        })?;
        let there = Store::create(store)?.put_first(&key, text)?;
        Ok(there.map_or(Claimed::Now, |there| {
            Claimed::Before(serde_json::from_slice(&there).ok())
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Barrier;
    use std::thread;

    use tempfile::TempDir;

    use super::*;

    fn at(folder: impl AsRef<Path>) -> StoreAt {
        StoreAt::read(&format!("file://{}", folder.as_ref().display())).unwrap()
    }

    fn claim(session: &str) -> TokenClaim {
        TokenClaim {
            issuer: "https://id.acme.test".to_owned(),
            session_id: session.to_owned(),
            is_for_host: false,
            host_id: "h".to_owned(),
            installation: "i".to_owned(),
            claimed_at: "2026-11-26T00:00:00Z".to_owned(),
            token_expires_at: None,
        }
    }

    #[test]
    fn one_of_many_claimants_has_the_token() {
        let folder = TempDir::new().unwrap();
        let store = at(folder.path().join("store"));
        let (barrier, store) = (&Barrier::new(8), &store);
        let outcomes: Vec<Claimed> = thread::scope(|scope| {
            let start = |number: usize| {
                scope.spawn(move || {
                    barrier.wait();
                    claim(&number.to_string()).put(store, [7; 32]).unwrap()
                })
            };
            let started: Vec<_> = (0..8).map(start).collect();
            started.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let winner = outcomes
            .iter()
            .position(|one| *one == Claimed::Now)
            .unwrap();
        let told = Claimed::Before(Some(claim(&winner.to_string())));
        assert_eq!(outcomes.iter().filter(|one| **one == told).count(), 7);
        assert_eq!(claim("9").put(store, [8; 32]).unwrap(), Claimed::Now);
    }

    #[test]
    fn a_claim_that_cannot_be_read_is_one_and_readers_of_the_record_pass_it_by() {
        let folder = TempDir::new().unwrap();
        let store = at(folder.path());
        claim("1").put(&store, [7; 32]).unwrap();
        let file = folder
            .path()
            .join(CLAIMS)
            .join(format!("{}.json", "07".repeat(32)));
        fs::write(file, "{").unwrap();
        let second = claim("2").put(&store, [7; 32]).unwrap();
        assert_eq!(second, Claimed::Before(None));
        let archive = crate::replay::Archive::read(&store.to_string()).unwrap();
        assert_eq!(archive.refused(), [""; 0]);
    }

    #[test]
    fn without_a_store_nothing_is_claimed() {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("a file");
        fs::write(&file, "").unwrap();
        let store = at(file.join("store"));
        assert!(claim("1").put(&store, [7; 32]).is_err());
    }
}
