//! A second opinion: the reading of rules that the design gives, written plainly, agrees with what Cedar and slices make of
//! their text.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::identity::Users;
use crate::snowflake::count::Count;
use crate::statement::Scope;

const CATALOGUE: &str = r#"
database = "DB"
schema = "S"
[tables]
"DB.S.T" = ["A NUMBER", "B TEXT PII=email"]
"DB.S.U" = ["B TEXT PII=name", "C NUMBER"]
"DB.X.T" = ["A NUMBER PII=email"]
[views]
"DB.S.V" = { text = "create view v as select b as e from t", columns = ["E TEXT"] }
"#;

/// Tags of the columns above.
const TAGS: [(&str, &str); 3] = [
    ("DB.S.T.B", "email"),
    ("DB.S.U.B", "name"),
    ("DB.X.T.A", "email"),
];

/// Statements, and what each asks, told by hand: `VERB TYPE NAME`, and the use of a column that is filtered.
const STATEMENTS: [(&str, &[&str]); 16] = [
    ("select 1", &["read Account "]),
    ("begin", &["session Account "]),
    (
        "select a from t",
        &["read Table DB.S.T", "project Column DB.S.T.A"],
    ),
    (
        "select upper(b) from t where a > 1",
        &[
            "read Table DB.S.T",
            "project Column DB.S.T.B",
            "filter Column DB.S.T.B argument",
            "filter Column DB.S.T.A where",
        ],
    ),
    (
        "select count(*) from s.u group by b order by c",
        &[
            "read Table DB.S.U",
            "filter Column DB.S.U.B group",
            "filter Column DB.S.U.C order",
        ],
    ),
    (
        "select x.a from x.t x join u on x.a = u.c",
        &[
            "read Table DB.X.T",
            "read Table DB.S.U",
            "project Column DB.X.T.A",
            "filter Column DB.X.T.A join",
            "filter Column DB.S.U.C join",
        ],
    ),
    (
        "select e from v",
        &[
            "read View DB.S.V",
            "project Column DB.S.V.E",
            "project Column DB.S.T.B",
        ],
    ),
    (
        "insert into u (b) select b from t",
        &[
            "read Table DB.S.T",
            "write Table DB.S.U",
            "project Column DB.S.T.B",
        ],
    ),
    (
        "create table n as select a from x.t",
        &[
            "read Table DB.X.T",
            "create Table DB.S.N",
            "project Column DB.X.T.A",
        ],
    ),
    ("create schema db.y", &["create Schema DB.Y"]),
    ("drop table t", &["drop Table DB.S.T"]),
    (
        "alter table x.t rename column a to b",
        &["alter Table DB.X.T", "project Column DB.X.T.A"],
    ),
    (
        "copy into @out from (select c from u)",
        &[
            "read Table DB.S.U",
            "unload Stage DB.S.OUT",
            "project Column DB.S.U.C",
        ],
    ),
    ("use warehouse w", &["use_warehouse Warehouse W"]),
    ("use role r", &["use_role Role R"]),
    ("truncate table u", &["write Table DB.S.U"]),
];

/// One rule, as its text says it.
#[derive(Clone, Debug)]
struct Rule {
    forbids: bool,
    of: Option<&'static str>,
    actions: Vec<&'static str>,
    /// A type and a name that the resource is, or is in.
    within: Option<(&'static str, &'static str)>,
    tag: Option<&'static str>,
    remedy: Option<&'static str>,
    masked_use: Option<&'static str>,
}

/// Lists the rules that a question satisfies, asked by the host's user `ci`, in their order.
fn satisfied<'r>(rules: &'r [Rule], question: &str) -> Vec<(String, &'r Rule)> {
    let satisfied = |rule: &(String, &Rule)| {
        let mut words = question.split(' ');
        let mut word = || words.next().unwrap_or_default();
        let (verb, kind, name) = (word(), word(), word());
        let is_within = |(outer, of): (&str, &str)| match outer {
            "Account" => true,
            _ if outer == kind && of == name => true,
            "Database" | "Schema" | "Table" => name.starts_with(&format!("{of}.")),
            _ => false,
        };
        let tag = TAGS
            .iter()
            .find(|(column, _)| *column == name && kind == "Column");
        rule.1.of.is_none_or(|user| user == "ci")
            && rule.1.actions.contains(&verb)
            && rule.1.within.is_none_or(is_within)
            && rule
                .1
                .tag
                .is_none_or(|value| tag.is_some_and(|tag| tag.1 == value))
    };
    let named = (0..)
        .zip(rules)
        .map(|(at, rule): (usize, _)| (format!("r{at}"), rule));
    named.filter(satisfied).collect()
}

