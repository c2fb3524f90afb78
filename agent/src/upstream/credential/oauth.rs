//! OAuth access tokens that Icecore gets itself, by client credentials or a refresh token, and keeps until near their end.
//!
//! Source: RFC 6749 sections 2.3.1 (client password), 4.4 (client credentials), 5 (answers) and 6 (refresh).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::source::SecretSource;
use super::{CredentialError, Flaw, text};
use crate::config::OAuthGrant;
use crate::snowflake::secret::Secret;
use crate::web::{self, Request, Response};

/// How long before its end a token is got anew: a login has to reach Snowflake with it.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Life of a token whose answer does not tell it (RFC 6749 section 5.1 only recommends `expires_in`).
const LIFE_UNTOLD: Duration = Duration::from_secs(300);

/// A token endpoint and what is shown to it.
pub(super) struct TokenEndpoint {
    url: String,
    client_id: String,
    scope: Option<String>,
    client_secret: Option<SecretSource>,
    refresh_token: Option<SecretSource>,
    web: web::Client,
    state: Mutex<State>,
    /// Held while the endpoint is asked, so that many logins ask it once.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    access: Option<(Secret, Instant)>,
    /// A refresh token that the endpoint gave in the place of the source's.
    rotated: Option<Secret>,
}

impl TokenEndpoint {
    /// Takes a grant as the config has it; nothing is asked.
    pub(super) fn new(grant: &OAuthGrant, web: &web::Client) -> Result<Self, CredentialError> {
        let source = |at: &Option<_>| at.as_ref().map(|at| SecretSource::new(at, web)).transpose();
        Ok(Self {
            url: grant.token_url.clone(),
            client_id: grant.client_id.clone(),
            scope: grant.scope.clone(),
            client_secret: source(&grant.client_secret)?,
            refresh_token: source(&grant.refresh_token)?,
            web: web.clone(),
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Reads what would be shown; nothing is asked.
    pub(super) async fn check(&self) -> Result<(), CredentialError> {
        if let Some(source) = &self.client_secret {
            text::phrase(source).await?;
        }
        if let Some(source) = &self.refresh_token {
            text::token(source).await?;
        }
        Ok(())
    }

    /// Gives an access token that is good for a minute at least.
    pub(super) async fn token(&self) -> Result<Secret, CredentialError> {
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let turn = self.turn.lock().await;
        if let Some(token) = self.kept() {
            return Ok(token);
        }
        let token = self.ask().await;
        drop(turn);
        token
    }

    /// Lets go of the token and of kept secrets; tells whether there were any.
    pub(super) fn forget(&self) -> bool {
        let sources = self.client_secret.iter().chain(&self.refresh_token);
        let forgotten = sources.map(SecretSource::forget).filter(|was| *was).count();
        self.state().access.take().is_some() || forgotten > 0
    }

    /// Names it for the record.
    pub(super) fn reference(&self) -> String {
        format!("oauth:{}@{}", self.client_id, self.url)
    }

    fn kept(&self) -> Option<Secret> {
        let state = self.state();
        let (token, until) = state.access.as_ref()?;
        (Instant::now() < *until).then(|| token.clone())
    }

    async fn ask(&self) -> Result<Secret, CredentialError> {
        let Some(source) = &self.refresh_token else {
            return self.read(
                &self
                    .send("grant_type=client_credentials".to_owned())
                    .await?,
            );
        };
        let rotated = self.state().rotated.take();
        let (refresh, was_rotated) = match rotated {
            Some(rotated) => (rotated, true),
            None => (text::token(source).await?, false),
        };
        let answered = self.send(refreshing(&refresh)).await?;
        if answered.status != StatusCode::OK && was_rotated {
            // Somebody may have put a new one into the source meanwhile.
            let refresh = text::token(source).await?;
            return self.read(&self.send(refreshing(&refresh)).await?);
        }
        let token = self.read(&answered)?;
        let mut state = self.state();
        if was_rotated && state.rotated.is_none() {
            state.rotated = Some(refresh);
        }
        Ok(token)
    }

    async fn send(&self, mut form: String) -> Result<Response, CredentialError> {
        if let Some(scope) = &self.scope {
            form.push_str(&format!("&scope={}", escaped(scope)));
        }
        let mut request = Request::of_url(&self.url);
        request.method = Method::POST;
        match &self.client_secret {
            None => form.push_str(&format!("&client_id={}", escaped(&self.client_id))),
            Some(source) => {
                let secret = text::phrase(source).await?;
                let pair = format!("{}:{}", escaped(&self.client_id), escaped(secret.reveal()));
                let basic = format!("Basic {}", STANDARD.encode(Zeroizing::new(pair).as_bytes()));
                let mut basic = HeaderValue::try_from(basic)
                    .map_err(|_| self.flaw("a client secret that no header can carry"))?;
                basic.set_sensitive(true);
                request.headers.insert(AUTHORIZATION, basic);
            }
        }
        let of_form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers.insert(CONTENT_TYPE, of_form);
        request
            .headers
            .insert(ACCEPT, HeaderValue::from_static("application/json"));
        request.body = Zeroizing::new(form.into_bytes());
        self.web
            .send(request)
            .await
            .map_err(|error| self.flaw(&error.to_string()))
    }

    fn read(&self, answered: &Response) -> Result<Secret, CredentialError> {
        let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if answered.status != StatusCode::OK {
            // The error is a word of RFC 6749 section 5.2; its description may quote what was sent.
            let is_word = |word: &&str| {
                word.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            let why = text("error")
                .filter(is_word)
                .unwrap_or("no error that is told");
            let status = answered.status.as_u16();
            return Err(self.flaw(&format!("HTTP status {status} (`{why}`)")));
        }
        let is_bearer = text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer"));
        let token = text("access_token")
            .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
        let Some(token) = token.filter(|_| is_bearer) else {
            return Err(self.flaw("an answer without a bearer `access_token`"));
        };
        let token = Secret::new(token.to_owned());
        let told = body
            .get("expires_in")
            .and_then(Value::as_u64)
            .map(Duration::from_secs);
        let life = told.unwrap_or(LIFE_UNTOLD).saturating_sub(RENEW_BEFORE);
        let mut state = self.state();
        state.access = Some((
            token.clone(),
            Instant::now() + life.min(Duration::from_secs(86_400)),
        ));
        if self.refresh_token.is_some()
            && let Some(rotated) = text("refresh_token")
        {
            state.rotated = Some(Secret::new(rotated.to_owned()));
        }
        Ok(token)
    }

    fn flaw(&self, found: &str) -> CredentialError {
        CredentialError::Flaws(vec![Flaw {
            setting: "token_url",
            expected: format!(
                "an access token from `{}` for client `{}`",
                self.url, self.client_id
            ),
            found: found.to_owned(),
        }])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refreshing(token: &Secret) -> String {
    format!(
        "grant_type=refresh_token&refresh_token={}",
        escaped(token.reveal())
    )
}

/// Escapes a value of a form; `+` for a blank is never used, so that both ways to read it agree.
fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
