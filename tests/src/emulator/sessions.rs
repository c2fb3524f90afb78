//! The gate's own sessions and tokens: given here, so that a token from elsewhere is worth nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use super::answers::{self, Refusal};
use super::settings::Account;
use super::statements::Statement;
use crate::time;

/// Life of a master token.
pub(super) const MASTER_VALIDITY: Duration = Duration::from_secs(4 * 3600);

/// One login, with the fakesnow session behind it.
#[derive(Debug)]
pub(super) struct Session {
    /// The number that Snowflake calls `sessionId`; beyond 2^53, as real ones may be.
    pub(super) id: u64,
    /// fakesnow's own token; never leaves the gate.
    pub(super) backend_token: String,
    /// Who logged in, and as what.
    pub(super) account: Account,
    /// What the client calls itself; empty if it does not say.
    pub(super) application: String,
    /// The database at the login.
    pub(super) database: String,
    /// The schema at the login.
    pub(super) schema: String,
    /// What `x-snowflake-session` says of it.
    pub(super) sticky: String,
    parameters: Mutex<HashMap<String, Value>>,
    settings: Mutex<Settings>,
    has_secondary_roles: AtomicBool,
    /// Held while fakesnow works for this session: it takes one request at a time.
    pub(super) queue: tokio::sync::Mutex<()>,
    /// Statements by request id, so that a replay joins.
    pub(super) by_request: Mutex<HashMap<String, Arc<Statement>>>,
}

#[derive(Debug)]
struct Held {
    session: Arc<Session>,
    expires: Instant,
    is_master: bool,
}

/// What statements made of a session, as far as the gate is asked for it.
#[derive(Debug, Default)]
struct Settings {
    /// Database and schema; those of the login before any answer told others.
    place: Option<(Value, Value)>,
    variables: BTreeMap<String, String>,
    is_in_transaction: bool,
}

impl Session {
    /// Gives the database and schema that the session is in.
    #[must_use]
    pub(super) fn place(&self) -> (Value, Value) {
        let place = self.lock_settings().place.clone();
        place.unwrap_or_else(|| (json!(self.database), json!(self.schema)))
    }

    /// Gives the session's parameters.
    #[must_use]
    pub(super) fn parameters(&self) -> BTreeMap<String, Value> {
        self.lock_parameters().clone().into_iter().collect()
    }

    /// Gives the session's variables, each by the text that it was set to.
    #[must_use]
    pub(super) fn variables(&self) -> BTreeMap<String, String> {
        self.lock_settings().variables.clone()
    }

    /// Tells whether a transaction is open.
    #[must_use]
    pub(super) fn is_in_transaction(&self) -> bool {
        self.lock_settings().is_in_transaction
    }

    /// Notes what a statement that succeeded made of the session.
    pub(super) fn note(&self, sql: &str, place: Option<(Value, Value)>) {
        let mut settings = self.lock_settings();
        if place.is_some() {
            settings.place = place;
        }
        let text = sql.trim().trim_end_matches(';').trim();
        let lower = text.to_ascii_lowercase();
        match lower.split_whitespace().next() {
            Some("begin" | "start") => settings.is_in_transaction = true,
            Some("commit" | "rollback" | "create" | "drop" | "alter") => {
                settings.is_in_transaction = false
            }
            Some("set") => {
                if let Some((name, value)) = text.get(3..).and_then(|rest| rest.split_once('=')) {
                    let value = value.trim().trim_matches('\'').to_owned();
                    settings
                        .variables
                        .insert(name.trim().to_ascii_uppercase(), value);
                }
            }
            Some(_) | None => {}
        }
    }

    fn lock_settings(&self) -> std::sync::MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a session parameter by its name in upper case.
    #[must_use]
    pub(super) fn parameter(&self, name: &str) -> Option<Value> {
        self.lock_parameters().get(name).cloned()
    }

    /// Sets a session parameter; null takes it away.
    pub(super) fn set_parameter(&self, name: &str, value: Value) {
        let name = name.to_ascii_uppercase();
        if value.is_null() {
            self.lock_parameters().remove(&name);
        } else {
            self.lock_parameters().insert(name, value);
        }
    }

    /// Tells whether secondary roles are on.
    #[must_use]
    pub(super) fn has_secondary_roles(&self) -> bool {
        self.has_secondary_roles.load(Ordering::SeqCst)
    }

    /// Switches secondary roles on or off.
    pub(super) fn set_secondary_roles(&self, are_on: bool) {
        self.has_secondary_roles.store(are_on, Ordering::SeqCst);
    }

