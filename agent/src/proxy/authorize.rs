//! Which login a request acts for: by an opaque token, or by one that Icecore opens for clients that bring none.

use std::sync::Arc;

use hyper::header::{AUTHORIZATION, HeaderMap};
use serde_json::json;

use super::door::{Door, Received};
use super::implicit::Purpose;
use super::logins::{Found, OpenLogin, TokenKind, is_opaque};
use crate::record::{Category, Severity};
use crate::snowflake::answer::{self, Body, Form, code};
use crate::upstream::Account;

/// Code of the event that a token of another session was shown.
const FOREIGN_TOKEN: &str = "AU003";

/// Code of the event that a token was shown which leads to no login: that or its session is over, the daemon was restarted,
/// or it never was one.
const LOST_TOKEN: &str = "AU008";

/// Told when a login acts for nobody any more.
const IDENTITY_OVER: &str = "Icecore: the identity that this login began with is over (`identity.max_session_age`); connect \
    anew with a fresh token";

/// The header by which a client without a login names its session (protocol reference 2.1).
const EXTERNAL_SESSION: &str = "x-snowflake-external-session-id";

/// Longest name of an external session.
const EXTERNAL_SESSION_MAX_BYTES: usize = 256;

/// What a request shows of itself. Source: protocol reference section 3.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    /// `Snowflake Token="…"`: what a login handed out.
    Token(&'a str),
    /// `Bearer …`: a credential of the client's own, which is worth nothing here.
    Bearer(&'a str),
    /// Neither, or more than one.
    Nothing,
}

impl<'a> Shown<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Self::Nothing;
        };
        let Ok(value) = value.to_str() else {
            return Self::Nothing;
        };
        let token = value
            .strip_prefix("Snowflake Token=\"")
            .and_then(|rest| rest.strip_suffix('"'))
            .filter(|token| !token.contains('"'));
        match (token, value.split_once(' ')) {
            (Some(token), _) => Self::Token(token),
            (None, Some((scheme, bearer))) if scheme.eq_ignore_ascii_case("Bearer") => {
                Self::Bearer(bearer)
            }
            (None, _) => Self::Nothing,
        }
    }
}

impl Door {
    /// Finds the login that a request acts for; it must be one of this session and this account.
    pub(super) async fn authorized(
        &self,
        account: &Arc<Account>,
        received: &Received,
    ) -> Result<Arc<OpenLogin>, Body> {
        match Shown::read(&received.headers) {
            Shown::Token(token) => {
                let found = self.find(account, TokenKind::Session, token).await;
                let implicit = || {
                    let implicit = &self.core.shared.implicit;
                    implicit.of_bearer(&self.core.shared.logins, self.session.id(), account, token)
                };
                let login = found
                    .or_else(implicit)
                    .filter(|login| self.is_granted(account, login))
                    .filter(|login| !login.login.is_distrusted())
                    .ok_or_else(|| unknown(received.form))?;
                self.still_shown(login, received.form)
            }
            Shown::Bearer(bearer) => {
                let purpose = purpose(received)?;
                self.implicit(account, received, purpose, bearer).await
            }
            Shown::Nothing => Err(unknown(received.form)),
        }
    }

    /// Finds the login of the SQL API for a client that shows a bearer credential of its own, and for no other: statements
    /// of Icecore's own may run in it, which a driver's login would notice.
    pub(super) async fn bearer_login(
        &self,
        account: &Arc<Account>,
        received: &Received,
    ) -> Result<Arc<OpenLogin>, Body> {
        match Shown::read(&received.headers) {
            Shown::Bearer(bearer) => {
                self.implicit(account, received, Purpose::Api, bearer).await
            }
            Shown::Token(_) | Shown::Nothing => Err(received.form.plain_error(
                code::LOGIN_REFUSED,
                "Icecore refused this: expected one `Authorization: Bearer`, found another or none; any text does",
            )),
        }
    }

    /// Finds the login that a renewal is for.
    pub(super) async fn master(
        &self,
        account: &Arc<Account>,
        received: &Received,
    ) -> Result<Arc<OpenLogin>, Body> {
        let found = match Shown::read(&received.headers) {
            Shown::Token(token) => self.find(account, TokenKind::Master, token).await,
            Shown::Bearer(_) | Shown::Nothing => None,
        };
        let found = found
            .filter(|login| self.is_granted(account, login))
            .filter(|login| !login.login.is_distrusted());
        let login = found
            .ok_or_else(|| answer::plain_error(code::MASTER_EXPIRED, "Icecore: log in anew"))?;
        self.still_shown(login, received.form)
    }

