//! Endpoints of a login: opened, renewed, kept alive, closed.

use std::sync::Arc;

use hyper::Method;
use serde_json::json;

use super::body::Plain;
use super::clocks::ahead_ms;
use super::closing;
use super::door::{Door, Received};
use super::implicit::Purpose;
use super::logins::{Found, LoginFacts, OpenLogin, TokenKind};
use super::no_login::NoLogin;
use super::opening::{ACCEPTED, ShownBy, accepted};
use super::sessions::LOGINS_OPEN_MAX;
use crate::connection::sys::clock_is_synchronized;
use crate::execution::{Context, Realm, Tag};
use crate::id::LoginId;
use crate::record::{Category, LoginRow, Phase, RecordError, Row, Severity};
use crate::snowflake::answer::{self, Answer, Body, code};
use crate::snowflake::json::Object;
use crate::snowflake::login::{GrantedLogin, LoginRequest};
use crate::snowflake::secret::Secret;
use crate::upstream::{
    self, Account, Answered, Headers, Login, LoginOutcome, RenewalOutcome, SetAt, UpstreamError,
};

/// Why a login is ended whose state nobody knows.
pub(super) const DISTRUSTED: &str = "Snowflake ran another statement than the judged one";

/// Event: a login asked for session parameters that are not let through.
const PARAMETERS_DROPPED: &str = "RQ002";

impl Door {
    /// Logs in with our credential and hands the client opaque tokens.
    pub(super) async fn log_in(
        &self,
        account: &Arc<Account>,
        received: &Received,
        plain: Plain,
    ) -> Body {
        let read = LoginRequest::read(&plain);
        drop(plain);
        let mut request = match read {
            Ok(request) => request,
            Err(error) => {
                let detail = json!({ "path": received.path });
                return self.refuse(received.form, &error.to_string(), detail).await;
            }
        };
        if !request.dropped().is_empty() {
            self.tell_dropped(account, request.dropped()).await;
        }
        let shown = request.take_shown();
        let query = received.query.as_deref();
        let opened = self
            .open_login(account, &request, shown, query, &received.headers(), None)
            .await;
        match opened {
            Ok((login, granted)) => self.hand_out(&login, granted).await,
            Err(refusal) => refusal.told(received.form),
        }
    }

    /// Opens a login at Snowflake as what its principal is granted: whom the client shows by a token, else whom the session
    /// acts for. It is on record before anything is done through it.
    pub(super) async fn open_login(
        &self,
        account: &Arc<Account>,
        request: &LoginRequest,
        shown: Option<Secret>,
        query: Option<&str>,
        headers: &Headers,
        purpose: Option<Purpose>,
    ) -> Result<(Arc<OpenLogin>, GrantedLogin), NoLogin> {
        let settled = self.core.settle_login(&self.session, shown).await;
        let shown = match settled {
            Ok(shown) => shown,
            Err(reason) => return Err(self.not_shown(account, reason).await),
        };
        let principal = shown.clone().unwrap_or_else(|| self.session.principal());
        let Some(account) = account.granted_to(principal.identity()) else {
            return Err(self.not_granted(account, &principal).await);
        };
        let account = &account;
        let Some(place) = self.session.take_login() else {
            let text = format!(
                "a session may have {LOGINS_OPEN_MAX} logins open at once; close one that is not needed"
            );
            self.note_refusal(&text, json!({ "account": account.name }))
                .await;
            let text = format!("Icecore refused this login: {text}");
            return Err(NoLogin::new(code::LOGIN_REFUSED, text));
        };
        let now = self.core.shared.stages.clock.now();
        let opened = Login::open(&self.core.upstream, account, request, query, headers, now).await;
        let (login, granted, standing) = match opened {
            Ok(LoginOutcome::Granted(login, granted, standing)) => (login, granted, standing),
            Ok(LoginOutcome::Refused(answered)) => return Err(NoLogin::Refused(answered)),
            Ok(LoginOutcome::Unlike(unlike)) => return Err(self.unlike(account, &unlike).await),
            Err(error) => return Err(self.no_login(account, &error).await),
        };
        let received = self.core.shared.stages.clock.now();
        let dated = login.dated();
        let context = Context::opened(granted.current());
        let context = context.tagged(request.query_tag(), self.tag_default(&login).await);
        let client = request.client();
        let open = Arc::new(OpenLogin {
            id: LoginId::new(),
            session: self.session.id(),
            account: Arc::clone(account),
            login,
            purpose,
            realm: Realm::new(&account.name, shown.as_ref()),
            context: Arc::new(context),
            shown,
            facts: LoginFacts {
                opened_at_ns: now.timestamp_nanos_opt().unwrap_or_default(),
                sf_user: standing.user,
                sf_role: standing.role,
                sf_session_id: granted.sf_session_id(),
                client_app: client.name.clone(),
                client_version: client.version.clone(),
                principal: principal.to_string(),
                principal_type: principal
                    .identity()
                    .kind()
                    .map(|kind| kind.as_str().to_owned()),
                idp_keys_sha256: principal.keys_sha256(),
                clock_ahead_ms: dated.map(|dated| ahead_ms(now, received, dated)),
                clock_synchronized: clock_is_synchronized().ok(),
            },
        });
        if let Err(error) = self.record_opening(&open).await {
            if let Err(error) = open.login.close(&self.core.upstream).await {
                tracing::warn!(%error, "login could not be closed at Snowflake; it ends by its own life");
            }
            let text =
                format!("Icecore refused this login, since it could not be recorded: {error}");
            return Err(NoLogin::new(code::LOGIN_REFUSED, text));
        }
        self.session.learn_driver(&self.peer);
        self.core.shared.logins.keep(&open, place);
        if self.session.is_over() {
            // The session ended while Snowflake was asked: its end may not have seen this login.
            self.end(&open, "the session ended").await;
            return Err(NoLogin::new(
                code::LOGIN_REFUSED,
                "Icecore: this session is over",
            ));
        }
        Ok((open, granted))
    }

