//! Endpoints of a login: opened, renewed, kept alive, closed.

use std::sync::Arc;

use hyper::Method;
use serde_json::json;

use super::door::{Door, Received};
use super::logins::{Found, OpenLogin, TokenKind};
use crate::id::LoginId;
use crate::record::{Category, LoginRow, Phase, RecordError, Row, Severity};
use crate::snowflake::answer::{self, Body, code};
use crate::snowflake::json::Object;
use crate::snowflake::login::LoginRequest;
use crate::upstream::{
    self, Account, Answered, Login, LoginOutcome, RenewalOutcome, UpstreamError,
};

/// Event: the host's own credential for an account cannot be used.
const CREDENTIAL_UNUSABLE: &str = "AU004";

impl Door {
    /// Logs in with our credential and hands the client opaque tokens.
    pub(super) async fn log_in(&self, account: &Arc<Account>, received: &Received) -> Body {
        let request = match LoginRequest::read(&received.plain) {
            Ok(request) => request,
            Err(error) => {
                return self
                    .refuse(&error.to_string(), json!({ "path": "login-request" }))
                    .await;
            }
        };
        let now = self.core.shared.stages.clock.now();
        let query = received.query.as_deref();
        let opened = Login::open(
            &self.core.upstream,
            account,
            &request,
            query,
            &received.headers(),
            now,
        )
        .await;
        let (login, granted) = match opened {
            Ok(LoginOutcome::Granted(login, granted)) => (login, granted),
            Ok(LoginOutcome::Refused(answered)) => return relay(answered, code::LOGIN_REFUSED),
            Err(error) => return self.not_logged_in(account, &error).await,
        };
        let row = LoginRow {
            session_id: Some(self.session.id()),
            login_id: Some(LoginId::new()),
            phase: Phase::Open,
            opened_at: Some(now),
            account: Some(account.name.clone()),
            sf_user: Some(account.user.clone()),
            sf_role: granted.role().or_else(|| Some(account.role.clone())),
            secondary_roles: Some("NONE".to_owned()),
            sf_session_id: granted.sf_session_id(),
            client_app: request.client().name.clone(),
            client_version: request.client().version.clone(),
            auth_injected: Some(login.credential().kind.to_owned()),
            credential_ref: Some(login.credential().reference.clone()),
            principal: Some(self.session.principal().to_string()),
            ..LoginRow::default()
        };
        let open = OpenLogin {
            id: row.login_id.unwrap_or_else(LoginId::new),
            session: self.session.id(),
            account: Arc::clone(account),
            login: Arc::new(login),
            row: row.clone(),
        };
        let unrecorded = Arc::clone(&open.login);
        let open = Arc::new(open);
        let granted = match self
            .record_login(row)
            .await
            .map(|()| self.core.shared.logins.grant(&open))
        {
            Ok(Ok((session, master))) => granted
                .write(&session, &master)
                .and_then(|data| answer::success(&data)),
            Ok(Err(_)) => {
                return answer::plain_error(code::FAILED, "Icecore has no random bytes for tokens");
            }
            Err(error) => {
                if let Err(error) = unrecorded.close(&self.core.upstream).await {
                    tracing::warn!(%error, "login could not be closed at Snowflake; it ends by its own life");
                }
                let text =
                    format!("Icecore refused this login, since it could not be recorded: {error}");
                return answer::plain_error(code::LOGIN_REFUSED, &text);
            }
        };
        if self.session.is_over() {
            // The session ended while Snowflake was asked: its end did not see this login.
            return self.close(&open).await;
        }
        granted.unwrap_or_else(|error| answer::plain_error(code::FAILED, &error.to_string()))
    }

    /// Tells the agent that there is no login, and the operator why if it is for our own credential.
    pub(super) async fn not_logged_in(&self, account: &Account, error: &UpstreamError) -> Body {
        let UpstreamError::Credential(cause) = error else {
            return failed(error);
        };
        tracing::error!(host = %account.host, %cause, "credential cannot be used; logins are refused");
        let detail =
            json!({ "account": account.name, "host": account.host, "reason": cause.to_string() });
        self.core
            .shared
            .event(
                Some(&self.session),
                CREDENTIAL_UNUSABLE,
                Severity::High,
                Category::Auth,
                detail,
            )
            .await;
        answer::plain_error(code::LOGIN_REFUSED, &format!("no login: {error}"))
    }

