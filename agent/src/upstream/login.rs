//! A login at Snowflake: opened with our credential, kept alive with its real tokens, closed at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use hyper::Method;
use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::client::{Headers, Upstream};
use super::credential::Presented;
use super::standing::{Standing, Unlike};
use super::{Account, Answered, UpstreamError};
use crate::snowflake::json::Object;
use crate::snowflake::login::{
    GrantedLogin, Injected, LoginError, LoginRequest, Proof, RealTokens,
};
use crate::snowflake::secret::Secret;
use crate::tasks;

/// A login's real tokens; the agent holds opaque ones that lead here.
pub struct Login {
    host: String,
    credential: Box<CredentialUsed>,
    tokens: Mutex<RealTokens>,
    renewing: tokio::sync::Mutex<()>,
    over: AtomicBool,
    /// Whether Snowflake ran something else through it than what was judged.
    distrusted: AtomicBool,
    /// Whether it has other tokens than when it was last kept.
    is_changed: AtomicBool,
    route: Mutex<Option<HeaderValue>>,
    /// What Snowflake's clock showed when it answered the login, if this proxy asked for it.
    dated: Option<DateTime<Utc>>,
}

/// Which credential a login was opened with, for its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredentialUsed {
    /// Its kind: `keypair`, `pat`, `password` or `oauth`.
    pub kind: String,
    /// Where it came from: a key's fingerprint, else the file's path.
    pub reference: String,
}

/// What a login request came to.
pub enum LoginOutcome {
    /// Snowflake let us in, as what the config says.
    Granted(Arc<Login>, GrantedLogin, Standing),
    /// Snowflake let us in as something else; the login is closed again.
    Unlike(Unlike),
    /// Snowflake refused, in its own words.
    Refused(Answered),
}

/// What a renewal came to.
pub enum RenewalOutcome {
    /// Fresh real tokens are in place.
    Granted(GrantedLogin),
    /// Snowflake refused, in its own words.
    Refused(Answered),
}

impl Login {
    /// Logs in with our credential in the place of whatever the client sent.
    ///
    /// # Errors
    /// The credential's secrets are not as they must be; no usable answer, or one without tokens.
    pub async fn open(
        upstream: &Upstream,
        account: &Account,
        request: &LoginRequest,
        client_query: Option<&str>,
        headers: &Headers,
        now: DateTime<Utc>,
    ) -> Result<LoginOutcome, UpstreamError> {
        let mut presented = present(account, now).await?;
        let show = Show {
            upstream,
            account,
            request,
            client_query,
            headers,
        };
        let mut answered = show.to_snowflake(&presented.proof).await?;
        // A kept secret may have been rotated meanwhile: one that is fetched anew gets one more try, the same one none.
        if !answered.answer().success() && account.credential.forget() {
            let fresh = present(account, now).await?;
            if fresh.proof != presented.proof {
                answered = show.to_snowflake(&fresh.proof).await?;
                presented = fresh;
            }
        }
        if !answered.answer().success() {
            return Ok(LoginOutcome::Refused(answered));
        }
        let (route, dated) = (answered.route().cloned(), answered.date);
        let granted = GrantedLogin::read_login(data(answered)).map_err(unreadable)?;
        let credential = CredentialUsed {
            kind: presented.proof.kind().to_owned(),
            reference: presented.reference,
        };
        let tokens = granted.tokens().clone();
        let login = Arc::new(Self {
            dated,
            ..Self::of(account.host.clone(), credential, tokens, route)
        });
        let standing = Standing::read(upstream, &login).await;
        match standing.map(|standing| standing.check(account)) {
            Ok(Ok(standing)) => Ok(LoginOutcome::Granted(login, granted, standing)),
            Ok(Err(unlike)) => {
                login.give_up(upstream).await;
                Ok(LoginOutcome::Unlike(unlike))
            }
            Err(error) => {
                login.give_up(upstream).await;
                Err(error)
            }
        }
    }

    /// Puts a login together of all that it is made of.
    pub(super) fn of(
        host: String,
        credential: CredentialUsed,
        tokens: RealTokens,
        route: Option<HeaderValue>,
    ) -> Self {
        Self {
            host,
            credential: Box::new(credential),
            tokens: Mutex::new(tokens),
            renewing: tokio::sync::Mutex::new(()),
            over: AtomicBool::new(false),
            distrusted: AtomicBool::new(false),
            is_changed: AtomicBool::new(false),
            route: Mutex::new(route),
            dated: None,
        }
    }