    fn lock_parameters(&self) -> std::sync::MutexGuard<'_, HashMap<String, Value>> {
        self.parameters
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a login brings along for its session.
#[derive(Debug)]
pub(super) struct Opening {
    /// fakesnow's own token.
    pub(super) backend_token: String,
    /// Who logs in, and as what.
    pub(super) account: Account,
    /// What the client calls itself.
    pub(super) application: String,
    /// The database.
    pub(super) database: String,
    /// The schema.
    pub(super) schema: String,
}

impl Opening {
    /// Makes the session, which no token opens yet.
    #[must_use]
    pub(super) fn session(self) -> Arc<Session> {
        let [a, b, c, d] = random::<4>();
        Arc::new(Session {
            id: (1 << 60) | u64::from(u32::from_be_bytes([a, b, c, d])),
            backend_token: self.backend_token,
            account: self.account,
            application: self.application,
            database: self.database,
            schema: self.schema,
            sticky: format!("srv-{:016x}", u64::from_be_bytes(random())),
            parameters: Mutex::default(),
            settings: Mutex::default(),
            // A user's default secondary roles are all (Snowflake, behaviour change bundle 2024_08).
            has_secondary_roles: AtomicBool::new(true),
            queue: tokio::sync::Mutex::default(),
            by_request: Mutex::default(),
        })
    }
}

/// A pair of tokens as a login or a renewal gives it.
#[derive(Clone, Debug)]
pub(super) struct Tokens {
    /// Presented with each request.
    pub(super) session: String,
    /// Presented to renew.
    pub(super) master: String,
}

/// All sessions by the tokens that open them.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    tokens: Mutex<HashMap<String, Held>>,
}

impl Sessions {
    /// Opens a session and gives its tokens.
    pub(super) fn open(&self, opening: Opening, validity: Duration) -> (Arc<Session>, Tokens) {
        let session = opening.session();
        let tokens = self.give(&session, validity);
        (session, tokens)
    }

    /// Gives the session that a token opens, or Snowflake's refusal.
    pub(super) fn session(&self, token: &str) -> Result<Arc<Session>, Refusal> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        match tokens.get(token) {
            None => Err(answers::TOKEN_UNKNOWN),
            Some(held) if held.is_master => Err(answers::TOKEN_UNKNOWN),
            Some(held) if held.expires <= time::instant() => Err(answers::TOKEN_EXPIRED),
            Some(held) => Ok(Arc::clone(&held.session)),
        }
    }

    /// Gives what `x-snowflake-session` says of the session that a token is one of.
    pub(super) fn sticky(&self, token: &str) -> Option<String> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.get(token).map(|held| held.session.sticky.clone())
    }

    /// Renews a session by its master token; the old session token must be one of the same session.
    pub(super) fn renew(
        &self,
        master: &str,
        old_session: &str,
        validity: Duration,
    ) -> Result<(Arc<Session>, Tokens), Refusal> {
        let session = {
            let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
            let held = tokens.get(master).filter(|held| held.is_master);
            let old = tokens.get(old_session).filter(|held| !held.is_master);
            match (held, old) {
                (Some(held), Some(old)) if held.session.id == old.session.id => {
                    Arc::clone(&held.session)
                }
                (Some(_) | None, Some(_) | None) => return Err(answers::MASTER_UNKNOWN),
            }
        };
        let tokens = self.give(&session, validity);
        Ok((session, tokens))
    }

    /// Forgets every token of a session.
    pub(super) fn close(&self, session: &Session) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.retain(|_, held| held.session.id != session.id);
    }

    /// Ends the life of every session token now; master tokens stay good.
    pub(super) fn expire_all(&self) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        for held in tokens.values_mut().filter(|held| !held.is_master) {
            held.expires = time::instant();
        }
    }

    fn give(&self, session: &Arc<Session>, validity: Duration) -> Tokens {
        let given = Tokens {
            session: token("ver:3-hint:1-ETMsDgAAAZ"),
            master: token("ver:3-hint:2-ETMsDgAAAZ"),
        };
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        for (value, is_master, life) in [
            (&given.session, false, validity),
            (&given.master, true, MASTER_VALIDITY),
        ] {
            let held = Held {
                session: Arc::clone(session),
                expires: time::instant() + life,
                is_master,
            };
            tokens.insert(value.clone(), held);
        }
        given
    }
}

/// Makes a token that looks like a real one.
fn token(prefix: &str) -> String {
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random::<96>()))
}

/// Gives random bytes from the system.
#[must_use]
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The system's generator does not fail once it is seeded; a token of zeros would be refused by no test but seen.
    if SystemRandom::new().fill(&mut bytes).is_err() {
        tracing::error!("no random bytes");
    }
    bytes
}