    async fn record_login(&self, row: LoginRow) -> Result<(), RecordError> {
        let _receipt = self
            .core
            .shared
            .stages
            .recorder
            .commit(vec![Row::from(row)])
            .await?;
        Ok(())
    }

    /// Renews the real tokens and hands out fresh opaque ones.
    pub(super) async fn renew(&self, login: &Arc<OpenLogin>, received: &Received) -> Body {
        let old: Option<String> = Object::read(&received.plain)
            .ok()
            .and_then(|body| body.read_as("oldSessionToken"));
        let logins = &self.core.shared.logins;
        let same =
            old.is_some_and(
                |old| match logins.find(self.session.id(), TokenKind::Session, &old) {
                    Found::Login(found) => found.id == login.id,
                    Found::Foreign | Found::Unknown => false,
                },
            );
        if !same {
            return answer::plain_error(
                code::MASTER_EXPIRED,
                "Icecore: the tokens are not of one login; log in anew",
            );
        }
        match login.login.renew(&self.core.upstream).await {
            Ok(RenewalOutcome::Granted(granted)) => match logins.grant(login) {
                Ok((session, master)) => granted
                    .write(&session, &master)
                    .and_then(|data| answer::success(&data))
                    .unwrap_or_else(|error| answer::plain_error(code::FAILED, &error.to_string())),
                Err(_) => {
                    answer::plain_error(code::FAILED, "Icecore has no random bytes for tokens")
                }
            },
            Ok(RenewalOutcome::Refused(answered)) => relay(answered, code::MASTER_EXPIRED),
            Err(error) => failed(&error),
        }
    }

    /// Keeps the login alive at Snowflake.
    pub(super) async fn heartbeat(&self, login: &Arc<OpenLogin>, received: &Received) -> Body {
        let headers = received.headers();
        let asked = upstream::call(
            &self.core.upstream,
            &login.login,
            &headers,
            Method::POST,
            "/session/heartbeat",
        )
        .await;
        match asked {
            Ok(answered) => relay(answered, code::FAILED),
            Err(UpstreamError::Expired) => {
                answer::plain_error(code::SESSION_EXPIRED, "the login has expired")
            }
            Err(error) => failed(&error),
        }
    }

    /// Closes the login, here at once and at Snowflake as well as it can be reached.
    pub(super) async fn close(&self, login: &Arc<OpenLogin>) -> Body {
        self.core.shared.logins.revoke(login.id);
        if let Err(error) = login.login.close(&self.core.upstream).await {
            tracing::warn!(login = %login.id, %error, "login could not be closed at Snowflake; it ends by its own life");
        }
        let row = closed(
            login,
            self.core.shared.stages.clock.now(),
            "closed by the client",
        );
        if let Err(error) = self.record_login(row).await {
            tracing::error!(login = %login.id, %error, "login's end could not be recorded");
        }
        done()
    }
}

/// Writes what the record keeps of a login's end.
pub(super) fn closed(
    login: &OpenLogin,
    now: chrono::DateTime<chrono::Utc>,
    reason: &str,
) -> LoginRow {
    LoginRow {
        phase: Phase::Close,
        is_final: true,
        closed_at: Some(now),
        close_reason: Some(reason.to_owned()),
        ..login.row.clone()
    }
}

/// Says that what was asked is done.
pub(super) fn done() -> Body {
    answer::success(&Object::default())
        .unwrap_or_else(|error| answer::plain_error(code::FAILED, &error.to_string()))
}

/// Passes an answer on that holds no rows, without anything that works elsewhere.
pub(super) fn relay(answered: Answered, fallback_code: &str) -> Body {
    let (answer, _) = answered.into_parts();
    answer
        .write()
        .map(Body::ok)
        .unwrap_or_else(|error| answer::plain_error(fallback_code, &error.to_string()))
}

/// Tells that Snowflake gave no answer.
pub(super) fn failed(error: &UpstreamError) -> Body {
    answer::plain_error(
        code::FAILED,
        &format!("Icecore could not get an answer: {error}"),
    )
}