    /// Stands for a login that was granted, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) fn of_host(host: &str) -> Self {
        let token = || Secret::new("token".to_owned());
        let hour = std::time::Duration::from_secs(3600);
        let credential = CredentialUsed {
            kind: "pat".to_owned(),
            reference: "/pat".to_owned(),
        };
        let tokens = RealTokens {
            session: token(),
            master: token(),
            session_validity: hour,
            master_validity: hour,
        };
        Self::of(host.to_owned(), credential, tokens, None)
    }

    /// Gives the account's host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Tells whether Snowflake has refused to renew this login: nothing more can be asked through it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Notes that Snowflake ran something else through this login than what was judged: it may be in any state.
    pub fn distrust(&self) {
        self.distrusted.store(true, Ordering::SeqCst);
    }

    /// Tells whether nothing more may be asked through this login.
    #[must_use]
    pub fn is_distrusted(&self) -> bool {
        self.distrusted.load(Ordering::SeqCst)
    }

    /// Adds what Snowflake asked to be sent with each request of this login.
    ///
    /// Source: protocol reference section 3, `x-snowflake-session`. It is kept here and the client neither sees nor
    /// sends it: it routes requests of the real session, which the client has no part in.
    pub(super) fn routed(&self, headers: &Headers) -> Headers {
        headers.routed(self.route().as_ref())
    }

    pub(super) fn route(&self) -> Option<HeaderValue> {
        let route = self.route.lock();
        route.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps what an answer asks to be sent with the next requests.
    pub(super) fn keep_route(&self, route: Option<&HeaderValue>) {
        if let Some(route) = route {
            *self.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route.clone());
        }
    }

    /// Tells what Snowflake's clock showed when it answered the login.
    #[must_use]
    pub fn dated(&self) -> Option<DateTime<Utc>> {
        self.dated
    }

    /// Tells which credential the login was opened with.
    #[must_use]
    pub fn credential(&self) -> &CredentialUsed {
        &self.credential
    }

    /// Gives the real session token, for one request upstream.
    pub(super) fn session_token(&self) -> Secret {
        self.tokens().session
    }

    /// Gives the real tokens.
    pub(super) fn tokens(&self) -> RealTokens {
        let tokens = self.tokens.lock();
        tokens.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether the real tokens were renewed since this was asked last.
    #[must_use]
    pub fn take_changed(&self) -> bool {
        self.is_changed.swap(false, Ordering::SeqCst)
    }

    /// Renews the tokens, unless another renewal has since the caller took the token that failed.
    ///
    /// It is carried to its end whoever stops waiting for it: the tokens before are worth nothing once Snowflake has given
    /// others.
    ///
    /// # Errors
    /// `Expired` if Snowflake refuses; else no usable answer.
    pub(super) async fn renew_if_still(
        self: &Arc<Self>,
        upstream: &Upstream,
        failed: &Secret,
    ) -> Result<(), UpstreamError> {
        let (login, upstream, failed) = (Arc::clone(self), upstream.clone(), failed.clone());
        let (done, renewed) = oneshot::channel();
        drop(tasks::spawn("renewal", async move {
            // Whoever asked may have gone.
            drop(done.send(login.renew_unless_other(&upstream, &failed).await));
        }));
        let broke_off = |_| UpstreamError::Request("the renewal broke off".to_owned());
        renewed.await.map_err(broke_off)?
    }

    async fn renew_unless_other(
        &self,
        upstream: &Upstream,
        failed: &Secret,
    ) -> Result<(), UpstreamError> {
        let turn = self.renewing.lock().await;
        if self.session_token() != *failed {
            return Ok(());
        }
        let outcome = self.exchange(upstream).await?;
        drop(turn);
        match outcome {
            RenewalOutcome::Granted(_) => Ok(()),
            RenewalOutcome::Refused(_) => Err(UpstreamError::Expired),
        }
    }

    /// Renews the tokens because the client asks.
    ///
    /// # Errors
    /// No usable answer, or one without tokens.
    pub async fn renew(&self, upstream: &Upstream) -> Result<RenewalOutcome, UpstreamError> {
        let turn = self.renewing.lock().await;
        let outcome = self.exchange(upstream).await;
        drop(turn);
        outcome
    }

    async fn exchange(&self, upstream: &Upstream) -> Result<RenewalOutcome, UpstreamError> {
        let held = self.tokens();
        let mut body = Object::default();
        let written = body
            .set("oldSessionToken", held.session.reveal())
            .and_then(|()| body.set("requestType", "RENEW"))
            .and_then(|()| body.write())
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let path = format!("/session/token-request?{}", fresh_ids());
        let answered: Answered = upstream
            .send(
                &self.host,
                Method::POST,
                &path,
                &self.routed(&Headers::own()),
                Some(&held.master),
                written,
            )
            .await?;
        self.keep_route(answered.route());
        if !answered.answer().success() {
            self.over.store(true, Ordering::SeqCst);
            return Ok(RenewalOutcome::Refused(answered));
        }
        let granted = GrantedLogin::read_renewal(data(answered)).map_err(unreadable)?;
        *self.tokens.lock().unwrap_or_else(PoisonError::into_inner) = granted.tokens().clone();
        self.is_changed.store(true, Ordering::SeqCst);
        Ok(RenewalOutcome::Granted(granted))
    }

    /// Closes a login that nobody gets.
    async fn give_up(&self, upstream: &Upstream) {
        if let Err(error) = self.close(upstream).await {
            tracing::warn!(%error, "login could not be closed at Snowflake; it ends by its own life");
        }
    }

    /// Closes the login at Snowflake.
    ///
    /// # Errors
    /// No usable answer; the login then ends by its own life.
    pub async fn close(&self, upstream: &Upstream) -> Result<Answered, UpstreamError> {
        let path = format!("/session?delete=true&{}", fresh_ids());
        let token = self.session_token();
        upstream
            .send(
                &self.host,
                Method::POST,
                &path,
                &self.routed(&Headers::own()),
                Some(&token),
                b"{}".to_vec(),
            )
            .await
    }
}

