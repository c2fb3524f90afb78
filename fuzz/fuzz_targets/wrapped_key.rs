//! Any bytes are a wrapped key, or refused; any text is a key's name, or none.

#![no_main]

use icecore::record::encryption::{KeyName, WrappedKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let name = "01a21a9d-32d2-7738-a091-7c80296c52d6/t1-2026-11-7084f890";
    if let Some(name) = KeyName::read(name) {
        let _ = WrappedKey::read("acme", &name, bytes);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = KeyName::read(text);
        let _ = KeyName::of_object(text);
    }
});
