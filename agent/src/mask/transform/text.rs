//! Texts and bytes: parts of them, and keyed hashes.

use ring::hmac;

use super::HASH_DIGITS;
use crate::policy::HashScope;

/// Keeps the ends of a text and writes `*` for each sign between; where the ends would leave nothing out, all are `*`.
pub(in crate::mask) fn partial(value: &str, front: usize, back: usize) -> String {
    let signs = value.chars().count();
    if front + back >= signs {
        return "*".repeat(signs);
    }
    let until = signs - back;
    let keep = |place: usize| place < front || place >= until;
    let shown = value.chars().enumerate();
    shown
        .map(|(place, sign)| if keep(place) { sign } else { '*' })
        .collect()
}

/// Keys under which values are hashed, one for each scope.
pub struct Keyed {
    session: hmac::Key,
    host: hmac::Key,
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed")
    }
}

impl Keyed {
    /// Derives the keys of a session from a secret, for tests.
    #[cfg(test)]
    pub(crate) fn new(secret: &[u8; 32], session: &[u8]) -> Self {
        Self::of(&hmac::Key::new(hmac::HMAC_SHA256, secret), session)
    }

    /// Derives the keys of a session from the host's own.
    #[must_use]
    pub fn of(root: &hmac::Key, session: &[u8]) -> Self {
        let derive = |purpose: &[u8], of: &[u8]| {
            let mut context = hmac::Context::with_key(root);
            context.update(purpose);
            context.update(of);
            hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
        };
        Self {
            session: derive(b"icecore mask session\0", session),
            host: derive(b"icecore mask host\0", &[]),
        }
    }

    /// Hashes bytes that are a value of the kind that `domain` names.
    fn digest(&self, scope: HashScope, domain: u8, value: &[u8]) -> [u8; 16] {
        let key = match scope {
            HashScope::Session => &self.session,
            HashScope::Host => &self.host,
        };
        let mut context = hmac::Context::with_key(key);
        context.update(&[domain]);
        context.update(value);
        let tag = context.sign();
        let mut half = [0; 16];
        for (to, from) in half.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        half
    }

    /// Hashes a text to 32 hexadecimal digits.
    pub(in crate::mask) fn text(&self, scope: HashScope, value: &str) -> String {
        let digits = b"0123456789abcdef";
        let halves = self.digest(scope, b't', value.as_bytes());
        let halves = halves.into_iter().flat_map(|byte| [byte >> 4, byte & 15]);
        halves
            .filter_map(|half| digits.get(usize::from(half)))
            .map(|digit| char::from(*digit))
            .collect()
    }

    /// Hashes bytes to 16.
    pub(in crate::mask) fn bytes(&self, scope: HashScope, value: &[u8]) -> [u8; 16] {
        self.digest(scope, b'b', value)
    }

    /// Hashes a whole number to one of 15 digits at most.
    pub(in crate::mask) fn number(&self, scope: HashScope, value: i128) -> i64 {
        let digest = self.digest(scope, b'n', &value.to_be_bytes());
        let number = u128::from_be_bytes(digest) % 10_u128.pow(HASH_DIGITS);
        i64::try_from(number).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_a_text_are_kept() {
        assert_eq!(partial("4111111111111111", 0, 4), "************1111");
        assert_eq!(partial("jürgen", 2, 1), "jü***n");
        assert_eq!(partial("abc", 2, 1), "***");
        assert_eq!(partial("ab", 2, 1), "**");
        assert_eq!(partial("", 0, 0), "");
        assert_eq!(partial("abc", 0, 0), "***");
    }

    #[test]
    fn keys_differ_by_scope_and_session() {
        let (one, other) = (Keyed::new(&[1; 32], b"one"), Keyed::new(&[1; 32], b"other"));
        let text = |keyed: &Keyed, scope| keyed.text(scope, "a@b.c");
        assert_eq!(
            text(&one, HashScope::Session),
            text(&one, HashScope::Session)
        );
        assert_ne!(
            text(&one, HashScope::Session),
            text(&other, HashScope::Session)
        );
        assert_eq!(text(&one, HashScope::Host), text(&other, HashScope::Host));
        assert_ne!(text(&one, HashScope::Host), text(&one, HashScope::Session));
        let elsewhere = Keyed::new(&[2; 32], b"one");
        assert_ne!(
            text(&one, HashScope::Host),
            text(&elsewhere, HashScope::Host)
        );
    }

    proptest! {
        #[test]
        fn a_hash_has_its_length_and_joins(value in ".{0,40}", number in any::<i128>()) {
            let keyed = Keyed::new(&[7; 32], b"s");
            let hashed = keyed.text(HashScope::Session, &value);
            prop_assert_eq!(hashed.len(), 32);
            prop_assert_eq!(&hashed, &keyed.text(HashScope::Session, &value));
            let hashed = keyed.number(HashScope::Session, number);
            prop_assert!((0..10_i64.pow(15)).contains(&hashed));
            prop_assert_eq!(hashed, keyed.number(HashScope::Session, number));
        }

        #[test]
        fn a_part_is_as_long_and_shows_no_more(value in ".{0,20}", front in 0_usize..5, back in 0_usize..5) {
            let shown: Vec<char> = partial(&value, front, back).chars().collect();
            let signs: Vec<char> = value.chars().collect();
            prop_assert_eq!(shown.len(), signs.len());
            let kept = shown.iter().zip(&signs).filter(|(shown, sign)| shown == sign && **sign != '*');
            prop_assert!(kept.count() <= front + back);
        }
    }
}
