//! What holds a statement, of one and of several in one text, and that `observe` asks nobody.

use super::super::tests::bundle;
use super::super::{Decision, Usage, decide};
use crate::config::Mode;
use crate::identity::Principal;
use crate::snowflake::count::Count;
use crate::statement::{Catalogue, Scope, Statement};

const APPROVE: &str = include_str!("../../../policies/approve-changes.cedar");

#[test]
fn a_batch_is_held_by_the_rules_of_all_its_statements_and_observe_says_so() {
    let text = format!("@id(\"all\") permit (principal, action, resource);{APPROVE}");
    let bundle = bundle(&text);
    let sql = "insert into t values (1); grant select on table t to role r";
    let judge = |mode| {
        let statement = Statement::read_all(sql, Count::Any, &Scope::new(&|_| false));
        let principal = Principal::host_user("ci".to_owned(), 1001);
        let catalogue = Catalogue::default();
        decide(
            &bundle,
            mode,
            &principal,
            "ACME",
            &catalogue,
            &Usage::unread(chrono::DateTime::UNIX_EPOCH),
            statement,
        )
    };
    let rules = ["approve-grants", "approve-writes"];
    let Decision::Hold(held) = judge(Mode::Enforce) else {
        panic!("not held");
    };
    let told: Vec<(&str, &str)> = held
        .holds()
        .iter()
        .map(|hold| (hold.rule.as_str(), hold.group.as_str()))
        .collect();
    assert_eq!(told, [(rules[0], "security"), (rules[1], "data-owners")]);
    assert!(!held.waits_in_transaction());
    let Decision::Allow(permit) = judge(Mode::Observe) else {
        panic!("not let through");
    };
    assert_eq!(permit.overruled().unwrap().rules(), rules);
}
