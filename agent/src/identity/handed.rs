//! What a caller hands in to show whom it acts for: told apart by its form alone.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::error::IdentityError;
use super::token::Token;

/// Browsers post base64 with padding (SAML 2.0 bindings 3.5.4); programs write either alphabet, often without.
const PADDED_OR_NOT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, PADDED_OR_NOT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, PADDED_OR_NOT);

/// What was handed in; nothing that it says is proved.
#[derive(Debug)]
pub enum Handed {
    /// A JWT.
    Token(Token),
    /// The XML of a SAML message.
    Message(Vec<u8>),
}

impl Handed {
    /// Reads one line of text: base64 has no dot, and a JWT has two.
    ///
    /// # Errors
    /// It is neither; or it has a dot, and is not a JWT to the letter.
    pub fn read(text: &str) -> Result<Self, IdentityError> {
        if text.contains('.') {
            return Token::read(text).map(Self::Token);
        }
        let alphabet = if text.contains(['-', '_']) {
            &URL_SAFE
        } else {
            &STANDARD
        };
        match alphabet.decode(text) {
            Ok(xml) if is_markup(&xml) => Ok(Self::Message(xml)),
            Ok(_) | Err(_) => Err(IdentityError::Form {
                expected: "a signed JWT (three parts of base64url with dots between them), or a SAML message (the base64 of its XML)",
                found: format!("neither, in {} characters without a dot", text.len()),
            }),
        }
    }
}

/// Tells whether bytes begin as XML does; whether it is some is for the reader of messages to say.
fn is_markup(bytes: &[u8]) -> bool {
    let text = bytes.strip_prefix("\u{feff}".as_bytes());
    text.unwrap_or(bytes).trim_ascii_start().starts_with(b"<")
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    /// Has signs that the two alphabets write differently, and needs padding.
    const XML: &str = "<a b=\"\u{fb}\u{ff}\u{fe}?>\">~~?</a>";

    #[test]
    fn base64_of_xml_is_a_message_whichever_alphabet_it_is_in() {
        for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
            let text = engine.encode(XML);
            let Ok(Handed::Message(xml)) = Handed::read(&text) else {
                panic!("{text} is no message");
            };
            assert_eq!(xml, XML.as_bytes());
        }
        assert!(STANDARD.encode(XML).contains(['+', '/']) && STANDARD.encode(XML).ends_with('='));
        let marked = STANDARD.encode("\u{feff}\r\n<?xml version=\"1.0\"?><a/>");
        assert!(matches!(Handed::read(&marked), Ok(Handed::Message(_))));
    }

    #[test]
    fn a_jwt_is_told_by_its_dots_and_whatever_is_neither_is_refused() {
        let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
        let jwt = format!(
            "{}.{}.AA",
            part(r#"{"alg":"RS256"}"#),
            part(r#"{"iss":"i"}"#)
        );
        assert!(matches!(Handed::read(&jwt), Ok(Handed::Token(_))));
        let message = STANDARD.encode(XML);
        let neither = "expected a signed JWT (three parts of base64url with dots between them), or a SAML message";
        for (text, expected) in [
            ("", neither),
            ("not-a-token", neither),
            (XML, neither),
            (&STANDARD.encode("{\"iss\":1}"), neither),
            (&format!("{}-_", message.replace('/', "_")), neither),
            (&format!("{message}\n"), neither),
            (&format!("{message}.."), "found what is not base64url"),
            (&format!("{message}."), "expected three parts with dots"),
        ] {
            let error = Handed::read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_value_or_an_error(text in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!matches!(Handed::read(&text), Ok(Handed::Token(_))));
            let is_message = matches!(Handed::read(&STANDARD.encode(&bytes)), Ok(Handed::Message(_)));
            prop_assert_eq!(is_message, is_markup(&bytes));
        }
    }
}
