//! Why a SAML message or a provider's metadata was not taken. No message holds a subject, an attribute or a token.

use chrono::{DateTime, Utc};

/// Longest text of a message that an error repeats, in signs.
const SHOWN_MAX: usize = 120;

/// Why a message is no proof of an identity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamlError {
    /// More bytes than any provider sends.
    #[error("SAML document: expected at most {max} bytes, found {found}")]
    TooLarge {
        /// What there is.
        found: usize,
        /// What is taken.
        max: usize,
    },
    /// Something else than XML in UTF-8.
    #[error("SAML document: expected XML in UTF-8, found another text or encoding")]
    NotXml,
    /// A part of XML that a signature leaves out or that programs read in different ways.
    #[error("SAML document: expected elements and text alone, found {0}")]
    Construct(&'static str),
    /// XML that cannot be read.
    #[error("SAML document: expected well-formed XML, found: {0}")]
    Malformed(String),
    /// Too much of one thing.
    #[error("SAML document: expected at most {max} {what}, found more")]
    Crowded {
        /// Of what.
        what: &'static str,
        /// What is taken.
        max: usize,
    },
    /// Two elements of one id.
    #[error("SAML document: expected every id once, found `{0}` twice")]
    RepeatedId(String),
    /// A message of another form than the profile has.
    #[error("`{place}`: expected {expected}, found {found}")]
    Form {
        /// The element.
        place: String,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An encrypted assertion, name or attribute.
    #[error("`{0}`: expected plain text, found an encrypted element")]
    Encrypted(String),
    /// No signature at all.
    #[error("SAML document: expected a signed `Assertion` or `Response`, found no signature")]
    Unsigned,
    /// An algorithm outside of the profile.
    #[error("`{place}`: expected {expected}, found `{found}`")]
    Algorithm {
        /// The element that names it.
        place: &'static str,
        /// What is taken.
        expected: &'static str,
        /// What it names.
        found: String,
    },
    /// The signed element is not what was signed.
    #[error("`{0}`: expected the digest that its signature states, found another: it was changed")]
    Changed(String),
    /// No key of the metadata made the signature.
    #[error("`{0}`: expected a signature by a key of the provider's metadata, found another")]
    UnknownKey(String),
    /// A certificate whose key cannot be used.
    #[error("metadata: expected a certificate of {expected}, found {found}")]
    Certificate {
        /// What is taken.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The provider's own word that it refused.
    #[error("`StatusCode`: expected success, found `{0}`")]
    Status(String),
    /// A value that is not the one of the settings.
    #[error("`{place}`: expected `{expected}`, found {found}")]
    Differs {
        /// The element or attribute.
        place: &'static str,
        /// What the settings say.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A time that has not come.
    #[error("`{place}`: expected a time before {now}, found {at}")]
    NotYet {
        /// The attribute.
        place: &'static str,
        /// Its time.
        at: DateTime<Utc>,
        /// The time of day.
        now: DateTime<Utc>,
    },
    /// A time that has gone.
    #[error("`{place}`: expected a time after {now}, found {at}")]
    Over {
        /// The attribute.
        place: &'static str,
        /// Its time.
        at: DateTime<Utc>,
        /// The time of day.
        now: DateTime<Utc>,
    },
    /// An assertion that was used before.
    #[error("`Assertion`: expected one that was not used before, found `{0}` again")]
    Replayed(String),
    /// No more assertions can be remembered.
    #[error(
        "expected room to remember the assertion, found {0} remembered ones that are still good"
    )]
    SeenFull(usize),
    /// An attribute that the settings need and the assertion has not, or not once.
    #[error("attribute `{name}`: expected one value, found {found}")]
    Attribute {
        /// Its name.
        name: String,
        /// How many values there are.
        found: usize,
    },
    /// Groups that the provider left out because there are too many.
    #[error("attribute `{0}`: expected the groups themselves, found a link to them")]
    GroupsLeftOut(String),
}

impl SamlError {
    /// Says what to do about it, where that is not plain.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Algorithm { found, .. } if found.contains("sha1") => {
                Some("SHA-1 can be forged: have the provider sign with SHA-256")
            }
            Self::Algorithm { .. } => Some("set the provider's signature options accordingly"),
            Self::Encrypted(_) => {
                Some("switch encryption off at the provider; the channel is encrypted already")
            }
            Self::Unsigned => Some("have the provider sign the assertion, the response, or both"),
            Self::UnknownKey(_) => Some(
                "if the provider changed its key, fetch its metadata again; both keys may stand in it",
            ),
            Self::NotYet { .. } | Self::Over { .. } => Some(
                "get a fresh assertion; if it is fresh, compare the clocks of this host and the provider",
            ),
            Self::Replayed(_) => Some("an assertion is good for one session: get a fresh one"),
            Self::SeenFull(_) => {
                Some("wait until some are over, or have the provider make them shorter-lived")
            }
            Self::GroupsLeftOut(_) => Some(
                "have the provider send fewer groups, such as those assigned to the application",
            ),
            Self::Attribute { .. } => {
                Some("map the attribute at the provider, or name another in the settings")
            }
            Self::Differs { .. } => {
                Some("compare the provider's settings for this application with the config")
            }
            Self::TooLarge { .. }
            | Self::NotXml
            | Self::Construct(_)
            | Self::Malformed(_)
            | Self::Crowded { .. }
            | Self::RepeatedId(_)
            | Self::Form { .. }
            | Self::Changed(_)
            | Self::Certificate { .. }
            | Self::Status(_) => None,
        }
    }
}

/// Gives a text as an error may repeat it: one line, not long.
pub(super) fn shown(text: &str) -> String {
    let mut signs = text.chars();
    let mut shown: String = signs
        .by_ref()
        .take(SHOWN_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if signs.next().is_some() {
        shown.push_str("...");
    }
    shown
}
