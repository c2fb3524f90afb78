//! HPKE (RFC 9180) in base mode, one text a key agreement: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
//!
//! ring has all but a key for more than one agreement, which x25519-dalek has. Pure but for the random key of an agreement.

use ring::aead::{self, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{hkdf, hmac};
use x25519_dalek::{PublicKey, SharedSecret, StaticSecret};
use zeroize::Zeroizing;

/// Bytes of keys, public, secret and agreed on, and of an agreement's public half.
pub(super) const KEY_BYTES: usize = 32;

/// DHKEM(X25519, HKDF-SHA256). Source: RFC 9180 section 7.1.
const KEM_ID: u16 = 0x0020;

/// HKDF-SHA256. Source: RFC 9180 section 7.2.
const KDF_ID: u16 = 0x0001;

/// A cipher and its number.
#[derive(Clone, Copy)]
struct Cipher {
    algorithm: &'static aead::Algorithm,
    id: u16,
}

/// Source: RFC 9180 section 7.3.
static AES_256: Cipher = Cipher {
    algorithm: &AES_256_GCM,
    id: 0x0002,
};

/// A text that one key alone opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// The public half of the sender's key.
    pub(super) enc: [u8; KEY_BYTES],
    /// The text under the agreed key, and its tag.
    pub(super) text: Vec<u8>,
}

/// Why a text could not be sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum HpkeError {
    /// The system gives no random bytes.
    #[error("expected random bytes of the system, found none")]
    Random,
    /// No secret comes of a key of low order.
    #[error("expected a public key that agrees on a secret, found one that does not")]
    Weak,
    /// It was sealed to another key, about something else, or changed.
    #[error("expected what was sealed to this key, found another's or a changed one")]
    Foreign,
}

/// Seals a text to a public key; `info` is what it is about.
pub(super) fn seal(to: &[u8; KEY_BYTES], info: &[u8], text: &[u8]) -> Result<Sealed, HpkeError> {
    let mut own = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new()
        .fill(own.as_mut())
        .map_err(|_| HpkeError::Random)?;
    seal_from(&AES_256, StaticSecret::from(*own), to, (info, b""), text)
}

/// Opens a text that was sealed to the public half of a key.
pub(super) fn open(
    own: &StaticSecret,
    info: &[u8],
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    open_with(&AES_256, own, (info, b""), sealed)
}

fn seal_from(
    cipher: &Cipher,
    own: StaticSecret,
    to: &[u8; KEY_BYTES],
    (info, aad): (&[u8], &[u8]),
    text: &[u8],
) -> Result<Sealed, HpkeError> {
    let enc = PublicKey::from(&own).to_bytes();
    let dh = own.diffie_hellman(&PublicKey::from(*to));
    let shared = agreed(&dh, &enc, to)?;
    let (key, nonce) = schedule(cipher, &shared, info)?;
    let mut text = text.to_vec();
    key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut text)
        .map_err(|_| HpkeError::Foreign)?;
    Ok(Sealed { enc, text })
}

fn open_with(
    cipher: &Cipher,
    own: &StaticSecret,
    (info, aad): (&[u8], &[u8]),
    sealed: &Sealed,
) -> Result<Zeroizing<Vec<u8>>, HpkeError> {
    let to = PublicKey::from(own).to_bytes();
    let dh = own.diffie_hellman(&PublicKey::from(sealed.enc));
    let shared = agreed(&dh, &sealed.enc, &to)?;
    let (key, nonce) = schedule(cipher, &shared, info)?;
    let mut text = Zeroizing::new(sealed.text.clone());
    let plain = key
        .open_in_place(nonce, Aad::from(aad), &mut text)
        .map_err(|_| HpkeError::Foreign)?;
    let length = plain.len();
    text.truncate(length);
    Ok(text)
}

/// Gives the shared secret of both halves. Source: RFC 9180 section 4.1, `ExtractAndExpand`.
fn agreed(
    dh: &SharedSecret,
    enc: &[u8; KEY_BYTES],
    to: &[u8; KEY_BYTES],
) -> Result<Zeroizing<[u8; KEY_BYTES]>, HpkeError> {
    // RFC 9180 section 7.1.4: an all-zero secret ends the agreement.
    if !dh.was_contributory() {
        return Err(HpkeError::Weak);
    }
    let suite = [b"KEM".as_slice(), &KEM_ID.to_be_bytes()].concat();
    let extracted = extract(&suite, b"", b"eae_prk", dh.as_bytes());
    let context = [enc.as_slice(), to].concat();
    let mut shared = Zeroizing::new([0; KEY_BYTES]);
    expand(
        &suite,
        &extracted,
        b"shared_secret",
        &context,
        shared.as_mut(),
    )?;
    Ok(shared)
}

