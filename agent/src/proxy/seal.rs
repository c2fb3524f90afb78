//! Text that another proxy of this host is to read, and nobody else: encrypted and authenticated for one login.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::id::{LoginId, SessionId};

/// Leads what a session's key is derived from, so that no other use of the host's key gives it.
const PURPOSE: &[u8] = b"icecore login 1\0";

/// Why a text cannot be sealed or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SealError {
    /// The system gives no random bytes.
    #[error("sealed login: expected random bytes of the system, found none")]
    Random,
    /// It is not of this form.
    #[error("sealed login: expected a sealed text, found what is none")]
    Form,
    /// It was changed, or sealed for another login or session or by another host.
    #[error("sealed login: expected this login's own, found another's or a changed one")]
    Foreign,
}

/// Seals a text for a login; its plain form is wiped.
pub(super) fn seal(
    host: &hmac::Key,
    (session, login): (SessionId, LoginId),
    mut text: Zeroizing<Vec<u8>>,
) -> Result<String, SealError> {
    let mut sealed = [0; NONCE_LEN].to_vec();
    SystemRandom::new()
        .fill(&mut sealed)
        .map_err(|_| SealError::Random)?;
    let nonce = Nonce::try_assume_unique_for_key(&sealed).map_err(|_| SealError::Form)?;
    let tag = key(host, session)?
        .seal_in_place_separate_tag(nonce, Aad::from(login.as_bytes()), &mut text)
        .map_err(|_| SealError::Form)?;
    sealed.extend_from_slice(&text);
    sealed.extend_from_slice(tag.as_ref());
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// Reads what was sealed for a login.
pub(super) fn unseal(
    host: &hmac::Key,
    (session, login): (SessionId, LoginId),
    sealed: &str,
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let mut bytes = Zeroizing::new(
        URL_SAFE_NO_PAD
            .decode(sealed)
            .map_err(|_| SealError::Form)?,
    );
    let (nonce, text) = bytes
        .split_at_mut_checked(NONCE_LEN)
        .ok_or(SealError::Form)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Form)?;
    let plain = key(host, session)?
        .open_in_place(nonce, Aad::from(login.as_bytes()), text)
        .map_err(|_| SealError::Foreign)?;
    Ok(Zeroizing::new(plain.to_vec()))
}

/// Derives a session's key. One key takes few texts, so that their random nonces do not meet (NIST SP 800-38D, 8.3).
fn key(host: &hmac::Key, session: SessionId) -> Result<LessSafeKey, SealError> {
    let derived = hmac::sign(host, &[PURPOSE, session.as_bytes()].concat());
    let key = UnboundKey::new(&AES_256_GCM, derived.as_ref()).map_err(|_| SealError::Form)?;
    Ok(LessSafeKey::new(key))
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
