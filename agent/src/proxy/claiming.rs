//! A token opens one session: it is claimed in the store that all hosts share, before its session is made.

use std::thread;
use std::time::Duration;

use chrono::DateTime;
use ring::hmac;
use tokio::sync::oneshot;

use super::core::Core;
use crate::config::TokenUse;
use crate::id::SessionId;
use crate::identity::Principal;
use crate::record::{Claimed, StoreAt, TokenClaim, hex};

/// Longest wait for the store; the supervisor waits 15 s, of which an issuer may take nine.
const CLAIM_WITHIN: Duration = Duration::from_secs(4);

/// Leads what the key authenticates here, so that no other use of it gives the same.
const PURPOSE: &[u8] = b"icecore installation 1\0";

/// Names this host in claims.
pub(super) struct Claimant {
    /// Its machine id.
    host_id: String,
    /// What only who holds its key can name: clones of a machine have the same machine id.
    installation: String,
    /// Where they go.
    store: StoreAt,
}

impl Claimant {
    pub(super) fn new(host_id: String, key: &hmac::Key, store: StoreAt) -> Self {
        let installation = hex(hmac::sign(key, PURPOSE).as_ref());
        Self {
            host_id,
            installation,
            store,
        }
    }

    fn made(&self, claim: &TokenClaim) -> bool {
        claim.host_id == self.host_id && claim.installation == self.installation
    }
}

impl Core {
    /// Claims the token that showed a principal for a session; a host user has none.
    ///
    /// # Errors
    /// A text for the caller: another session used the token, or it cannot be found out whether one did.
    pub(super) async fn claim(
        &self,
        session: SessionId,
        principal: &Principal,
        uses: TokenUse,
    ) -> Result<(), String> {
        let Some(token) = principal.claim_sha256() else {
            return Ok(());
        };
        let (shared, store) = (&self.shared, self.shared.claimant.store.clone());
        let claim = TokenClaim {
            issuer: principal.issuer().unwrap_or_default().to_owned(),
            session_id: session.to_string(),
            is_for_host: uses == TokenUse::Host,
            host_id: shared.claimant.host_id.clone(),
            installation: shared.claimant.installation.clone(),
            claimed_at: shared.stages.clock.now().to_rfc3339(),
            token_expires_at: principal.expires_at().as_ref().map(DateTime::to_rfc3339),
        };
        let (say, heard) = oneshot::channel();
        // A thread of its own: a store that hangs must hold up neither a core nor the proxy's end.
        let put = move || {
            let claimed = claim.put(&store, token);
            // Whoever waited has given up; the token is used up all the same.
            drop(say.send(claimed));
        };
        let started = thread::Builder::new().name("claim".to_owned()).spawn(put);
        let claimed = match started {
            Ok(_) => tokio::time::timeout(CLAIM_WITHIN, heard).await,
            Err(error) => return Err(self.unclaimed(&error.to_string())),
        };
        let claimed = match claimed {
            Ok(Ok(Ok(claimed))) => claimed,
            Ok(Ok(Err(error))) => return Err(self.unclaimed(&error.to_string())),
            Ok(Err(_)) => return Err(self.unclaimed("the claim was lost; this is a bug")),
            Err(_) => {
                let cause = format!("no answer within {} s", CLAIM_WITHIN.as_secs());
                return Err(self.unclaimed(&cause));
            }
        };
        match claimed {
            Claimed::Now => Ok(()),
            Claimed::Before(Some(by))
                if shared.claimant.made(&by) && is_ours(&by, session, uses) =>
            {
                Ok(())
            }
            Claimed::Before(by) => Err(taken(by.as_ref(), uses)),
        }
    }

    fn unclaimed(&self, cause: &str) -> String {
        let current = self.shared.current();
        let store = &current.config.record.store;
        format!(
            "identity refused: expected the store `{store}` to take the token's claim, found: {cause}; no token opens a \
             session until the store answers, and this one may be used up"
        )
    }
}

/// Tells whether a claim of this host holds for a session: its own, which drivers show again at each login and a store may
/// take twice; or any, if the token was claimed for the whole host and still is to be.
fn is_ours(by: &TokenClaim, session: SessionId, uses: TokenUse) -> bool {
    by.session_id == session.to_string() || (by.is_for_host && uses == TokenUse::Host)
}

/// Says that a token was used before.
fn taken(by: Option<&TokenClaim>, uses: TokenUse) -> String {
    let found = match by {
        // The store's objects are others' writing: their words are shown escaped, and not in full.
        Some(by) => {
            let cut = |text: &str| -> String { text.escape_default().take(40).collect() };
            let (session, host, at) = (cut(&by.session_id), cut(&by.host_id), cut(&by.claimed_at));
            format!("one that session {session} on host {host} used at {at}")
        }
        None => "one that is claimed by whom cannot be read".to_owned(),
    };
    let (expected, advice) = match uses {
        TokenUse::Once => (
            "a token that no session has used",
            "get a token of its own for each `icecore run`, or set identity.token_use = \"host\" where the sessions of one \
             host are to share one",
        ),
        TokenUse::Host => (
            "a token that no other host has used",
            "get a token of its own for each host",
        ),
    };
    format!("identity refused: expected {expected}, found {found}; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_holds_for_its_session_and_for_the_host_only_if_it_was_made_for_it() {
        let (own, other) = (SessionId::new(), SessionId::new());
        let by = |is_for_host| TokenClaim {
            issuer: "i".to_owned(),
            session_id: own.to_string(),
            is_for_host,
            host_id: "h".to_owned(),
            installation: "i".to_owned(),
            claimed_at: "now".to_owned(),
            token_expires_at: None,
        };
        for uses in [TokenUse::Once, TokenUse::Host] {
            assert!(is_ours(&by(false), own, uses) && is_ours(&by(true), own, uses));
            assert!(!is_ours(&by(false), other, uses));
        }
        assert!(is_ours(&by(true), other, TokenUse::Host));
        assert!(!is_ours(&by(true), other, TokenUse::Once));
    }
}
