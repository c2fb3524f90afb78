//! A normal text has the words of the text that it is made of, and is its own: no two texts whose words differ are made equal.

#![no_main]

use icecore::prompt::linking::ladder::Sql;
use icecore::statement::form::{Form, normalized, pieces};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    drop(pieces(text));
    std::hint::black_box(Sql::new(text, normalized(text).as_deref()).is_plumbing());
    let Some(form) = Form::of(text) else { return };
    let normal = form.normal();
    let again = Form::of(&normal).expect("a normal text is lexed");
    assert_eq!(again, form);
    assert_eq!(again.normal(), normal);
});
