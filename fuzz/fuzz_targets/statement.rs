//! Any text is read as a statement or told as unreadable; a statement that changes things is never a query, and several
//! statements are each of them.

#![no_main]

use icecore::snowflake::count::Count;
use icecore::statement::{Kind, Scope, Statement};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let scope = Scope::new(&|_| false);
    let statement = Statement::read(text, &scope);
    assert_eq!(statement.text(), text);
    assert_eq!(statement.kind() == Kind::Unknown, statement.kind().action().is_none());

    let several = Statement::read_all(text, Count::Any, &scope);
    let mut rest = text;
    for part in several.parts() {
        assert!(part.kind() <= several.kind());
        assert_eq!(Statement::read(part.text(), &scope).kind(), part.kind());
        rest = rest.split_once(part.text()).expect("a part is of the text, in its place").1;
    }
});
