//! Laws of texts: what cannot be read never runs, and what runs is the text that was judged, byte for byte.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::identity::Users;
use crate::snowflake::count::Count;
use crate::snowflake::query::QueryRequest;
use crate::statement::{Kind, Scope};

/// Allows everything that can be read.
static ALL: LazyLock<Bundle> = LazyLock::new(|| {
    let source = Source {
        file: "all.cedar".to_owned(),
        text: r#"@id("all") permit (principal, action, resource);"#.to_owned(),
    };
    let names = Names {
        accounts: None,
        users: &Users::parse("ci:x:1001:1001\n"),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&[source], &names).unwrap()
});

fn decided(mode: Mode, text: &str) -> Decision {
    let statement = Statement::read_all(text, Count::Any, &Scope::new(&|_| false));
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let catalogue = Catalogue::default();
    let usage = Usage::unread(chrono::DateTime::UNIX_EPOCH);
    decide(
        &ALL, mode, &principal, "ACME", &catalogue, &usage, statement,
    )
}

/// Statements and pieces of them, of which some follow each other so that they can be read.
fn pieces() -> impl Strategy<Value = String> {
    let words = [
        "select",
        "1",
        "a",
        "from",
        "t",
        "where",
        ";",
        "(",
        ")",
        "drop table t",
        "insert into t values (1)",
        "'",
        "\"",
        "$$",
        "--",
        "/*",
        "*/",
        "->>",
        "select 1",
        "select 1;",
        "create",
        "begin",
        "end",
        ",",
        "\u{a0}",
        "\u{0}",
        "put @s",
        "{",
        "}",
        "identifier('t')",
        "selekt",
    ];
    prop::collection::vec(prop::sample::select(words.to_vec()), 0..8)
        .prop_map(|words| words.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_unparsable_statement_is_never_allowed(text in prop_oneof![pieces(), any::<String>()]) {
        let statement = Statement::read_all(&text, Count::Any, &Scope::new(&|_| false));
        let is_read = |one: &Statement| one.problem().is_none() && one.kind() != Kind::Unknown;
        let can_run = is_read(&statement) && statement.parts().iter().all(is_read);
        match decided(Mode::Enforce, &text) {
            Decision::Allow(_) => prop_assert!(can_run, "{:?}", text),
            Decision::Forbid(refusal) => {
                prop_assert!(!can_run, "{:?}: {:?}", text, refusal.reason());
                prop_assert_eq!(refusal.reason().rules(), [UNREADABLE_RULE]);
            }
            Decision::Hold(held) => prop_assert!(false, "{:?}: {:?}", text, held.holds()),
        }
    }

    #[test]
    fn the_judged_text_is_the_text_sent(text in prop_oneof![pieces(), any::<String>()]) {
        let body = serde_json::json!({ "sqlText": text, "sequenceId": 1 }).to_string();
        let request = QueryRequest::read(body.as_bytes(), 1 << 20).unwrap();
        prop_assert_eq!(request.sql_text(), &text);
        // Observing lets every text through, so that each has a permit.
        let Decision::Allow(permit) = decided(Mode::Observe, request.sql_text()) else {
            return Err(TestCaseError::fail("refused by observe"));
        };
        let judged = permit.statement();
        prop_assert_eq!(judged.text(), &text);
        let sent: serde_json::Value = serde_json::from_slice(&request.write(judged.count()).unwrap()).unwrap();
        prop_assert_eq!(&sent["sqlText"], &serde_json::json!(text));
    }
}
