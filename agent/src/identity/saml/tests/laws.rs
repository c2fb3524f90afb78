//! Laws: nothing but what was signed is read, and any bytes are a value or an error.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;

static SETTINGS: LazyLock<Settings> = LazyLock::new(|| settings(&[&Signer::rsa()]));
static MESSAGE: LazyLock<String> = LazyLock::new(|| response(&signed(ASSERTION)));

fn judged(message: &[u8]) -> Result<Assertion, SamlError> {
    verify(message, &SETTINGS, &mut Seen::new(1), now())
}

#[test]
fn no_byte_of_the_signed_element_can_be_another() {
    let start = MESSAGE.find("<saml:Assertion").unwrap();
    let end = MESSAGE.find("</saml:Assertion>").unwrap();
    let signature =
        MESSAGE.find("<ds:Signature ").unwrap()..MESSAGE.find("</ds:Signature>").unwrap();
    let good = judged(MESSAGE.as_bytes()).unwrap();
    let mut taken = Vec::new();
    for at in (start..end).filter(|at| !signature.contains(at)) {
        for flip in [0x01, 0x20, 0x80] {
            let mut message = MESSAGE.clone().into_bytes();
            message[at] ^= flip;
            match judged(&message) {
                // A blank between attributes may be another blank: the canonical form is the same.
                Ok(found) if MESSAGE.as_bytes()[at].is_ascii_whitespace() => {
                    assert_eq!(found, good)
                }
                Ok(_) => taken.push((at, flip)),
                Err(_) => {}
            }
        }
    }
    assert_eq!(taken, []);
}

proptest! {
    #[test]
    fn whatever_is_put_in_place_of_whatever_nothing_else_is_read(
        at in any::<prop::sample::Index>(),
        length in 0_usize..400,
        from in any::<prop::sample::Index>(),
        taken in 0_usize..4000,
    ) {
        // Pieces of the message itself are likelier to make something of it than random bytes.
        let bytes = MESSAGE.as_bytes();
        let (at, from) = (at.index(bytes.len()), from.index(bytes.len()));
        let piece = &bytes[from..(from + taken).min(bytes.len())];
        let message = [&bytes[..at], piece, &bytes[(at + length).min(bytes.len())..]].concat();
        let _stated_or_refused = stated_issuer(&message);
        if let Ok(found) = judged(&message) {
            prop_assert_eq!(found, judged(bytes).unwrap());
        }
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(judged(&bytes).is_err());
        prop_assert!(Provider::read(&bytes).is_err());
        prop_assert!(stated_issuer(&bytes).is_err());
    }

    #[test]
    fn any_markup_is_a_value_or_an_error(text in "(</?[a-c]{1,2}( [a-c:]{1,5}='[^']{0,3}')?/?>|[<>&;'\"=#]|ID|xmlns|\\PC){0,60}") {
        prop_assert!(judged(text.as_bytes()).is_err());
    }
}
