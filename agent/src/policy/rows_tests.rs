//! How many rows of results policies have kept.

use super::tests::{bundle, problems, verdict};
use super::*;

#[test]
fn the_most_rows_that_a_permit_asks_for_are_kept() {
    let rows = |policies: &str| {
        let all = "@id(\"all\") permit (principal, action, resource);";
        match verdict(
            &bundle(&format!("{all}{policies}")),
            Mode::Enforce,
            "select 1",
        ) {
            Decision::Allow(permit) => permit.rows().to_vec(),
            Decision::Forbid(refusal) => panic!("{:?}", refusal.reason()),
            Decision::Hold(held) => panic!("{:?}", held.holds()),
        }
    };
    let one = |id: &str, rows: &str, action: &str| {
        format!(
            "@id(\"{id}\") @rows(\"{rows}\") permit (principal, action == Icecore::Action::\"{action}\", resource);"
        )
    };
    assert_eq!(rows(""), [None]);
    assert_eq!(rows(&one("a", "none", "read")), [Some(ResultRows::None)]);
    assert_eq!(rows(&one("a", "full", "write")), [None]);
    let two = one("a", "sample:3", "read") + &one("b", "none", "read");
    assert_eq!(rows(&two), [Some(ResultRows::Sample(3))]);
    let forbid = problems("@id(\"a\") @rows(\"full\") forbid (principal, action, resource);");
    assert!(
        forbid[0].contains("expected `@rows` on a permit"),
        "{forbid:?}"
    );
    let typed = problems("@id(\"a\") @rows(\"ful\") permit (principal, action, resource);");
    assert!(
        typed[0].contains("found \"ful\" (did you mean `full`?)"),
        "{typed:?}"
    );
}
