//! Any text is a token or a SAML message, or refused; any bytes are an issuer's keys, or refused.

#![no_main]

use icecore::identity::{Handed, Keys, Token};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Token::read(text);
        let _ = Handed::read(text);
    }
    let _ = Keys::read(bytes);
});