/// What the rules are that allow, and those that hold until people lift them.
type Answer = (BTreeSet<String>, BTreeSet<String>);

/// The whole evaluator of a question of a statement, whose values go into its own result or elsewhere.
fn naive(rules: &[Rule], question: &str, is_delivered: bool) -> Result<Answer, BTreeSet<String>> {
    let satisfied = satisfied(rules, question);
    let ids = |forbids: bool| -> BTreeSet<String> {
        let some = satisfied.iter().filter(|(_, rule)| rule.forbids == forbids);
        some.map(|(id, _)| id.clone()).collect()
    };
    let (permits, forbids) = (ids(false), ids(true));
    let is_plain = |rule: &Rule| rule.forbids && rule.remedy.is_none();
    let has_plain = satisfied.iter().any(|(_, rule)| is_plain(rule));
    let masks = |rule: &Rule| rule.remedy.is_some_and(|remedy| remedy.starts_with("mask"));
    let masking = satisfied.iter().any(|(_, rule)| masks(rule));
    let can_mask = is_delivered || !masking;
    let held: BTreeSet<String> = satisfied
        .iter()
        .filter(|(_, rule)| rule.forbids && rule.remedy.is_some() && !masks(rule))
        .map(|(id, _)| id.clone())
        .collect();
    match (forbids.is_empty(), permits.is_empty()) {
        (true, false) => Ok((permits, held)),
        // A forbid without a remedy refuses.
        (false, _) if has_plain => Err(forbids),
        // The others are taken away first: where nothing is left that permits, there is nothing to remedy.
        (_, true) => Err(BTreeSet::from([DEFAULT_RULE.to_owned()])),
        (false, false) if can_mask => Ok((permits, held)),
        (false, false) => Err(forbids),
    }
}

/// Lists the rules that mask a column which is used otherwise, where no satisfied permit names that use.
fn masked(rules: &[Rule], question: &str) -> Option<BTreeSet<String>> {
    let (column, used) = question.strip_prefix("filter ")?.rsplit_once(' ')?;
    let shown = satisfied(rules, &format!("project {column}"));
    let masks =
        |rule: &Rule| rule.forbids && rule.remedy.is_some_and(|remedy| remedy.starts_with("mask"));
    let ids: BTreeSet<String> = shown
        .into_iter()
        .filter(|(_, rule)| masks(rule))
        .map(|(id, _)| id)
        .collect();
    let named = |(_, rule): &(String, &Rule)| !rule.forbids && rule.masked_use == Some(used);
    let is_named = satisfied(rules, &format!("filter {column}"))
        .iter()
        .any(named);
    Some(ids).filter(|ids| !ids.is_empty() && !is_named)
}

/// Writes rules as Cedar.
fn text(rules: &[Rule]) -> String {
    let write = |(at, rule): (usize, &Rule)| {
        let remedy = rule.remedy.map(|remedy| format!("@remedy(\"{remedy}\")"));
        let masked_use = rule
            .masked_use
            .map(|used| format!("@masked_use(\"{used}\")"));
        let of = rule
            .of
            .map(|user| format!("== Icecore::Principal::\"{user}\""));
        let actions: Vec<String> = rule
            .actions
            .iter()
            .map(|action| format!("Icecore::Action::\"{action}\""))
            .collect();
        let within = rule.within.map(|(kind, name)| match kind {
            "Account" => "in Icecore::Account::\"ACME\"".to_owned(),
            _ => format!("in Icecore::{kind}::\"ACME.{name}\""),
        });
        let tag = rule.tag.map(|value| {
            format!(
                "when {{ resource.hasTag(\"PII\") && resource.getTag(\"PII\") == \"{value}\" }}"
            )
        });
        format!(
            "@id(\"r{at}\") {} {} {} (principal {}, action in [{}], resource {}) {};\n",
            remedy.unwrap_or_default(),
            masked_use.unwrap_or_default(),
            if rule.forbids { "forbid" } else { "permit" },
            of.unwrap_or_default(),
            actions.join(", "),
            within.unwrap_or_default(),
            tag.unwrap_or_default()
        )
    };
    rules.iter().enumerate().map(write).collect()
}

