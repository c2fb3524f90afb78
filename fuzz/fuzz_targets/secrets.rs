//! No key that stands in a text stands in what is left of it, and what is left is left alone.

#![no_main]

use icecore::prompt::secrets::clean;
use libfuzzer_sys::fuzz_target;

const KEY: &str = "AKIAQ7WERTYUIOPASDFG";

fuzz_target!(|text: &str| {
    let once = clean(text);
    assert_eq!(once.redactions.is_empty(), once.text == text);
    let with_key = clean(&format!("{text} {KEY} {text}"));
    assert!(!with_key.text.contains(KEY));
});
