//! Any text is read as a statement or told as unreadable; a statement that changes things is never a query.

#![no_main]

use icecore::statement::{Kind, Scope, Statement};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let statement = Statement::read(text, &Scope::new(&|_| false));
    assert_eq!(statement.text(), text);
    assert_eq!(statement.kind() == Kind::Unknown, statement.kind().action().is_none());
});
