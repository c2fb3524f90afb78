//! Why a token shows no identity. No text holds the token or any part of its signature.

use thiserror::Error;

use super::saml::SamlError;

/// Why a token shows no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// It is not a JWT, or one that can be read in two ways.
    #[error("token: expected {expected}, found {found}")]
    Form {
        /// What a token looks like there.
        expected: &'static str,
        /// What was there.
        found: String,
    },
    /// Its header asks for what is never done.
    #[error(
        "token: expected a header without `{0}`, which would let the token choose its own keys or rules"
    )]
    Header(&'static str),
    /// No issuer of the config made it.
    #[error("token: expected one of the issuers {}, found {found:?}", listed_or_none(.known))]
    Issuer {
        /// The issuers' URLs.
        known: Vec<String>,
        /// The token's `iss`, cut.
        found: String,
    },
    /// It is signed by an algorithm that its issuer may not use.
    #[error("token: expected `alg` {} of issuer `{issuer}`, found {found:?}", listed(.allowed))]
    Algorithm {
        /// The config's name of the issuer.
        issuer: String,
        /// What the issuer may use.
        allowed: Vec<String>,
        /// The token's `alg`, cut.
        found: String,
    },
    /// The issuer's keys have none that fits.
    #[error("token: expected a key for {algorithm} that issuer `{issuer}` publishes as {}, found {found} that fit", named(.key_id))]
    Key {
        /// The config's name of the issuer.
        issuer: String,
        /// The token's `alg`.
        algorithm: &'static str,
        /// The token's `kid`, cut.
        key_id: Option<String>,
        /// How many keys fit.
        found: usize,
    },
    /// The issuer did not sign it as it is.
    #[error(
        "token: expected a signature of issuer `{issuer}`, found one that does not fit the text"
    )]
    Signature {
        /// The config's name of the issuer.
        issuer: String,
    },
    /// A claim is not what the issuer's settings ask for.
    #[error("token of issuer `{issuer}`: expected `{claim}` {expected}, found {found}")]
    Claim {
        /// The config's name of the issuer.
        issuer: String,
        /// The claim.
        claim: String,
        /// What was expected of it.
        expected: String,
        /// What was there, cut.
        found: String,
    },
    /// Entra ID left the groups out, since there were too many.
    #[error(
        "token of issuer `{issuer}`: expected the groups in `{claim}`, found a note that there are too many for a token"
    )]
    Overage {
        /// The config's name of the issuer.
        issuer: String,
        /// The claim that should hold the groups.
        claim: String,
    },
    /// A SAML message cannot be read as far as its issuer.
    #[error("SAML message: {0}")]
    Message(#[from] SamlError),
    /// No provider of the config made the message, or more than one may have.
    #[error("SAML message: expected an issuer that is one of the providers {}, found {found}", listed_or_none(.known))]
    Provider {
        /// The config's names of the providers.
        known: Vec<String>,
        /// Its issuer, cut, and of how many providers that is the name.
        found: String,
    },
    /// A SAML message does not hold against its provider's metadata and settings.
    #[error("SAML message of provider `{provider}`: {cause}")]
    Assertion {
        /// The config's name of the provider.
        provider: String,
        /// What does not hold.
        cause: SamlError,
    },
    /// The subject or an attribute is not what the provider's settings ask for; what it says is not repeated.
    #[error("SAML message of provider `{provider}`: expected {what} {expected}, found {found}")]
    Attribute {
        /// The config's name of the provider.
        provider: String,
        /// The subject, or an attribute by its name.
        what: String,
        /// What was expected of it.
        expected: String,
        /// What is there, without its text.
        found: String,
    },
    /// The issuer's keys cannot be read.
    #[error("keys: expected {expected}, found {found}")]
    Keys {
        /// What a set of keys looks like there.
        expected: &'static str,
        /// What was there.
        found: String,
    },
}

impl IdentityError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Overage { .. } => Some(
                "in Entra ID let the token hold `groups assigned to the application` alone, or use app roles and set groups_claim = \"roles\"",
            ),
            Self::Issuer { .. } => Some(
                "ask for the token at one of them, or add an [[identity.issuer]] with this url",
            ),
            Self::Claim { claim, .. } if claim == "exp" => {
                Some("get a fresh token right before `icecore run`")
            }
            Self::Claim { claim, .. } if claim == "aud" => {
                Some("ask the issuer for a token with this audience")
            }
            Self::Message(cause) | Self::Assertion { cause, .. } => cause.hint(),
            Self::Provider { .. } => Some(
                "add an [[identity.saml]] whose metadata has this `entityID`, each provider once",
            ),
            Self::Form { .. }
            | Self::Header(_)
            | Self::Attribute { .. }
            | Self::Algorithm { .. }
            | Self::Key { .. }
            | Self::Signature { .. }
            | Self::Claim { .. }
            | Self::Keys { .. } => None,
        }
    }
}

/// Longest piece of a token that an error repeats, in characters.
const SHOWN_CHARACTERS: usize = 120;

/// Cuts a text that others chose.
pub(crate) fn cut(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARACTERS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(SHOWN_CHARACTERS).collect();
    format!("{cut}...")
}

fn listed_or_none(all: &[String]) -> String {
    if all.is_empty() {
        return "of the config, which has none".to_owned();
    }
    listed(all)
}

fn listed(all: &[String]) -> String {
    let quoted: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
    quoted.join(", ")
}

fn named(key_id: &Option<String>) -> String {
    match key_id {
        Some(key_id) => format!("{key_id:?}"),
        None => "its only one (the token has no `kid`)".to_owned(),
    }
}