    /// Refuses a login whose own token showed long ago for whom it acts.
    fn still_shown(&self, login: Arc<OpenLogin>, form: Form) -> Result<Arc<OpenLogin>, Body> {
        let shared = &self.core.shared;
        let max_age = shared.current().config.identity.max_session_age;
        if login.is_identity_over(shared.stages.clock.now(), max_age) {
            return Err(form.plain_error(code::LOGIN_REFUSED, IDENTITY_OVER));
        }
        Ok(login)
    }

    /// Tells whether a login's principal has the account in the way that a login has it: a fresh token may show other
    /// groups than the one that the login was opened by.
    pub(super) fn is_granted(&self, account: &Arc<Account>, login: &OpenLogin) -> bool {
        let granted = account.granted_to(login.principal(&self.session).identity());
        granted.is_some_and(|granted| Arc::ptr_eq(&granted, &login.account))
    }

    async fn find(
        &self,
        account: &Account,
        kind: TokenKind,
        token: &str,
    ) -> Option<Arc<OpenLogin>> {
        let (event_code, severity) =
            match self.core.shared.logins.find(self.session.id(), kind, token) {
                Found::Login(login) => {
                    return Some(login).filter(|login| login.account.host == account.host);
                }
                Found::Foreign => (FOREIGN_TOKEN, Severity::High),
                Found::Unknown if is_opaque(token) => (LOST_TOKEN, Severity::Medium),
                // A client's own credential in the place of a token: it may lead to a login that Icecore opened.
                Found::Unknown => return None,
            };
        let detail = json!({ "pid": self.peer.pid, "exe": self.peer.exe });
        self.note(event_code, severity, Category::Auth, detail)
            .await;
        None
    }
}

/// Tells which login of Icecore's own a request with a bearer credential is for.
fn purpose(received: &Received) -> Result<Purpose, Body> {
    match received.form {
        Form::V2 { .. } => Ok(Purpose::Api),
        Form::V1 => {
            let mut names = received.headers.get_all(EXTERNAL_SESSION).iter();
            let name = match (names.next(), names.next()) {
                (Some(name), None) => name.to_str().ok(),
                (_, _) => None,
            };
            name.filter(|name| !name.is_empty() && name.len() <= EXTERNAL_SESSION_MAX_BYTES)
                .map(|name| Purpose::External(name.to_owned()))
                .ok_or_else(|| {
                    received.form.plain_error(
                        code::LOGIN_REFUSED,
                        "Icecore refused this: a bearer credential goes with one `X-Snowflake-External-Session-ID`; or log in, any password does",
                    )
                })
        }
    }
}

/// Tells that a token leads nowhere here, as it is after a restart of the proxy: drivers then log in anew.
fn unknown(form: Form) -> Body {
    form.plain_error(
        code::SESSION_EXPIRED,
        "Icecore: the session token is not known here",
    )
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: &Shown<'_>) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        assert_eq!(Shown::read(&headers), *expected, "{values:?}");
    }

    #[test]
    fn only_the_drivers_forms_of_a_credential_are_read() {
        check(&["Snowflake Token=\"abc\""], &Shown::Token("abc"));
        check(&["Bearer abc"], &Shown::Bearer("abc"));
        check(&["bearer abc"], &Shown::Bearer("abc"));
        for value in [
            "Snowflake Token=abc",
            "Snowflake Token=\"a\"b\"",
            "Basic",
            "Basic YTpi",
            "",
        ] {
            check(&[value], &Shown::Nothing);
        }
        check(&[], &Shown::Nothing);
        check(&["Bearer a", "Bearer a"], &Shown::Nothing);
    }

    #[test]
    fn a_bearer_needs_one_external_session_on_the_drivers_endpoints() {
        let with = |names: &[&str]| {
            let mut received = Received::of_path("/queries/v1/query-request");
            for name in names {
                received
                    .headers
                    .append(EXTERNAL_SESSION, HeaderValue::from_str(name).unwrap());
            }
            purpose(&received)
        };
        assert_eq!(with(&["s1"]), Ok(Purpose::External("s1".to_owned())));
        for names in [&[][..], &[""], &["a", "b"], &[&"x".repeat(257)]] {
            assert!(with(names).is_err(), "{names:?}");
        }
    }
}
