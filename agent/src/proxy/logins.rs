//! The logins of live sessions, found by the opaque tokens that their clients hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedSemaphorePermit;

use super::implicit::Purpose;
use super::sessions::Session;
use crate::execution::{Context, Realm};
use crate::id::{LoginId, SessionId};
use crate::identity::Principal;
use crate::record::{LoginRow, Phase};
use crate::snowflake::secret::Secret;
use crate::upstream::{Account, Login};

/// Tokens of a login that are good at once: a client may still use the one before while it renews.
const TOKENS_MAX: usize = 6;

/// What opaque tokens begin with.
const PREFIX: &str = "icecore-";

/// Random bytes of an opaque token.
const TOKEN_BYTES: usize = 32;

/// A login of a session, and what the record says of it.
pub(super) struct OpenLogin {
    pub(super) id: LoginId,
    pub(super) session: SessionId,
    pub(super) account: Arc<Account>,
    pub(super) login: Arc<Login>,
    /// Whom its own token shows that it acts for; none if that is whom its session acts for.
    pub(super) shown: Option<Principal>,
    /// What Icecore opened it for by itself, if a client did not log in.
    pub(super) purpose: Option<Purpose>,
    /// Where its queries are known.
    pub(super) realm: Realm,
    /// What its statements have made of its names.
    pub(super) context: Arc<Context>,
    pub(super) facts: LoginFacts,
}

/// What the record says of a login beside its account and credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LoginFacts {
    /// When Snowflake accepted it, in nanoseconds since 1970.
    pub(super) opened_at_ns: i64,
    /// The user that Snowflake says it is.
    pub(super) sf_user: String,
    /// The role that Snowflake says it has.
    pub(super) sf_role: String,
    /// Snowflake's number of it.
    pub(super) sf_session_id: Option<i64>,
    /// The client's name, as it says.
    pub(super) client_app: Option<String>,
    /// The client's version, as it says.
    pub(super) client_version: Option<String>,
    /// Whom it acts for.
    pub(super) principal: String,
    /// Person or program, where that is known.
    pub(super) principal_type: Option<String>,
    /// SHA-256 of the document whose keys proved that; absent in what an earlier version kept.
    #[serde(default)]
    pub(super) idp_keys_sha256: Option<[u8; 32]>,
    /// See `clocks`.
    #[serde(default)]
    pub(super) clock_ahead_ms: Option<i64>,
    /// Whether the kernel called its clock synchronised.
    #[serde(default)]
    pub(super) clock_synchronized: Option<bool>,
}

impl OpenLogin {
    /// Tells for whom it acts.
    pub(super) fn principal(&self, session: &Session) -> Principal {
        self.shown.clone().unwrap_or_else(|| session.principal())
    }

    /// Tells whether it acts for nobody any more: it was opened by a token of its own longer ago than `max_age`.
    pub(super) fn is_identity_over(&self, now: DateTime<Utc>, max_age: Duration) -> bool {
        let opened_at = DateTime::from_timestamp_nanos(self.facts.opened_at_ns);
        self.shown.is_some() && now >= opened_at + max_age
    }

    /// Writes what the record keeps of it while it is open.
    pub(super) fn row(&self) -> LoginRow {
        let (account, facts) = (&self.account, self.facts.clone());
        let credential = self.login.credential().clone();
        LoginRow {
            session_id: Some(self.session),
            login_id: Some(self.id),
            phase: Phase::Open,
            opened_at: Some(DateTime::from_timestamp_nanos(facts.opened_at_ns)),
            account: Some(account.name.clone()),
            sf_user: Some(facts.sf_user),
            sf_role: Some(facts.sf_role),
            secondary_roles: Some("NONE".to_owned()),
            sf_session_id: facts.sf_session_id,
            client_app: facts.client_app,
            client_version: facts.client_version,
            auth_injected: Some(credential.kind),
            credential_ref: Some(credential.reference),
            principal: Some(facts.principal),
            principal_type: facts.principal_type,
            idp_keys_sha256: facts.idp_keys_sha256,
            clock_ahead_ms: facts.clock_ahead_ms,
            clock_synchronized: facts.clock_synchronized,
            ..LoginRow::default()
        }
    }
}

/// Why a client gets no tokens.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    #[error("Icecore has no random bytes for tokens")]
    Random,
    #[error("Icecore: this login is closed; log in anew")]
    Closed,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum TokenKind {
    /// Requests.
    Session,
    /// Renewal.
    Master,
}

/// An opaque token, as it is known here.
pub(super) type KnownToken = (TokenKind, [u8; 32]);

/// What a token leads to.
pub(super) enum Found {
    /// A login of the session that asks.
    Login(Arc<OpenLogin>),
    /// A login of another session: the token was carried over.
    Foreign,
    /// Nothing.
    Unknown,
}

/// All open logins.
#[derive(Default)]
pub(super) struct Logins(Mutex<Tables>);

