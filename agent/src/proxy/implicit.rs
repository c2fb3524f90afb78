//! Logins that Icecore opens by itself, for clients that send a credential with each request and never log in.
//!
//! Such a request could neither switch secondary roles off nor carry a password, so it is not passed on with another
//! credential: a login of our own, recorded like any, takes its place.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::door::{Door, Received};
use super::login::DISTRUSTED;
use super::logins::{Logins, OpenLogin};
use crate::id::SessionId;
use crate::snowflake::answer::{Body, code};
use crate::snowflake::login::LoginRequest;
use crate::upstream::Account;

/// Most logins that Icecore opens by itself for one session: a client chooses the names of external sessions.
const LOGINS_MAX: usize = 64;

/// What a login is opened for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash, Serialize)]
pub(super) enum Purpose {
    /// The SQL API, whose requests know no session.
    Api,
    /// A session that the client names with each request (`PAT_WITH_EXTERNAL_SESSION`).
    External(String),
}

/// Whose login it is: the session, the account's host, and what for.
type Key = (SessionId, String, Purpose);

/// A login that is open, being opened, or not opened yet.
type Slot = Arc<tokio::sync::Mutex<Option<Arc<OpenLogin>>>>;

/// All logins that Icecore opened by itself.
#[derive(Default)]
pub(super) struct Implicit(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    slots: HashMap<Key, Slot>,
    bearers: HashMap<(SessionId, String, [u8; 32]), Arc<OpenLogin>>,
}

/// Most bearer credentials of one session that are remembered; whoever polls with another is told to log in.
const BEARERS_MAX: usize = 256;

impl Implicit {
    /// Gives the place of a login; `None` if the session has too many.
    fn slot(&self, key: Key) -> Option<Slot> {
        let mut tables = self.tables();
        if let Some(slot) = tables.slots.get(&key) {
            return Some(Arc::clone(slot));
        }
        let held = tables.slots.keys().filter(|held| held.0 == key.0).count();
        (held < LOGINS_MAX).then(|| Arc::clone(tables.slots.entry(key).or_default()))
    }

    /// Remembers which login a bearer credential came with.
    fn note_bearer(&self, login: &Arc<OpenLogin>, bearer: &str) {
        let key = (
            login.session,
            login.account.host.clone(),
            super::logins::digest(bearer),
        );
        let mut tables = self.tables();
        let held = tables.bearers.keys().filter(|held| held.0 == key.0);
        if tables.bearers.contains_key(&key) || held.count() < BEARERS_MAX {
            tables.bearers.insert(key, Arc::clone(login));
        }
    }

    /// Finds the login that a bearer credential came with last: the Python connector 4 polls with it as if it were a
    /// token (`network.py`, `_post_request` and `_get_request`).
    pub(super) fn of_bearer(
        &self,
        logins: &Logins,
        session: SessionId,
        account: &Account,
        token: &str,
    ) -> Option<Arc<OpenLogin>> {
        let key = (session, account.host.clone(), super::logins::digest(token));
        let login = self.tables().bearers.get(&key).cloned()?;
        logins.holds(login.id).then_some(login)
    }

    /// Gives a login that an earlier proxy opened its place, unless another has it by now.
    pub(super) fn restore(&self, login: &Arc<OpenLogin>, purpose: Purpose) {
        let key = (login.session, login.account.host.clone(), purpose);
        let slot = Arc::new(tokio::sync::Mutex::new(Some(Arc::clone(login))));
        self.tables().slots.entry(key).or_insert(slot);
    }

