//! A text of its own, sealed to each of its readers: a small JSON object. Pure but for random keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::hpke::{self, HpkeError, Sealed};
use super::identity::Identity;
use crate::config::Recipient;

/// What such an object is.
const KIND: &str = "icecore sealed text";

/// Why a sealed text is not opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// It is none.
    #[error("expected a sealed text: {0}")]
    Form(String),
    /// Nobody whose key was given is among its readers.
    #[error("expected a reader whose key was given (--identity), found {0}")]
    NotForUs(String),
    /// It does not open.
    #[error(transparent)]
    Hpke(#[from] HpkeError),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Written {
    kind: String,
    seals: Vec<Seal>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    recipient: String,
    enc: String,
    sealed: String,
}

/// Seals a text to readers; `about` is what it is about, and where it must lie.
///
/// # Errors
/// The system gives no random bytes, or a reader's key is none.
pub(crate) fn seal_to(
    recipients: &[Recipient],
    about: &str,
    text: &[u8],
) -> Result<Vec<u8>, HpkeError> {
    let seal = |to: &Recipient| {
        let Sealed { enc, text } = hpke::seal(to.key(), info(about).as_bytes(), text)?;
        Ok(Seal {
            recipient: to.to_string(),
            enc: URL_SAFE_NO_PAD.encode(enc),
            sealed: URL_SAFE_NO_PAD.encode(text),
        })
    };
    let written = Written {
        kind: KIND.to_owned(),
        seals: recipients
            .iter()
            .map(seal)
            .collect::<Result<_, HpkeError>>()?,
    };
    serde_json::to_vec(&written).map_err(|_| HpkeError::Foreign)
}

/// Tells whether bytes are a sealed text, and no text by itself.
#[must_use]
pub(crate) fn is_sealed(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Written>(bytes).is_ok_and(|written| written.kind == KIND)
}

/// Opens a text by the first identity that is one of its readers.
///
/// # Errors
/// None is, or the object is not what was sealed.
pub(crate) fn open_by(
    identities: &[Identity],
    about: &str,
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let form = |cause: &dyn ToString| SealedError::Form(cause.to_string());
    let written: Written = serde_json::from_slice(bytes).map_err(|error| form(&error))?;
    for identity in identities {
        let recipient = identity.recipient().to_string();
        let Some(seal) = written
            .seals
            .iter()
            .find(|seal| seal.recipient == recipient)
        else {
            continue;
        };
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|error| form(&error));
        let enc = decode(&seal.enc)?.try_into();
        let sealed = Sealed {
            enc: enc.map_err(|_| form(&"another length of its key"))?,
            text: decode(&seal.sealed)?,
        };
        return Ok(hpke::open(
            identity.secret(),
            info(about).as_bytes(),
            &sealed,
        )?);
    }
    let readers: Vec<String> = written
        .seals
        .into_iter()
        .map(|seal| seal.recipient)
        .collect();
    Err(SealedError::NotForUs(readers.join(", ")))
}

fn info(about: &str) -> String {
    format!("icecore sealed text 1\0{about}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_opens_what_is_for_it_where_it_was_put() {
        let [one, two, other] = [(); 3].map(|()| Identity::random().unwrap());
        let to = [one.recipient(), two.recipient()];
        let sealed = seal_to(&to, "here", b"text").unwrap();
        assert!(is_sealed(&sealed) && !is_sealed(b"{}"));
        assert_eq!(**open_by(&[two], "here", &sealed).unwrap(), *b"text");
        let one = [one];
        assert!(matches!(
            open_by(&one, "there", &sealed),
            Err(SealedError::Hpke(_))
        ));
        assert!(matches!(
            open_by(&[other], "here", &sealed),
            Err(SealedError::NotForUs(_))
        ));
        assert!(matches!(
            open_by(&one, "here", b"x"),
            Err(SealedError::Form(_))
        ));
    }
}
