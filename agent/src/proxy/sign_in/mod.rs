//! Engineers' sign-ins at issuers: the steps that need the network. What is under way is handed back to the supervisor.

mod failed;
mod recorded;

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;
use ring::rand::{SecureRandom, SystemRandom};

use self::failed::Failed;
use super::discovery::Discovered;
use super::issuers::{Issuers, Untaken};
use crate::config::{self, SignIn};
use crate::control::HandedToken;
use crate::control::sign_in::{Begun, KeptSignIn, Pending, SignInOutcome, SignedIn, Way};
use crate::identity::sign_in::{
    ATTEMPT_BYTES, Attempt, Callback, DeviceCode, Nonce, Poll, Promised, SignInError, Tokens,
    check_id_token, shown_name,
};
use crate::identity::{Principal, Token, cut};
use crate::snowflake::secret::Secret;
use crate::upstream::{CredentialError, OAuthClient, error_word};
use crate::web::{self, Response};

/// Grant type of a device code (RFC 8628 section 3.4).
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Most groups that are told to the engineer; the token may have more.
const GROUPS_TOLD_MAX: usize = 100;

/// Longest refresh token that is kept, in bytes.
const REFRESH_TOKEN_MAX_BYTES: usize = 16 << 10;

/// What came of a step that ends a sign-in.
struct Verified {
    principal: Principal,
    kept: KeptSignIn,
}

/// What came of going on with a sign-in.
enum Gone {
    /// The code was not typed in yet.
    Waiting(Pending),
    /// It came to an end.
    SignedIn(Box<Verified>),
}

/// All issuers at which engineers sign in.
pub(super) struct SignIns {
    known: Vec<Known>,
    issuers: Arc<Issuers>,
    web: web::Client,
}

struct Known {
    settings: SignIn,
    /// The issuer's `iss`.
    url: String,
    client: OAuthClient,
}

impl SignIns {
    pub(super) fn new(
        identity: &config::Identity,
        issuers: &Arc<Issuers>,
        web: &web::Client,
    ) -> Result<Self, CredentialError> {
        let known = identity.sign_ins.iter().map(|settings| {
            let issuer = identity.issuers.iter();
            let issuer = issuer.clone().find(|issuer| issuer.name == settings.issuer);
            let secret = settings.client_secret.as_ref();
            Ok(Known {
                settings: settings.clone(),
                url: issuer.map(|issuer| issuer.url.clone()).unwrap_or_default(),
                client: OAuthClient::new(&settings.client_id, secret, web)?,
            })
        });
        Ok(Self {
            known: known.collect::<Result<_, _>>()?,
            issuers: Arc::clone(issuers),
            web: web.clone(),
        })
    }

    /// Begins a sign-in.
    async fn begin(&self, issuer: &str, way: Way) -> Result<SignInOutcome, Failed> {
        let known = self.known(issuer)?;
        let document = Discovered::read(&self.web, &known.url).await?;
        let token_endpoint = document.endpoint("token_endpoint")?;
        let (pending, begun) = match way {
            Way::Browser(port) => known.open_browser(&document, token_endpoint, port)?,
            Way::Device => known.ask_for_code(&document, token_endpoint).await?,
        };
        Ok(SignInOutcome::Begun { pending, begun })
    }

    /// Goes on with one.
    async fn go_on(&self, pending: Pending, query: Option<HandedToken>) -> Result<Gone, Failed> {
        match pending {
            Pending::Browser {
                issuer,
                token_endpoint,
                is_iss_promised,
                redirect_uri,
                state,
                nonce,
                verifier,
            } => {
                let known = self.known(&issuer)?;
                let callback = Callback::read(query.as_ref().map_or("", HandedToken::reveal))?;
                let promised = if is_iss_promised {
                    Promised::Issuer
                } else {
                    Promised::Nothing
                };
                let code = callback.code(state.reveal(), &known.url, promised)?;
                let form = [
                    ("grant_type", "authorization_code"),
                    ("code", code.reveal()),
                    ("redirect_uri", &redirect_uri),
                    ("code_verifier", verifier.reveal()),
                ];
                let answered = known.client.send(&token_endpoint, &form).await?;
                let tokens = Tokens::read(good(&answered)?)?;
                let verified = self
                    .verify(known, tokens, Nonce::Same(nonce.reveal()))
                    .await?;
                Ok(Gone::SignedIn(Box::new(with_nonce(verified, Some(nonce)))))
            }
            Pending::Device {
                issuer,
                token_endpoint,
                device_code,
                wait_s,
            } => {
                let known = self.known(&issuer)?;
                let form = [
                    ("grant_type", DEVICE_GRANT),
                    ("device_code", device_code.reveal()),
                ];
                let answered = known.client.send(&token_endpoint, &form).await?;
                let word = error_word(&answered);
                let read = if answered.status == StatusCode::OK {
                    Ok(answered.body.as_slice())
                } else {
                    Err(word.as_deref())
                };
                match Poll::read(read, Duration::from_secs(wait_s))? {
                    Poll::Wait(wait) => Ok(Gone::Waiting(Pending::Device {
                        issuer,
                        token_endpoint,
                        device_code,
                        wait_s: wait.as_secs(),
                    })),
                    Poll::Done(tokens) => {
                        let verified = self.verify(known, tokens, Nonce::NotSent).await?;
                        Ok(Gone::SignedIn(Box::new(verified)))
                    }
                }
            }
        }
    }