fn bundle(rules: &[Rule]) -> Bundle {
    let source = Source {
        file: "naive.cedar".to_owned(),
        text: text(rules),
    };
    let names = Names {
        accounts: Some(&["ACME"]),
        users: &Users::parse("root:x:0:0\nci:x:1001:1001\n"),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&[source], &names).unwrap()
}

/// The statements as they are read, with what is known of the account.
static READ: LazyLock<(Catalogue, Vec<Statement>)> = LazyLock::new(|| {
    let catalogue = Catalogue::described(CATALOGUE).unwrap();
    let scope = Scope::new(&|_| false).with(&catalogue);
    let read = STATEMENTS.map(|(sql, _)| Statement::read_all(sql, Count::Any, &scope));
    (catalogue.clone(), read.to_vec())
});

/// Gives the verdict of each statement, in their order, where people lifted some rules.
fn verdicts(bundle: &Bundle, lifted: &Discharged) -> Vec<Verdict> {
    let principal = Principal::host_user("ci".to_owned(), 1001);
    let (catalogue, read) = &*READ;
    let identity = principal.identity();
    let usage = Usage::unread(chrono::DateTime::UNIX_EPOCH).discharging(Some(lifted));
    let verdict =
        |statement: &Statement| explain(bundle, identity, "ACME", catalogue, &usage, statement);
    read.iter().map(verdict).collect()
}

fn rule() -> impl Strategy<Value = Rule> {
    let of = prop::option::weighted(0.3, prop::sample::select(vec!["ci", "root"]));
    let objects = prop::sample::subsequence(
        vec![
            "read",
            "write",
            "create",
            "alter",
            "drop",
            "unload",
            "session",
            "use_role",
            "use_warehouse",
        ],
        1..9,
    );
    let places = prop::option::of(prop::sample::select(vec![
        ("Account", ""),
        ("Database", "DB"),
        ("Schema", "DB.S"),
        ("Schema", "DB.X"),
        ("Table", "DB.S.T"),
        ("View", "DB.S.V"),
    ]));
    let hold = prop::option::weighted(0.4, Just("hold:owners"));
    let of_objects = (any::<bool>(), of.clone(), objects, places, hold).prop_map(
        |(forbids, of, actions, within, remedy)| Rule {
            forbids,
            of,
            actions,
            within,
            tag: None,
            remedy: remedy.filter(|_| forbids),
            masked_use: None,
        },
    );
    let columns = prop::sample::subsequence(vec!["project", "filter"], 1..3);
    let places = prop::option::of(prop::sample::select(vec![
        ("Account", ""),
        ("Schema", "DB.X"),
        ("Table", "DB.S.U"),
        ("Column", "DB.S.T.B"),
        ("Column", "DB.S.V.E"),
    ]));
    let tag = prop::option::of(prop::sample::select(vec!["email", "name"]));
    let remedy = prop::option::of(prop::sample::select(vec!["hold:owners", "mask:hash"]));
    let used = prop::option::of(prop::sample::select(vec!["argument", "where", "join"]));
    let of_columns = (any::<bool>(), of, columns, places, tag, remedy, used).prop_map(
        |(forbids, of, actions, within, tag, remedy, used)| {
            let can_mask = actions == ["project"];
            let can = |remedy: &&str| forbids && (can_mask || !remedy.starts_with("mask"));
            Rule {
                remedy: remedy.filter(can),
                masked_use: used.filter(|_| !forbids && actions == ["filter"]),
                forbids,
                of,
                actions,
                within,
                tag,
            }
        },
    );
    prop_oneof![of_objects, of_columns]
}

/// Rules of which more permit than would by chance, so that something is allowed.
fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let wide = |actions: Vec<&'static str>| Rule {
        forbids: false,
        of: None,
        actions,
        within: None,
        tag: None,
        remedy: None,
        masked_use: None,
    };
    let objects = wide(vec![
        "read", "write", "create", "alter", "drop", "unload", "session",
    ]);
    let columns = wide(vec!["project", "filter"]);
    let some = prop::sample::subsequence(vec![objects, columns], 0..3);
    (some, prop::collection::vec(rule(), 0..6)).prop_map(|(some, more)| [some, more].concat())
}

