//! A login at Snowflake: opened with our credential, kept alive with its real tokens, closed at the end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use hyper::Method;
use hyper::header::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::client::{Headers, Upstream};
use super::credential::Presented;
use super::standing::{Standing, Unlike};
use super::{Answered, Credential, CredentialError, UpstreamError};
use crate::config;
use crate::snowflake::json::Object;
use crate::snowflake::login::{
    GrantedLogin, Injected, LoginError, LoginRequest, Proof, RealTokens,
};
use crate::snowflake::secret::Secret;
use crate::tasks;
use crate::web;

/// A governed account and the user that Icecore is there.
pub struct Account {
    /// The host name that it is dialled at, lower case.
    pub host: String,
    /// Other host names of the same account, lower case.
    pub aliases: Vec<String>,
    /// Its name, as Snowflake writes it.
    pub name: String,
    /// The user that the proxy logs in as.
    pub user: String,
    /// The role that every login gets.
    pub role: String,
    /// The warehouse that every login gets, if one is pinned.
    pub warehouse: Option<String>,
    /// How the proxy proves who it is.
    pub credential: Arc<Credential>,
}

impl Account {
    /// Stands for an account of the config, for tests of what is done at one.
    #[cfg(test)]
    pub(crate) fn of_host(host: &str) -> Self {
        let credential = Credential::in_no_file();
        Self {
            host: host.to_owned(),
            aliases: Vec::new(),
            name: "ACME".to_owned(),
            user: "SVC".to_owned(),
            role: "ANALYST".to_owned(),
            warehouse: None,
            credential: Arc::new(credential),
        }
    }

    /// Takes an account as the config has it; no secret is read yet.
    ///
    /// # Errors
    /// A secret's source cannot be used at all.
    pub fn of(config: &config::Account, web: &web::Client) -> Result<Self, CredentialError> {
        Ok(Self {
            host: config.host.clone(),
            aliases: config.aliases.clone(),
            name: config.name.clone(),
            user: config.user.clone(),
            role: config.role.clone(),
            warehouse: config.warehouse.clone(),
            credential: Arc::new(Credential::new(&config.credential, web)?),
        })
    }

    /// Tells whether a canonical host name is one of this account's.
    #[must_use]
    pub fn answers_to(&self, host: &str) -> bool {
        self.host == host || self.aliases.iter().any(|alias| alias == host)
    }
}

/// A login's real tokens; the agent holds opaque ones that lead here.
pub struct Login {
    host: String,
    credential: Box<CredentialUsed>,
    tokens: Mutex<RealTokens>,
    renewing: tokio::sync::Mutex<()>,
    over: AtomicBool,
    route: Mutex<Option<HeaderValue>>,
}

/// Which credential a login was opened with, for its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialUsed {
    /// Its kind: `keypair`, `pat`, `password` or `oauth`.
    pub kind: &'static str,
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

/// Members of the login address that the client may choose. Role and warehouse are authority, not decoration.
const CLIENTS_CHOICE: [&str; 2] = ["databaseName", "schemaName"];

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
        let route = answered.route().cloned();
        let granted = GrantedLogin::read_login(data(answered)).map_err(unreadable)?;
        let login = Arc::new(Self {
            host: account.host.clone(),
            credential: Box::new(CredentialUsed {
                kind: presented.proof.kind(),
                reference: presented.reference,
            }),
            tokens: Mutex::new(granted.tokens().clone()),
            renewing: tokio::sync::Mutex::new(()),
            over: AtomicBool::new(false),
            route: Mutex::new(route),
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

    /// Stands for a login that was granted, for tests of what is done with one.
    #[cfg(test)]
    pub(crate) fn of_host(host: &str) -> Self {
        let token = || Secret::new("token".to_owned());
        let hour = std::time::Duration::from_secs(3600);
        Self {
            host: host.to_owned(),
            credential: Box::new(CredentialUsed {
                kind: "pat",
                reference: "/pat".to_owned(),
            }),
            tokens: Mutex::new(RealTokens {
                session: token(),
                master: token(),
                session_validity: hour,
                master_validity: hour,
            }),
            renewing: tokio::sync::Mutex::new(()),
            over: AtomicBool::new(false),
            route: Mutex::new(None),
        }
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

    /// Adds what Snowflake asked to be sent with each request of this login.
    ///
    /// Source: protocol reference section 3, `x-snowflake-session`. It is kept here and the client neither sees nor
    /// sends it: it routes requests of the real session, which the client has no part in.
    pub(super) fn routed(&self, headers: &Headers) -> Headers {
        let route = self.route.lock().unwrap_or_else(PoisonError::into_inner);
        headers.routed(route.as_ref())
    }

    /// Keeps what an answer asks to be sent with the next requests.
    pub(super) fn keep_route(&self, route: Option<&HeaderValue>) {
        if let Some(route) = route {
            *self.route.lock().unwrap_or_else(PoisonError::into_inner) = Some(route.clone());
        }
    }

    /// Tells which credential the login was opened with.
    #[must_use]
    pub fn credential(&self) -> &CredentialUsed {
        &self.credential
    }

    /// Gives the real session token, for one request upstream.
    pub(super) fn session_token(&self) -> Secret {
        self.tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .session
            .clone()
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
        let held = self
            .tokens
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
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
            proof,
        };
        let body = self
            .request
            .write(&injected)
            .map_err(|error| UpstreamError::Request(error.to_string()))?;
        let path = format!(
            "/session/v1/login-request?{}",
            address_members(account, self.client_query)
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

/// Writes the login address: the client's database and schema, escaped anew, and our role and warehouse.
fn address_members(account: &Account, client_query: Option<&str>) -> String {
    address_of(&account.role, account.warehouse.as_deref(), client_query)
}

fn address_of(role: &str, warehouse: Option<&str>, client_query: Option<&str>) -> String {
    let mut members = fresh_ids();
    for pair in client_query.unwrap_or_default().split('&') {
        if let Some((name, value)) = pair.split_once('=')
            && CLIENTS_CHOICE.contains(&name)
            && let Ok(value) = percent_decode_str(&value.replace('+', " ")).decode_utf8()
            && !value.is_empty()
        {
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
            members.push_str(&format!("&{name}={value}"));
        }
    }
    let role = utf8_percent_encode(role, NON_ALPHANUMERIC);
    members.push_str(&format!("&roleName={role}"));
    if let Some(warehouse) = warehouse {
        members.push_str(&format!(
            "&warehouse={}",
            utf8_percent_encode(warehouse, NON_ALPHANUMERIC)
        ));
    }
    members
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

    #[test]
    fn a_login_address_holds_the_clients_database_escaped_anew_and_nothing_else_of_it() {
        let members = address_of(
            "ANA LYST",
            Some("W&H"),
            Some(
                "databaseName=a%26roleName%3DADMIN+x&schemaName=%ff&roleName=ADMIN&warehouse=BIG&schemaName=S&x=%0d%0a",
            ),
        );
        let chosen: Vec<&str> = members
            .split('&')
            .filter(|pair| !pair.starts_with("request"))
            .collect();
        assert_eq!(
            chosen,
            [
                "databaseName=a%26roleName%3DADMIN%20x",
                "schemaName=S",
                "roleName=ANA%20LYST",
                "warehouse=W%26H"
            ]
        );
    }
}
