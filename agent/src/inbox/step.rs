//! The step at an approver's issuer: the authorization code flow with PKCE, whose nonce is what the person says.
//!
//! Source: OpenID Connect Core section 3.1, RFC 7636, RFC 8252. `max_age=0` has the issuer ask for the person anew, and
//! `auth_time` shows that it did.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};

use crate::approval::{ProofError, Said, check_login};
use crate::config::ApproverIssuer;
use crate::identity::sign_in::{
    ATTEMPT_BYTES, Attempt, Callback, Promised, SignInError, Tokens, shown_name,
};
use crate::identity::{
    self, Algorithm, IdentityError, KeySource, Keys, Kind, Token, verify_approver,
};
use crate::proxy::discovery::{Discovered, DiscoveryError, get};
use crate::snowflake::secret::Secret;
use crate::upstream::{CredentialError, OAuthClient, Unasked, error_word};
use crate::web::{self, RootsError};

/// Why the issuer proved nothing.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The issuer's roots cannot be trusted.
    #[error("{0}")]
    Roots(#[from] RootsError),
    /// The client cannot be used.
    #[error("{0}")]
    Client(#[from] CredentialError),
    /// The issuer's document is of no use.
    #[error("issuer `{issuer}`: {cause}")]
    Discovery {
        /// The issuer.
        issuer: String,
        /// Why.
        cause: String,
    },
    /// The issuer's endpoint gave no answer.
    #[error("the issuer's endpoint gave no answer: {0}")]
    Unasked(#[from] Unasked),
    /// The answer is none to what was asked.
    #[error("{0}")]
    SignIn(#[from] SignInError),
    /// The ID token proves something else.
    #[error("{0}")]
    Token(#[from] IdentityError),
    /// The login was not made for what was said.
    #[error("{0}")]
    Login(#[from] ProofError),
    /// The system gives no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}

impl StepError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::SignIn(error) => error.hint(),
            Self::Login(_) => Some(
                "the issuer did not ask who you are, or this machine's clock is ahead: set `prompt_login`, or the clock",
            ),
            Self::Roots(_)
            | Self::Client(_)
            | Self::Discovery { .. }
            | Self::Unasked(_)
            | Self::Token(_)
            | Self::Random => None,
        }
    }
}

/// The issuer at which an approver logs in, by the client that is for approvals alone.
pub struct Issuer {
    settings: ApproverIssuer,
    /// The same as the host's config has it, but for what only a host needs: a token is checked here as it is there.
    checked: identity::Issuer,
    web: web::Client,
    client: OAuthClient,
}

/// A step that is under way: the browser is at the issuer.
pub struct Step {
    attempt: Attempt,
    redirect_uri: String,
    token_endpoint: String,
    jwks_uri: String,
    promised: Promised,
    url: String,
}

/// What the issuer proved.
pub struct Vouched {
    /// The ID token; its nonce is what was said.
    pub id_token: Secret,
    /// The name by which the person is known, for display alone.
    pub who: String,
    logged_in_at: DateTime<Utc>,
}

impl Vouched {
    /// Refuses a login that the host would not take for what was said.
    ///
    /// # Errors
    /// It is older than what was said.
    pub fn check_is_for(&self, said: &Said) -> Result<(), StepError> {
        Ok(check_login(said, self.logged_in_at, LEEWAY)?)
    }
}

impl Issuer {
    /// Takes an issuer as the settings have it; nothing is asked.
    ///
    /// # Errors
    /// Its roots or its client cannot be used.
    pub fn of(settings: &ApproverIssuer) -> Result<Self, StepError> {
        let web = web::Client::new(web::trust(settings.ca_file.as_deref())?);
        Ok(Self {
            client: OAuthClient::new(&settings.client_id, None, &web)?,
            checked: checked(settings),
            settings: settings.clone(),
            web,
        })
    }

    /// Gives its settings.
    #[must_use]
    pub fn settings(&self) -> &ApproverIssuer {
        &self.settings
    }

    /// Begins a step that proves a nonce; the browser comes back to this address.
    ///
    /// # Errors
    /// The issuer's document cannot be had, or names no endpoints.
    pub async fn begin(&self, nonce: String, redirect_uri: String) -> Result<Step, StepError> {
        let issuer = &self.settings;
        let document = Discovered::read(&self.web, &issuer.url).await;
        let document = document.map_err(|error| self.unlike(&error))?;
        let endpoint = |name| {
            let endpoint = document.endpoint(name);
            endpoint.map_err(|error| self.unlike(&error))
        };
        let mut random = [0; ATTEMPT_BYTES];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| StepError::Random)?;
        let attempt = Attempt::about(nonce, &random);
        let acr_values = issuer.acr_values.join(" ");
        let mut more = vec![("max_age", "0")];
        more.extend(issuer.prompt_login.then_some(("prompt", "login")));
        more.extend((!acr_values.is_empty()).then_some(("acr_values", acr_values.as_str())));
        let authorization = endpoint("authorization_endpoint")?;
        let (client, scope) = (self.client.id(), issuer.scope());
        Ok(Step {
            url: attempt.url_with(&authorization, client, &redirect_uri, &scope, &more),
            attempt,
            redirect_uri,
            token_endpoint: endpoint("token_endpoint")?,
            jwks_uri: endpoint("jwks_uri")?,
            promised: match document.says("authorization_response_iss_parameter_supported") {
                true => Promised::Issuer,
                false => Promised::Nothing,
            },
        })
    }

    /// Ends a step with what the browser brought: gets the token and checks that it proves what was asked.
    ///
    /// # Errors
    /// The issuer said no, or its token proves something else.
    pub async fn finish(&self, step: &Step, query: &str) -> Result<Vouched, StepError> {
        let callback = Callback::read(query)?;
        let code = callback.code(&step.attempt.state, &self.settings.url, step.promised)?;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.reveal()),
            ("redirect_uri", &step.redirect_uri),
            ("code_verifier", &step.attempt.verifier),
        ];
        let answered = self.client.send(&step.token_endpoint, &form).await?;
        if answered.status != StatusCode::OK {
            let refused = error_word(&answered).map(SignInError::Refused);
            let status = || SignInError::Answer {
                expected: "HTTP status 200, or a word why not",
                found: format!("status {}", answered.status.as_u16()),
            };
            return Err(refused.unwrap_or_else(status).into());
        }
        let id_token = Tokens::read(&answered.body)?.id_token;
        let token = Token::read(id_token.reveal())?;
        let keys = get(&self.web, &step.jwks_uri).await;
        let keys = Keys::read(&keys.map_err(|error| self.unlike(&error))?)?;
        let vouched = verify_approver(&self.checked, &keys, &token, &step.attempt.nonce)?;
        let name = shown_name(&token);
        Ok(Vouched {
            who: name.unwrap_or_else(|| vouched.principal.identity().subject().to_owned()),
            logged_in_at: vouched.logged_in_at,
            id_token,
        })
    }

    fn unlike(&self, cause: &DiscoveryError) -> StepError {
        StepError::Discovery {
            issuer: self.settings.url.clone(),
            cause: cause.to_string(),
        }
    }
}

/// How far the issuer's clock and this machine's may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

fn checked(settings: &ApproverIssuer) -> identity::Issuer {
    identity::Issuer {
        name: "approvals".to_owned(),
        url: settings.url.clone(),
        audiences: vec![settings.client_id.clone()],
        parties: vec![settings.client_id.clone()],
        keys: KeySource::Discovery,
        algorithms: Algorithm::ALL.to_vec(),
        leeway: LEEWAY,
        max_age: None,
        // In which groups somebody is, and what else a token must say, the host's config knows.
        groups_claim: String::new(),
        members: BTreeMap::new(),
        require: BTreeMap::new(),
        ci: None,
        kind: Kind::Human,
    }
}

impl Step {
    /// Gives the address that the browser opens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gives the word by which the browser's answer is known.
    #[must_use]
    pub fn state(&self) -> &str {
        &self.attempt.state
    }
}