#[derive(Default)]
struct Tables {
    /// Each with its place among the logins that its session may have open.
    open: HashMap<LoginId, (Arc<OpenLogin>, OwnedSemaphorePermit)>,
    by_token: HashMap<[u8; 32], (TokenKind, Arc<OpenLogin>)>,
    tokens_of: HashMap<LoginId, Vec<[u8; 32]>>,
}

impl Logins {
    /// Makes a pair of opaque tokens that lead to a login; older pairs are dropped.
    ///
    /// # Errors
    /// The system gives no random bytes, or the login was closed meanwhile.
    pub(super) fn grant(&self, login: &Arc<OpenLogin>) -> Result<(Secret, Secret), NoToken> {
        let random = || random_token().map_err(|_| NoToken::Random);
        let (session, master) = (random()?, random()?);
        let mut tables = self.tables();
        if !tables.open.contains_key(&login.id) {
            return Err(NoToken::Closed);
        }
        for (token, kind) in [(&session, TokenKind::Session), (&master, TokenKind::Master)] {
            tables.lead(login, (kind, digest(token.reveal())));
        }
        let tokens = tables.tokens_of.entry(login.id).or_default();
        let surplus = tokens.len().saturating_sub(TOKENS_MAX);
        let dropped: Vec<[u8; 32]> = tokens.drain(..surplus).collect();
        for token in dropped {
            tables.by_token.remove(&token);
        }
        drop(tables);
        Ok((session, master))
    }

    /// Keeps a login that an earlier proxy opened, and the tokens that lead to it.
    pub(super) fn restore(
        &self,
        login: &Arc<OpenLogin>,
        place: OwnedSemaphorePermit,
        tokens: &[KnownToken],
    ) {
        let mut tables = self.tables();
        tables.open.insert(login.id, (Arc::clone(login), place));
        for token in tokens.iter().take(TOKENS_MAX) {
            tables.lead(login, *token);
        }
    }

    /// Lists the tokens that lead to a login, oldest first; none if it is not open or never had any.
    pub(super) fn tokens_of(&self, login: LoginId) -> Vec<KnownToken> {
        let tables = self.tables();
        let digests = tables.tokens_of.get(&login).into_iter().flatten();
        let known = digests.filter_map(|digest| Some((tables.by_token.get(digest)?.0, *digest)));
        known.collect()
    }

    /// Lists the open logins.
    pub(super) fn all(&self) -> Vec<Arc<OpenLogin>> {
        let tables = self.tables();
        let open = tables.open.values().map(|(login, _)| login);
        open.cloned().collect()
    }

    /// Lists the open logins whose real tokens were renewed since they were listed last.
    pub(super) fn take_changed(&self) -> Vec<Arc<OpenLogin>> {
        let tables = self.tables();
        let open = tables.open.values().map(|(login, _)| login);
        open.filter(|login| login.login.take_changed())
            .cloned()
            .collect()
    }

    /// Keeps a login that has no tokens, so that its session's end finds it.
    pub(super) fn keep(&self, login: &Arc<OpenLogin>, place: OwnedSemaphorePermit) {
        let held = (Arc::clone(login), place);
        self.tables().open.insert(login.id, held);
    }

    /// Finds the login of a token that a session shows.
    pub(super) fn find(&self, session: SessionId, kind: TokenKind, token: &str) -> Found {
        match self.tables().by_token.get(&digest(token)) {
            Some((held, login)) if *held == kind && login.session == session => {
                Found::Login(Arc::clone(login))
            }
            Some((_, login)) if login.session != session => Found::Foreign,
            Some(_) | None => Found::Unknown,
        }
    }

    /// Counts the open logins.
    pub(super) fn count(&self) -> usize {
        self.tables().open.len()
    }

    /// Tells whether a login is open here.
    pub(super) fn holds(&self, login: LoginId) -> bool {
        self.tables().open.contains_key(&login)
    }

    /// Lets go of a login and takes its tokens away; tells whether it was open, so that one caller alone closes it.
    pub(super) fn revoke(&self, login: LoginId) -> bool {
        let mut tables = self.tables();
        for token in tables.tokens_of.remove(&login).unwrap_or_default() {
            tables.by_token.remove(&token);
        }
        tables.open.remove(&login).is_some()
    }