/// Rules that people lifted, of any remedy or none: only those that hold may go.
fn lifted() -> impl Strategy<Value = Discharged> {
    let rules: Vec<String> = (0..9).map(|at| format!("r{at}")).collect();
    prop::sample::subsequence(rules, 0..9).prop_map(Discharged::of_approval)
}

/// How far a statement gets.
fn freedom(verdict: &Verdict) -> u8 {
    match verdict.word() {
        "allow" => 2,
        "hold" => 1,
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_naive_evaluator_agrees(rules in rules()) {
        let bundle = bundle(&rules);
        for ((sql, questions), found) in STATEMENTS.iter().zip(verdicts(&bundle, &Discharged::nothing())) {
            let is_delivered = sql.starts_with("select");
            let answers: Vec<_> = questions.iter().map(|question| naive(&rules, question, is_delivered)).collect();
            let told: BTreeSet<String> = found.rules.iter().cloned().collect();
            let masked = questions.iter().filter_map(|question| masked(&rules, question));
            let refused = answers.iter().filter_map(|answer| answer.clone().err());
            let refused: Vec<BTreeSet<String>> = refused.chain(masked).collect();
            if refused.is_empty() {
                let answers: Vec<Answer> = answers.into_iter().map(Result::unwrap).collect();
                let held: BTreeSet<String> = answers.iter().flat_map(|(_, held)| held.clone()).collect();
                let permits: BTreeSet<String> = answers.into_iter().flat_map(|(permits, _)| permits).collect();
                let word = if held.is_empty() { "allow" } else { "hold" };
                prop_assert_eq!(found.word(), word, "{}: {:?}\n{}", sql, found, text(&rules));
                prop_assert_eq!(told, if held.is_empty() { permits } else { held }, "{}\n{}", sql, text(&rules));
            } else {
                prop_assert_eq!(found.word(), "refuse", "{}: {:?}\n{}", sql, found, text(&rules));
                // Which of several refusals is told first is not promised.
                prop_assert!(refused.contains(&told), "{sql}: {found:?}, not of {refused:?}\n{}", text(&rules));
            }
        }
    }

    #[test]
    fn adding_any_forbid_only_refuses_holds_or_masks_more(
        rules in rules(),
        added in rule(),
        lifted in lifted(),
    ) {
        let before = bundle(&rules);
        let added = Rule {
            forbids: true,
            masked_use: None,
            ..added
        };
        let name = format!("r{}", rules.len());
        let after = bundle(&[rules, vec![added]].concat());
        // Nobody has lifted what was not there.
        let lifted = Discharged::of_approval(lifted.rules().filter(|rule| *rule != name).map(str::to_owned));
        let verdicts = verdicts(&before, &lifted).into_iter().zip(verdicts(&after, &lifted));
        for ((sql, _), (before, after)) in STATEMENTS.iter().zip(verdicts) {
            prop_assert!(freedom(&before) >= freedom(&after), "{}: {:?}, then {:?}", sql, before, after);
            if after.reason.is_none() {
                prop_assert!(before.holds.is_subset(&after.holds), "{}: {:?}, then {:?}", sql, before, after);
                let is_masked = |column| after.masks.contains_key(column);
                prop_assert!(before.masks.keys().all(is_masked), "{}: {:?}, then {:?}", sql, before, after);
            }
        }
    }

    #[test]
    fn lifting_rules_allows_no_more_than_if_they_were_not_there(rules in rules(), lifted in lifted()) {
        let lifts = |at: usize, rule: &Rule| {
            let holds = rule.remedy.is_some_and(|remedy| remedy.starts_with("hold"));
            holds && lifted.lifts(&format!("r{at}"))
        };
        let left: Vec<Rule> = (0..)
            .zip(&rules)
            .filter(|(at, rule)| !lifts(*at, rule))
            .map(|(_, rule)| rule.clone())
            .collect();
        let all = verdicts(&bundle(&rules), &lifted);
        let without = verdicts(&bundle(&left), &Discharged::nothing());
        for ((sql, _), (all, without)) in STATEMENTS.iter().zip(all.into_iter().zip(without)) {
            prop_assert!(freedom(&all) <= freedom(&without), "{}: {:?}, without {:?}", sql, all, without);
            let is_left = |hold: &Hold| !lifted.lifts(&hold.rule);
            prop_assert!(all.holds.iter().all(is_left), "{}: {:?}", sql, all);
        }
    }
}