    /// Gets the next token of a sign-in.
    async fn refresh(&self, kept: &KeptSignIn) -> Result<KeptSignIn, Failed> {
        let known = self.known(&kept.shown.issuer)?;
        let held = kept.refresh_token.as_ref().map_or("", HandedToken::reveal);
        let document = Discovered::read(&self.web, &known.url).await?;
        let token_endpoint = document.endpoint("token_endpoint")?;
        let form = [("grant_type", "refresh_token"), ("refresh_token", held)];
        let answered = known.client.send(&token_endpoint, &form).await?;
        let tokens = Tokens::read(good(&answered)?)?;
        let nonce = match &kept.nonce {
            Some(nonce) => Nonce::SameIfThere(nonce.reveal()),
            None => Nonce::NotSent,
        };
        let Verified { kept: mut next, .. } = self.verify(known, tokens, nonce).await?;
        if next.shown.subject != kept.shown.subject {
            return Err(Failed::Other {
                expected: cut(&kept.shown.subject),
                found: cut(&next.shown.subject),
            });
        }
        // An issuer that gives no other lets this one be used again (RFC 6749 section 6).
        next.refresh_token = next.refresh_token.or_else(|| kept.refresh_token.clone());
        next.shown.is_refreshed = next.refresh_token.is_some();
        next.nonce.clone_from(&kept.nonce);
        Ok(next)
    }

    fn known(&self, issuer: &str) -> Result<&Known, Failed> {
        let mut all = self.known.iter();
        all.find(|known| known.settings.issuer == issuer)
            .ok_or_else(|| Failed::Unknown(cut(issuer)))
    }

    /// Verifies an ID token as any token, then as one that answers a sign-in.
    async fn verify(
        &self,
        known: &Known,
        tokens: Tokens,
        nonce: Nonce<'_>,
    ) -> Result<Verified, Failed> {
        let token = Token::read(tokens.id_token.reveal()).map_err(Untaken::Token)?;
        let principal = self.issuers.verify(&token).await?;
        if token.issuer() != known.url {
            return Err(Failed::Other {
                expected: known.url.clone(),
                found: cut(token.issuer()),
            });
        }
        check_id_token(&token, known.client.id(), nonce)?;
        let is_short = |token: &Secret| token.reveal().len() <= REFRESH_TOKEN_MAX_BYTES;
        let refresh_token = tokens.refresh_token.filter(is_short);
        let identity = principal.identity();
        let groups = identity.own_groups();
        let shown = SignedIn {
            issuer: known.settings.issuer.clone(),
            subject: identity.subject().to_owned(),
            shown_name: shown_name(&token),
            groups: groups
                .iter()
                .take(GROUPS_TOLD_MAX)
                .map(|one| cut(one))
                .collect(),
            groups_left_out: groups.len().saturating_sub(GROUPS_TOLD_MAX),
            expires_at: principal.expires_at().unwrap_or_default(),
            is_refreshed: refresh_token.is_some(),
        };
        let kept = KeptSignIn {
            id_token: HandedToken::new(tokens.id_token.reveal().to_owned()),
            refresh_token: refresh_token.map(|token| HandedToken::new(token.reveal().to_owned())),
            nonce: None,
            shown,
        };
        Ok(Verified { principal, kept })
    }
}

impl Known {
    fn open_browser(
        &self,
        document: &Discovered,
        token_endpoint: String,
        port: u16,
    ) -> Result<(Pending, Begun), Failed> {
        let mut random = [0; ATTEMPT_BYTES];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| Failed::Random)?;
        let attempt = Attempt::of(&random);
        let redirect_uri = Way::redirect_uri(port);
        let endpoint = document.endpoint("authorization_endpoint")?;
        let scope = self.settings.scope();
        let url = attempt.url(&endpoint, self.client.id(), &redirect_uri, &scope);
        let begun = Begun::Browser {
            url,
            state: attempt.state.clone(),
        };
        let pending = Pending::Browser {
            issuer: self.settings.issuer.clone(),
            token_endpoint,
            is_iss_promised: document.says("authorization_response_iss_parameter_supported"),
            redirect_uri,
            state: HandedToken::new(attempt.state),
            nonce: HandedToken::new(attempt.nonce),
            verifier: HandedToken::new(attempt.verifier),
        };
        Ok((pending, begun))
    }

    async fn ask_for_code(
        &self,
        document: &Discovered,
        token_endpoint: String,
    ) -> Result<(Pending, Begun), Failed> {
        let name = "device_authorization_endpoint";
        let endpoint = document
            .endpoint(name)
            .map_err(|_| SignInError::Endpoint(name))?;
        let scope = self.settings.scope();
        let answered = self.client.send(&endpoint, &[("scope", &scope)]).await?;
        let code = DeviceCode::read(good(&answered)?)?;
        let begun = Begun::Device {
            verification_uri: code.verification_uri,
            complete_uri: code.complete_uri,
            user_code: code.user_code,
            wait_s: code.interval.as_secs(),
            expires_in_s: code.expires_in.as_secs(),
        };
        let pending = Pending::Device {
            issuer: self.settings.issuer.clone(),
            token_endpoint,
            device_code: HandedToken::new(code.device_code.reveal().to_owned()),
            wait_s: code.interval.as_secs(),
        };
        Ok((pending, begun))
    }
}

fn with_nonce(verified: Verified, nonce: Option<HandedToken>) -> Verified {
    let Verified { principal, kept } = verified;
    let kept = KeptSignIn { nonce, ..kept };
    Verified { principal, kept }
}

/// Gives the body of a good answer, or the word by which it is none.
fn good(answered: &Response) -> Result<&[u8], SignInError> {
    if answered.status == StatusCode::OK {
        return Ok(&answered.body);
    }
    Err(match error_word(answered) {
        Some(word) => SignInError::Refused(word),
        None => SignInError::Answer {
            expected: "HTTP status 200, or a word why not",
            found: format!("status {}", answered.status.as_u16()),
        },
    })
}
