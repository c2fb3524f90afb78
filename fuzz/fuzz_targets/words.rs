//! Of any message no value is told that is neither a word of such messages nor one of the statement's text.

#![no_main]

use icecore::mask::quiet_words;
use libfuzzer_sys::fuzz_target;

const VALUE: &str = "zqcanary7";

fuzz_target!(|text: &str| {
    let middle = (0..=text.len() / 2)
        .rev()
        .find(|at| text.is_char_boundary(*at));
    let (front, behind) = text.split_at(middle.unwrap_or_default());
    for start in [
        "",
        "SQL compilation error: ",
        "Numeric value '",
        "SQL execution error: ",
    ] {
        for statement in [None, Some(behind)] {
            let message = format!("{start}{front}{VALUE}{behind}");
            let told = quiet_words(&message, statement);
            assert!(!told.is_empty() && !told.contains(VALUE));
        }
    }
});