    /// Lets go of all logins of a session, takes their tokens away and gives them.
    pub(super) fn revoke_session(&self, session: SessionId) -> Vec<Arc<OpenLogin>> {
        let mut tables = self.tables();
        let ours = |login: &OpenLogin| login.session == session;
        tables.by_token.retain(|_, (_, login)| !ours(login));
        let logins: Vec<Arc<OpenLogin>> = tables
            .open
            .extract_if(|_, (login, _)| ours(login))
            .map(|(_, (login, _))| login)
            .collect();
        for login in &logins {
            tables.tokens_of.remove(&login.id);
        }
        logins
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Lets a token lead to a login.
    fn lead(&mut self, login: &Arc<OpenLogin>, (kind, digest): KnownToken) {
        self.by_token.insert(digest, (kind, Arc::clone(login)));
        self.tokens_of.entry(login.id).or_default().push(digest);
    }
}

fn random_token() -> Result<Secret, ring::error::Unspecified> {
    let mut bytes = [0; TOKEN_BYTES];
    ring::rand::SystemRandom::new().fill(&mut bytes)?;
    let letters = URL_SAFE_NO_PAD.encode(bytes);
    Ok(Secret::new(format!("{PREFIX}{letters}")))
}

/// Tells whether a text looks like a token that was given here.
pub(super) fn is_opaque(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// Tokens are kept as digests, so that a look-up's time says nothing of them.
pub(super) fn digest(token: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, token.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A login of a session, which no table holds yet.
    pub(in super::super) fn open_login(session: SessionId) -> Arc<OpenLogin> {
        let host = "acme.snowflakecomputing.com";
        Arc::new(OpenLogin {
            id: LoginId::new(),
            session,
            account: Arc::new(Account::of_host(host)),
            login: Arc::new(Login::of_host(host)),
            shown: None,
            purpose: None,
            realm: Realm::new("ACME", None),
            context: Arc::new(Context::resumed()),
            facts: LoginFacts::default(),
        })
    }

    /// A place among a session's logins.
    pub(in super::super) fn place() -> OwnedSemaphorePermit {
        let places = Arc::new(tokio::sync::Semaphore::new(1));
        places.try_acquire_owned().unwrap()
    }

    /// A login of a session that the table holds, and the tokens of its client.
    fn granted(logins: &Logins, session: SessionId) -> (Arc<OpenLogin>, Secret, Secret) {
        let login = open_login(session);
        logins.keep(&login, place());
        let (token, master) = logins.grant(&login).unwrap();
        (login, token, master)
    }

    fn word(found: &Found) -> &'static str {
        match found {
            Found::Login(_) => "login",
            Found::Foreign => "foreign",
            Found::Unknown => "unknown",
        }
    }

    /// What a session's two tokens lead to, each as what it is and as the other.
    fn all(
        logins: &Logins,
        session: SessionId,
        token: &Secret,
        master: &Secret,
    ) -> [&'static str; 4] {
        use TokenKind::{Master, Session};
        [
            (Session, token),
            (Master, master),
            (Master, token),
            (Session, master),
        ]
        .map(|(kind, token)| word(&logins.find(session, kind, token.reveal())))
    }

    #[test]
    fn a_token_is_good_for_one_thing_in_one_session() {
        let (logins, session) = (Logins::default(), SessionId::new());
        let (_, token, master) = granted(&logins, session);
        let own = all(&logins, session, &token, &master);
        assert_eq!(own, ["login", "login", "unknown", "unknown"]);
        let others = all(&logins, SessionId::new(), &token, &master);
        assert_eq!(others, ["foreign"; 4]);
    }

    #[test]
    fn tokens_of_a_closed_login_are_unknown_and_no_more_are_given() {
        let (logins, session) = (Logins::default(), SessionId::new());
        let (login, token, master) = granted(&logins, session);
        let (_, kept, kept_master) = granted(&logins, session);
        assert!(logins.revoke(login.id) && !logins.revoke(login.id));
        assert_eq!(all(&logins, session, &token, &master), ["unknown"; 4]);
        let others = all(&logins, SessionId::new(), &token, &master);
        assert_eq!(others, ["unknown"; 4]);
        assert_eq!(logins.grant(&login).unwrap_err(), NoToken::Closed);
        let kept = all(&logins, session, &kept, &kept_master);
        assert_eq!(kept[..2], ["login", "login"]);
    }

    #[test]
    fn tokens_of_a_session_that_ended_are_unknown_everywhere() {
        let (logins, session, other) = (Logins::default(), SessionId::new(), SessionId::new());
        let (login, token, master) = granted(&logins, session);
        let (_, kept, kept_master) = granted(&logins, other);
        let revoked = logins.revoke_session(session);
        assert_eq!(
            revoked.iter().map(|login| login.id).collect::<Vec<_>>(),
            [login.id]
        );
        for asking in [session, other] {
            assert_eq!(all(&logins, asking, &token, &master), ["unknown"; 4]);
        }
        assert_eq!(logins.grant(&login).unwrap_err(), NoToken::Closed);
        assert_eq!(
            all(&logins, other, &kept, &kept_master)[..2],
            ["login", "login"]
        );
    }

    #[test]
    fn a_renewed_login_keeps_three_pairs_of_tokens() {
        let (logins, session) = (Logins::default(), SessionId::new());
        let (login, token, master) = granted(&logins, session);
        for _ in 0..2 {
            logins.grant(&login).unwrap();
        }
        assert_eq!(
            all(&logins, session, &token, &master)[..2],
            ["login", "login"]
        );
        logins.grant(&login).unwrap();
        assert_eq!(all(&logins, session, &token, &master), ["unknown"; 4]);
    }
}