    /// Lets go of all that belongs to a session.
    pub(super) fn forget_session(&self, session: SessionId) {
        let mut tables = self.tables();
        tables.slots.retain(|key, _| key.0 != session);
        tables.bearers.retain(|key, _| key.0 != session);
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    /// Gives the login that Icecore holds for a purpose; opens it at the first request, and again once it is over.
    pub(super) async fn implicit(
        &self,
        account: &Arc<Account>,
        received: &Received,
        purpose: Purpose,
        bearer: &str,
    ) -> Result<Arc<OpenLogin>, Body> {
        let shared = &self.core.shared;
        let is_external = matches!(purpose, Purpose::External(_));
        let key = (self.session.id(), account.host.clone(), purpose.clone());
        let Some(slot) = shared.implicit.slot(key) else {
            let text = format!(
                "Icecore refused this: a session may name at most {LOGINS_MAX} external sessions"
            );
            return Err(received.form.plain_error(code::LOGIN_REFUSED, &text));
        };
        let mut held = slot.lock().await;
        let open = held.as_ref().filter(|login| {
            shared.logins.holds(login.id)
                && !login.login.is_over()
                && !login.login.is_distrusted()
                && self.is_granted(account, login)
        });
        let login = match open {
            Some(login) => Arc::clone(login),
            None => {
                if let Some(over) = held.take() {
                    let reason = if over.login.is_over() {
                        "expired at Snowflake"
                    } else if over.login.is_distrusted() {
                        DISTRUSTED
                    } else {
                        "no longer granted"
                    };
                    self.end(&over, reason).await;
                }
                let request = LoginRequest::own(received.user_agent())
                    .map_err(|error| received.form.plain_error(code::FAILED, &error.to_string()))?;
                let opened = self
                    .open_login(
                        account,
                        &request,
                        None,
                        None,
                        &received.headers(),
                        Some(purpose),
                    )
                    .await;
                let (login, _granted) = opened.map_err(|refusal| refusal.told(received.form))?;
                shared.keeping.update(&login).await;
                *held = Some(Arc::clone(&login));
                login
            }
        };
        drop(held);
        if is_external {
            shared.implicit.note_bearer(&login, bearer);
        }
        Ok(login)
    }
}

#[cfg(test)]
mod tests {
    use super::super::logins::tests::{open_login, place};
    use super::*;

    fn purpose(number: usize) -> Purpose {
        Purpose::External(number.to_string())
    }

    #[test]
    fn a_session_has_its_share_of_external_sessions_and_another_has_its_own() {
        let implicit = Implicit::default();
        let (one, other) = (SessionId::new(), SessionId::new());
        let slot = |session, number| implicit.slot((session, "h".to_owned(), purpose(number)));
        assert!((0..LOGINS_MAX).all(|number| slot(one, number).is_some()));
        assert!(slot(one, LOGINS_MAX).is_none());
        assert!(slot(one, 0).is_some() && slot(other, LOGINS_MAX).is_some());
        implicit.forget_session(one);
        assert!(slot(one, LOGINS_MAX).is_some());
    }

    #[tokio::test]
    async fn a_login_of_an_earlier_proxy_has_its_place_again_unless_another_has_it() {
        let implicit = Implicit::default();
        let (one, other) = (open_login(SessionId::new()), open_login(SessionId::new()));
        let slot = |login: &OpenLogin| {
            let key = (login.session, login.account.host.clone(), Purpose::Api);
            implicit.slot(key).unwrap()
        };
        let opening = slot(&other);
        for login in [&one, &other] {
            implicit.restore(login, Purpose::Api);
        }
        let found = slot(&one).lock().await.as_ref().map(|login| login.id);
        assert_eq!(found, Some(one.id));
        assert!(opening.lock().await.is_none() && slot(&other).lock().await.is_none());
    }

    #[test]
    fn a_session_has_its_share_of_bearers_and_another_has_its_own() {
        let (implicit, logins) = (Implicit::default(), Logins::default());
        let (one, other) = (open_login(SessionId::new()), open_login(SessionId::new()));
        logins.keep(&one, place());
        logins.keep(&other, place());
        let found = |login: &OpenLogin, bearer: &str| {
            implicit
                .of_bearer(&logins, login.session, &login.account, bearer)
                .map(|found| found.id)
        };
        for number in 0..=BEARERS_MAX {
            implicit.note_bearer(&one, &number.to_string());
        }
        assert_eq!(found(&one, "0"), Some(one.id));
        let last_place = (BEARERS_MAX - 1).to_string();
        assert_eq!(found(&one, &last_place), Some(one.id));
        let one_more = BEARERS_MAX.to_string();
        assert_eq!(found(&one, &one_more), None);
        assert_eq!(found(&other, "0"), None);
        implicit.note_bearer(&other, &one_more);
        assert_eq!(found(&other, &one_more), Some(other.id));

        // One that has its place follows its client to another login.
        let next = open_login(one.session);
        logins.keep(&next, place());
        implicit.note_bearer(&next, "0");
        assert_eq!(found(&one, "0"), Some(next.id));
        logins.revoke(next.id);
        assert_eq!(found(&one, "0"), None);
    }
}
