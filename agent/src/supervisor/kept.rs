//! Logins across proxies: each is kept sealed, in memory alone, until its session or the supervisor ends.
//!
//! A login's real tokens are in there. On disk they would lie beside the key that opens them; in memory they are as safe
//! as they were in the proxy that is gone, and a daemon that is started anew has none.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tracing::warn;

use super::proxy::Proxy;
use super::roster::Live;
use super::session::told;
use super::shared::Shared;
use crate::control::{KeptLogin, LinkError};
use crate::id::{LoginId, SessionId};

/// Most bytes that are kept of one session: some 300 logins of the usual kind.
const SESSION_MAX_BYTES: usize = 1 << 20;

/// The logins of one session that the next proxy gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct KeptLogins(BTreeMap<LoginId, String>);

impl KeptLogins {
    /// Keeps a login, or forgets it; tells whether there was room.
    pub(super) fn set(&mut self, login: LoginId, sealed: Option<String>) -> bool {
        self.0.remove(&login);
        let Some(sealed) = sealed else { return true };
        let held: usize = self.0.values().map(String::len).sum();
        let has_room = held + sealed.len() <= SESSION_MAX_BYTES;
        if has_room {
            self.0.insert(login, sealed);
        }
        has_room
    }

    /// Tells how much they take as they are written, each so much more than its sealed text.
    pub(super) fn written_bytes(&self, margin_bytes: u64) -> u64 {
        let of = |sealed: &String| u64::try_from(sealed.len()).unwrap_or(u64::MAX);
        let each = self.0.values().map(|sealed| of(sealed) + margin_bytes);
        each.sum()
    }

    /// Tells how many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Shared {
    /// Hands a session's logins to a proxy that knows the session. One that it does not take up is forgotten: its holder logs
    /// in anew.
    ///
    /// # Errors
    /// The proxy is lost or does not answer.
    pub(super) fn hand_logins(
        &self,
        proxy: &Proxy,
        session: SessionId,
        logins: KeptLogins,
    ) -> Result<(), LinkError> {
        for (login, sealed) in logins.0 {
            let kept = KeptLogin {
                session,
                login,
                sealed: Some(sealed),
            };
            match proxy.link.restored(kept) {
                Ok(()) => {}
                Err(failure @ LinkError::Refused(_)) => {
                    let reason = told(failure);
                    warn!(%session, %login, reason, "login was not taken up again");
                    self.keep_login(KeptLogin {
                        session,
                        login,
                        sealed: None,
                    });
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }

    /// Keeps a login of a session that is live, or forgets it.
    pub(super) fn keep_login(&self, kept: KeptLogin) {
        let KeptLogin {
            session,
            login,
            sealed,
        } = kept;
        let mut roster = self.roster();
        let Some(Live { logins, .. }) = roster.live.get_mut(&session) else {
            return;
        };
        if !logins.set(login, sealed) {
            warn!(%session, %login, limit_bytes = SESSION_MAX_BYTES, "login is too much to keep for the next proxy");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_last_and_what_is_over_is_gone() {
        let (mut kept, login) = (KeptLogins::default(), LoginId::new());
        assert!(
            kept.set(login, Some("first".to_owned())) && kept.set(login, Some("last".to_owned()))
        );
        assert_eq!(kept.0, [(login, "last".to_owned())].into());
        assert!(kept.set(login, None) && kept.set(login, None));
        assert!(kept.0.is_empty());
    }

    #[test]
    fn a_session_has_its_share_and_one_that_went_makes_room() {
        let mut kept = KeptLogins::default();
        let large = || Some("x".repeat(SESSION_MAX_BYTES / 2));
        let (one, other) = (LoginId::new(), LoginId::new());
        assert!(kept.set(one, large()) && kept.set(other, large()));
        // The same again takes its own place.
        assert!(kept.set(one, large()));
        assert!(!kept.set(LoginId::new(), Some("x".to_owned())));
        assert!(kept.set(one, None) && kept.set(LoginId::new(), large()));
        // What has no room any more is forgotten, not kept as it was.
        assert!(!kept.set(other, Some("x".repeat(SESSION_MAX_BYTES))));
        assert!(!kept.0.contains_key(&other));
    }
}