    /// Tells whose query tag a login has where it sets none, which counts where Icecore may add one.
    async fn tag_default(&self, login: &Arc<Login>) -> Tag {
        if !self.core.shared.current().config.stamp.query_tag {
            return Tag::Unknown;
        }
        match upstream::tag_set_at(&self.core.upstream, login).await {
            Ok(SetAt::Nowhere) => Tag::Unset,
            Ok(SetAt::Above) => Tag::Other,
            Ok(SetAt::Session) => Tag::Unknown,
            Err(error) => {
                tracing::warn!(%error, "nobody knows whether a login has a query tag; its statements get none");
                Tag::Unknown
            }
        }
    }

    /// Records which session parameters a login goes on without.
    async fn tell_dropped(&self, account: &Account, dropped: &[String]) {
        let detail = json!({ "account": account.name, "parameters": dropped });
        let shared = &self.core.shared;
        shared
            .event(
                Some(&self.session),
                PARAMETERS_DROPPED,
                Severity::Low,
                Category::Policy,
                detail,
            )
            .await;
    }

    /// Gives the client opaque tokens that lead to a login, also at the next proxy.
    async fn hand_out(&self, login: &Arc<OpenLogin>, granted: GrantedLogin) -> Body {
        let shared = &self.core.shared;
        let (session, master) = match shared.logins.grant(login) {
            Ok(tokens) => tokens,
            Err(error) => return answer::plain_error(code::FAILED, &error.to_string()),
        };
        shared.keeping.update(login).await;
        granted
            .write(&session, &master)
            .and_then(|data| answer::success(&data))
            .unwrap_or_else(|error| answer::plain_error(code::FAILED, &error.to_string()))
    }

    async fn record_opening(&self, login: &OpenLogin) -> Result<(), RecordError> {
        if let Some(shown) = &login.shown {
            let shares = self.session.facts().shares_uid.is_some();
            let same_uid = shown.identity().is_job().then_some(shares);
            let mut detail = accepted(shown, ShownBy::Driver, same_uid);
            if let Some(members) = detail.as_object_mut() {
                members.insert("login".to_owned(), login.id.to_string().into());
            }
            let severity = match same_uid {
                Some(true) => Severity::Medium,
                Some(false) | None => Severity::Informational,
            };
            let category = Category::Auth;
            self.note(ACCEPTED, severity, category, detail).await;
        }
        self.record_login(login.row()).await
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
    pub(super) async fn renew(&self, login: &Arc<OpenLogin>, plain: Plain) -> Body {
        let old: Option<String> = Object::read(&plain)
            .ok()
            .and_then(|body| body.read_as("oldSessionToken"));
        drop(plain);
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
            Ok(RenewalOutcome::Granted(granted)) => self.hand_out(login, granted).await,
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

    /// Closes the login because its client asks.
    pub(super) async fn close(&self, login: &Arc<OpenLogin>) -> Body {
        self.end(login, "closed by the client").await;
        done()
    }

    /// Ends a login through which something else ran than what was judged.
    pub(super) async fn end_if_distrusted(&self, login: &Arc<OpenLogin>) {
        if login.login.is_distrusted() {
            self.end(login, DISTRUSTED).await;
        }
    }

    /// Ends a login, here at once and at Snowflake as well as it can be reached; whoever comes first records it. Its open
    /// statements are cancelled before, so that their ends can still be heard.
    pub(super) async fn end(&self, login: &Arc<OpenLogin>, reason: &str) {
        closing::end(&self.core, login, reason).await;
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
        ..login.row()
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
    written(answer, fallback_code)
}

/// Writes such an answer.
pub(super) fn written(answer: Answer, fallback_code: &str) -> Body {
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