async fn present(account: &Account, now: DateTime<Utc>) -> Result<Presented, UpstreamError> {
    account
        .credential
        .present(&account.name, &account.user, now)
        .await
        .map_err(UpstreamError::Credential)
}

/// A login request that waits for a proof.
struct Show<'a> {
    upstream: &'a Upstream,
    account: &'a Account,
    request: &'a LoginRequest,
    client_query: Option<&'a str>,
    headers: &'a Headers,
}

impl Show<'_> {
    async fn to_snowflake(&self, proof: &Proof) -> Result<Answered, UpstreamError> {
        let account = self.account;
        let injected = Injected {
            account: &account.name,
            user: &account.user,
            statement_timeout: account.statement_timeout,
            proof,
        };
        let body = self
            .request
            .write(&injected)
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let path = format!(
            "/session/v1/login-request?{}",
            account.address_members(self.client_query)
        );
        self.upstream
            .send(&account.host, Method::POST, &path, self.headers, None, body)
            .await
    }
}

fn data(answered: Answered) -> Object {
    let (answer, _) = answered.into_parts();
    answer.into_data().unwrap_or_default()
}

fn unreadable(error: LoginError) -> UpstreamError {
    UpstreamError::Request(error.to_string())
}

/// Gives fresh `requestId` and `request_guid` members.
pub(super) fn fresh_ids() -> String {
    format!(
        "requestId={}&request_guid={}",
        Uuid::new_v4(),
        Uuid::new_v4()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::TcpListener;

    use super::*;

    /// What Snowflake answers is kept, though the request that met the expired token was given up meanwhile.
    #[tokio::test]
    async fn a_renewal_that_has_begun_goes_on_when_nobody_waits_for_it() {
        const HOST: &str = "acme.snowflakecomputing.com";
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = BTreeMap::from([(HOST.to_owned(), listener.local_addr().unwrap())]);
        let (upstream, login) = (Upstream::at(at), Arc::new(Login::of_host(HOST)));
        let failed = login.session_token();
        tokio::select! {
            biased;
            _ = login.renew_if_still(&upstream, &failed) => panic!("nobody answers"),
            () = tokio::task::yield_now() => {}
        }
        assert!(login.renewing.try_lock().is_err());
    }
}
