//! Text of a login that another proxy of this host is to read, and nobody else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use zeroize::Zeroizing;

use crate::id::{LoginId, SessionId};
pub(super) use crate::seal::SealError;
use crate::seal::{Purpose, SealKey};

/// Seals a text for a login; its plain form is wiped.
pub(super) fn seal(
    host: &hmac::Key,
    (session, login): (SessionId, LoginId),
    text: Zeroizing<Vec<u8>>,
) -> Result<String, SealError> {
    let key = SealKey::of(host, Purpose::Login, session)?;
    let sealed = key.seal(login.as_bytes(), text)?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// Reads what was sealed for a login.
pub(super) fn unseal(
    host: &hmac::Key,
    (session, login): (SessionId, LoginId),
    sealed: &str,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let key = SealKey::of(host, Purpose::Login, session)?;
    let sealed = URL_SAFE_NO_PAD
        .decode(sealed)
        .map_err(|_| SealError::Form)?;
    key.unseal(login.as_bytes(), &sealed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    fn text() -> Zeroizing<Vec<u8>> {
        Zeroizing::new(b"real-token".to_vec())
    }

    #[test]
    fn a_sealed_text_is_read_for_its_own_login_alone() {
        let (session, login) = (SessionId::new(), LoginId::new());
        let sealed = seal(&host(1), (session, login), text()).unwrap();
        let read = |byte, of| unseal(&host(byte), of, &sealed);
        assert_eq!(read(1, (session, login)), Ok(text()));
        for (byte, of) in [
            (2, (session, login)),
            (1, (SessionId::new(), login)),
            (1, (session, LoginId::new())),
        ] {
            assert_eq!(read(byte, of), Err(SealError::Foreign));
        }
    }

    #[test]
    fn nothing_of_a_sealed_text_can_be_read_and_no_two_are_alike() {
        let of = (SessionId::new(), LoginId::new());
        let sealed = || seal(&host(1), of, text()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(sealed()).unwrap();
        assert!(
            !bytes
                .windows(4)
                .any(|part| b"real-token".windows(4).any(|own| own == part))
        );
        assert_ne!(sealed(), sealed());
    }

    proptest! {
        #[test]
        fn no_changed_seal_is_read(at in any::<prop::sample::Index>(), other in any::<char>()) {
            let of = (SessionId::new(), LoginId::new());
            let sealed = seal(&host(1), of, text()).unwrap();
            let mut letters: Vec<char> = sealed.chars().collect();
            let at = at.index(letters.len());
            letters[at] = other;
            let changed: String = letters.into_iter().collect();
            prop_assert_eq!(unseal(&host(1), of, &changed).is_ok(), changed == sealed);
        }

        #[test]
        fn any_text_is_read_or_refused(sealed in any::<String>()) {
            let of = (SessionId::new(), LoginId::new());
            prop_assert!(unseal(&host(1), of, &sealed).is_err());
        }
    }
}
