//! OAuth access tokens that Icecore gets itself, by client credentials or a refresh token, and keeps until near their end.
//!
//! Source: RFC 6749 sections 4.4 (client credentials), 5 (answers) and 6 (refresh).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::time::Instant;

use super::client::{OAuthClient, Unasked, error_word};
use super::source::SecretSource;
use super::{CredentialError, Flaw, text};
use crate::config::OAuthGrant;
use crate::snowflake::secret::Secret;
use crate::web::{self, Response};

/// How long before its end a token is got anew: a login has to reach Snowflake with it.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// Life of a token whose answer does not tell it (RFC 6749 section 5.1 only recommends `expires_in`).
const LIFE_UNTOLD: Duration = Duration::from_secs(300);

/// A token endpoint and what is shown to it.
pub(super) struct TokenEndpoint {
    url: String,
    client: OAuthClient,
    scope: Option<String>,
    refresh_token: Option<SecretSource>,
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
        let refresh_token = grant.refresh_token.as_ref();
        Ok(Self {
            url: grant.token_url.clone(),
            client: OAuthClient::new(&grant.client_id, grant.client_secret.as_ref(), web)?,
            scope: grant.scope.clone(),
            refresh_token: refresh_token
                .map(|at| SecretSource::new(at, web))
                .transpose()?,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        })
    }

    /// Reads what would be shown; nothing is asked.
    pub(super) async fn check(&self) -> Result<(), CredentialError> {
        self.client.check().await?;
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
        let secret = self.client.forget();
        let refresh = self
            .refresh_token
            .as_ref()
            .is_some_and(SecretSource::forget);
        self.state().access.take().is_some() || secret || refresh
    }

    /// Names it for the record.
    pub(super) fn reference(&self) -> String {
        format!("oauth:{}@{}", self.client.id(), self.url)
    }

    fn kept(&self) -> Option<Secret> {
        let state = self.state();
        let (token, until) = state.access.as_ref()?;
        (Instant::now() < *until).then(|| token.clone())
    }

    async fn ask(&self) -> Result<Secret, CredentialError> {
        let Some(source) = &self.refresh_token else {
            let form = [("grant_type", "client_credentials")];
            return self.read(&self.send(&form).await?);
        };
        let rotated = self.state().rotated.take();
        let (refresh, was_rotated) = match rotated {
            Some(rotated) => (rotated, true),
            None => (text::token(source).await?, false),
        };
        let answered = self.send(&refreshing(&refresh)).await?;
        if answered.status != StatusCode::OK && was_rotated {
            // Somebody may have put a new one into the source meanwhile.
            let refresh = text::token(source).await?;
            return self.read(&self.send(&refreshing(&refresh)).await?);
        }
        let token = self.read(&answered)?;
        let mut state = self.state();
        if was_rotated && state.rotated.is_none() {
            state.rotated = Some(refresh);
        }
        Ok(token)
    }

    async fn send(&self, form: &[(&str, &str)]) -> Result<Response, CredentialError> {
        let mut form = form.to_vec();
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let answered = self.client.send(&self.url, &form).await;
        answered.map_err(|unasked| match unasked {
            Unasked::Secret(error) => error,
            other @ (Unasked::Unfit | Unasked::Web(_)) => self.flaw(&other.to_string()),
        })
    }

    fn read(&self, answered: &Response) -> Result<Secret, CredentialError> {
        let body: Value = serde_json::from_slice(&answered.body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if answered.status != StatusCode::OK {
            let why = error_word(answered);
            let why = why.as_deref().unwrap_or("no error that is told");
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
                self.url,
                self.client.id()
            ),
            found: found.to_owned(),
        }])
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refreshing(token: &Secret) -> [(&'static str, &str); 2] {
    [
        ("grant_type", "refresh_token"),
        ("refresh_token", token.reveal()),
    ]
}