/// Gives the cipher's key and nonce. Source: RFC 9180 section 5.1, `KeySchedule` in base mode.
fn schedule(
    cipher: &Cipher,
    shared: &[u8; KEY_BYTES],
    info: &[u8],
) -> Result<(LessSafeKey, Nonce), HpkeError> {
    let ids = [KEM_ID, KDF_ID, cipher.id].map(u16::to_be_bytes);
    let suite = [b"HPKE".as_slice(), ids.as_flattened()].concat();
    let psk_id_hash = extract(&suite, b"", b"psk_id_hash", b"");
    let info_hash = extract(&suite, b"", b"info_hash", info);
    let context = [&[0], psk_id_hash.as_ref(), info_hash.as_ref()].concat();
    let secret = extract(&suite, shared, b"secret", b"");
    let mut key = Zeroizing::new(vec![0; cipher.algorithm.key_len()]);
    expand(&suite, &secret, b"key", &context, &mut key)?;
    let mut nonce = [0; aead::NONCE_LEN];
    expand(&suite, &secret, b"base_nonce", &context, &mut nonce)?;
    let key = UnboundKey::new(cipher.algorithm, &key).map_err(|_| HpkeError::Foreign)?;
    // The one text of this agreement.
    Ok((LessSafeKey::new(key), Nonce::assume_unique_for_key(nonce)))
}

/// `LabeledExtract` of RFC 9180 section 4; `HKDF-Extract` is HMAC under the salt (RFC 5869 section 2.2).
fn extract(suite: &[u8], salt: &[u8], label: &[u8], ikm: &[u8]) -> hmac::Tag {
    let text = Zeroizing::new([b"HPKE-v1".as_slice(), suite, label, ikm].concat());
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), &text)
}

/// `LabeledExpand` of RFC 9180 section 4.
fn expand(
    suite: &[u8],
    prk: &hmac::Tag,
    label: &[u8],
    info: &[u8],
    out: &mut [u8],
) -> Result<(), HpkeError> {
    let length = u16::try_from(out.len()).map_err(|_| HpkeError::Foreign)?;
    let length = length.to_be_bytes();
    let info = [&length, b"HPKE-v1".as_slice(), suite, label, info];
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, prk.as_ref())
        .expand(&info, Length(out.len()))
        .and_then(|okm| okm.fill(out))
        .map_err(|_| HpkeError::Foreign)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap(), 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    fn key(hex: &str) -> [u8; 32] {
        bytes(hex).try_into().unwrap()
    }

    const RECIPIENT: &str = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8";

    /// RFC 9180 appendix A.1.1, whose cipher is AES-128-GCM; the RFC has none with X25519 and AES-256-GCM.
    #[test]
    fn the_vector_of_rfc_9180_holds() {
        static AES_128: Cipher = Cipher {
            algorithm: &aead::AES_128_GCM,
            id: 1,
        };
        let own = key("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736");
        let to = key("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
        let info = bytes("4f6465206f6e2061204772656369616e2055726e");
        let text = b"Beauty is truth, truth beauty";
        let about = (info.as_slice(), b"Count-0".as_slice());
        let sealed = seal_from(&AES_128, own.into(), &to, about, text).unwrap();
        let expected = Sealed {
            enc: key("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"),
            text: bytes(
                "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a355a96d8770ac83d07bea87e13c512a",
            ),
        };
        assert_eq!(sealed, expected);
        let opened = open_with(&AES_128, &key(RECIPIENT).into(), about, &sealed);
        assert_eq!(opened.unwrap().as_slice(), text);
    }

    /// Made by Python's `cryptography` 50.0.2, `hpke.Suite(X25519, HKDF_SHA256, AES_256_GCM)`.
    #[test]
    fn what_another_library_sealed_is_opened() {
        let sealed = Sealed {
            enc: key("8843f69c3c2b8a8e2d258c3f73aa4562a1d5f81ae3f466a0b934dc4d1fc8fe1e"),
            text: bytes(
                "5850bb1e5ccaf641fc774f0120900959a129c0dc6e0de466b4e31536dcfc8c0cd72250dff1fe33b5cb0392a5e7d4d35e",
            ),
        };
        let opened = open(&key(RECIPIENT).into(), b"icecore data key 1", &sealed).unwrap();
        assert_eq!(opened.as_slice(), [7; 32]);
    }

    #[test]
    fn a_key_of_low_order_is_refused() {
        assert_eq!(seal(&[0; 32], b"", b"text"), Err(HpkeError::Weak));
        let sealed = Sealed {
            enc: [0; 32],
            text: vec![0; 48],
        };
        let opened = open(&StaticSecret::from([1; 32]), b"", &sealed);
        assert_eq!(opened.unwrap_err(), HpkeError::Weak);
    }

    proptest! {
        #[test]
        fn one_key_opens_it_and_only_as_it_is(
            own in any::<[u8; 32]>(),
            other in any::<[u8; 32]>(),
            info in prop::collection::vec(any::<u8>(), 0..40),
            text in prop::collection::vec(any::<u8>(), 0..80),
            at in any::<prop::sample::Index>(),
        ) {
            let own = StaticSecret::from(own);
            let to = PublicKey::from(&own).to_bytes();
            let sealed = seal(&to, &info, &text).unwrap();
            let opened = open(&own, &info, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), &text);
            let mut changed = sealed.clone();
            let at = at.index(changed.text.len());
            changed.text[at] ^= 1;
            prop_assert_eq!(open(&own, &info, &changed), Err(HpkeError::Foreign));
            let elsewhere = [info.as_slice(), b"x"].concat();
            prop_assert_eq!(open(&own, &elsewhere, &sealed), Err(HpkeError::Foreign));
            let other = StaticSecret::from(other);
            prop_assume!(PublicKey::from(&other).to_bytes() != to);
            prop_assert_eq!(open(&other, &info, &sealed), Err(HpkeError::Foreign));
        }
    }
}
