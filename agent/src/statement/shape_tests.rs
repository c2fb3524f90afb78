//! What texts have one shape, and which attacks on a yes have another.

use proptest::prelude::*;

use super::*;

fn of(kind: Kind, text: &str) -> Option<String> {
    shape(kind.name(), text)
}

#[track_caller]
fn same(one: &str, other: &str) {
    assert_eq!(
        of(Kind::Query, one),
        of(Kind::Query, other),
        "{one} / {other}"
    );
}

#[track_caller]
fn another(kind: Kind, one: &str, other: &str) {
    let shapes = (of(kind, one), of(kind, other));
    assert!(shapes.0.is_some() && shapes.1.is_some());
    assert_ne!(shapes.0, shapes.1, "{one} / {other}");
}

#[test]
fn queries_that_compare_columns_with_other_values_are_of_one_shape() {
    same(
        "select a from t where id = 7",
        "select a  from t where id = 8;",
    );
    same(
        "select id, t.name from d.t where t.id = 7 and name = 'x' and d between 1 and 2 limit 3",
        "select id, t.name from d.t where t.id = 9 and name = 'it''s' and d between 1 and 2 limit 3 -- reason: other",
    );
}

#[test]
fn what_else_differs_makes_another_shape() {
    for (one, other) in [
        (
            "select a from t where id = 7",
            "select a from t where id = 7 or 1 = 1",
        ),
        (
            "select a from t where id = 7",
            "select a from t where id = id",
        ),
        (
            "select a from t where id = 7",
            "select a from t where \"id\" = 7",
        ),
        ("select a from t where 1 = 7", "select a from t where 1 = 1"),
        (
            "select a from t where id = 7 + 1",
            "select a from t where id = 8 + 1",
        ),
        (
            "select a from t where id = 7 or false = 1",
            "select a from t where id = 7 or false = 0",
        ),
        (
            "select a from t where true = 0",
            "select a from t where true = 1",
        ),
        (
            "select a from t where not id = 7",
            "select a from t where not id = 8",
        ),
        (
            "select a from t limit 10",
            "select a from t limit 1000000000",
        ),
        ("select top 10 a from t", "select top 99 a from t"),
        ("select a from t sample (1)", "select a from t sample (99)"),
        (
            "select a from t where d > '2026-01-01'",
            "select a from t where d > '1970-01-01'",
        ),
        (
            "select a from t where d between 1 and 2",
            "select a from t where d between 1 and 9",
        ),
        ("select a from table('a')", "select a from table('b')"),
        ("select f('a') from t", "select f('b') from t"),
        ("select f(x => 'a') from t", "select f(x => 'b') from t"),
        (
            "select a from t where n like 'a%'",
            "select a from t where n like '%'",
        ),
        (
            "select a from t where id in (7)",
            "select a from t where id in (8)",
        ),
        (
            "select a from t where f(id) = 7",
            "select a from t where f(id) = 8",
        ),
    ] {
        another(Kind::Query, one, other);
    }
    another(
        Kind::Delete,
        "delete from t where id = 7",
        "delete from t where id = 8",
    );
    another(
        Kind::Insert,
        "insert into t values (1)",
        "insert into t values (2)",
    );
}

#[test]
fn code_copies_rights_and_objects_have_no_shape() {
    for kind in [
        Kind::Call,
        Kind::CopyIn,
        Kind::Unload,
        Kind::Grant,
        Kind::Create,
        Kind::Drop,
        Kind::Unknown,
    ] {
        assert_eq!(of(kind, "select 1"), None, "{kind:?}");
    }
    assert_eq!(of(Kind::Query, "select 'a"), None);
}

/// Each first text reads few rows or none, each second one those that a yes to the first shut out.
#[test]
fn what_lets_rows_through_that_were_shut_out_has_another_shape() {
    for (one, other) in [
        (
            "select a from t where boolnot(region = 'EU')",
            "select a from t where boolnot(region = '')",
        ),
        (
            "select a from t where (region = 'EU') = (1 = 2)",
            "select a from t where (region = '') = (1 = 2)",
        ),
        (
            "select a from t where (region = 'EU') <> (1 = 1)",
            "select a from t where (region = '') <> (1 = 1)",
        ),
        (
            "select a from t except select a from t where region = 'EU'",
            "select a from t except select a from t where region = ''",
        ),
        (
            "select a from t minus select a from t where region = 'EU'",
            "select a from t minus select a from t where region = ''",
        ),
        (
            "select a from t intersect select a from t where region = 'EU'",
            "select a from t intersect select a from t where region = ''",
        ),
        (
            "select a from t left join x on x.id = t.id and x.kind = 1 where x.id is null",
            "select a from t left join x on x.id = t.id and x.kind = 0 where x.id is null",
        ),
        (
            "select a from t group by a having count_if(flag = 1) = 0",
            "select a from t group by a having count_if(flag = 2) = 0",
        ),
        (
            "select a, row_number() over (order by a) rn from t qualify rn = 1",
            "select a, row_number() over (order by a) rn from t qualify rn = 2",
        ),
        (
            "select a, 1 as x from t where x = 2",
            "select a, 1 as x from t where x = 1",
        ),
        (
            "select a, 1 \"X\" from t where x = 2",
            "select a, 1 \"X\" from t where x = 1",
        ),
        (
            "select 1 from t where \"1\" = 2",
            "select 1 from t where \"1\" = 1",
        ),
        (
            "select a from (select a, 1 x from t) where x = 2",
            "select a from (select a, 1 x from t) where x = 1",
        ),
        (
            "with c as (select a, 1 x from t) select a from c where x = 2",
            "with c as (select a, 1 x from t) select a from c where x = 1",
        ),
        (
            "select a from t, (values (1)) v where v.column1 = 2",
            "select a from t, (values (1)) v where v.column1 = 1",
        ),
        (
            "select a from t where a between 1 and flag = 1",
            "select a from t where a between 1 and flag = 0",
        ),
        (
            "select a from t where flag and id = 7 and flag or b",
            "select a from t where flag and id = 8 and flag or b",
        ),
        (
            "select a from t where case when a and id = 7 and b then c end",
            "select a from t where case when a and id = 8 and b then c end",
        ),
        (
            "select a from t where id = 7 and exists (select 1 from u)",
            "select a from t where id = 8 and exists (select 1 from u)",
        ),
        (
            "select a from t where code = '7'",
            "select a from t where code = 7",
        ),
    ] {
        another(Kind::Query, one, other);
    }
}

/// Texts with a number at each `{}`, and whether their numbers are what a shape leaves out.
const CONDITIONS: [(&str, bool); 14] = [
    ("id = {}", true),
    ("T.Id = {}", true),
    ("\"id\" = {}", true),
    ("id > {}", false),
    ("id <> {}", false),
    ("{} = id", false),
    ("id = {} + 1", false),
    ("(id = {})", false),
    ("id in ({})", false),
    ("f(id = {})", false),
    ("f(id) = {}", false),
    ("d between 1 and {}", false),
    ("d between {} and id = {}", false),
    ("(id = {}) = (1 = {})", false),
];

/// What stands around conditions, and whether shapes leave out anything there.
const AROUND: [(&str, bool); 10] = [
    ("select id, f({}) from t where @", true),
    ("select id from t join u on t.a = {} where @ limit {}", true),
    (
        "select a from t where @ group by a having count_if(b = {}) = 0",
        true,
    ),
    ("select a from t where @ qualify rn = {}", true),
    ("select a from t where @ or {} = 1", false),
    ("select a from t where @ except select {}", false),
    ("select {} as id from t where @", false),
    ("select a from t left join u on t.a = {} where @", false),
    ("select a from (select {} as id) where @", false),
    ("with c as (select {} as id) select a from c where @", false),
];

proptest! {
    #[test]
    fn texts_are_of_one_shape_when_they_differ_in_what_columns_are_to_equal_and_else_not(
        around in prop::sample::select(AROUND.to_vec()),
        conditions in prop::collection::vec(prop::sample::select(CONDITIONS.to_vec()), 1..5),
        changes in prop::collection::vec(prop::bool::weighted(0.2), 12),
    ) {
        let mut changes = changes.into_iter();
        let mut differs = false;
        // Writes a text twice, with numbers that differ here and there.
        let mut both = |text: &str, is_open: bool| {
            let mut texts = (text.to_owned(), text.to_owned());
            while texts.0.contains("{}") {
                let changed = changes.next().unwrap_or_default();
                differs |= changed && !is_open;
                texts.0 = texts.0.replacen("{}", "7", 1);
                texts.1 = texts.1.replacen("{}", if changed { "8" } else { "7" }, 1);
            }
            texts
        };
        let outside = both(around.0, false);
        let written: Vec<_> = conditions
            .iter()
            .map(|(text, is_open)| both(text, *is_open && around.1))
            .collect();
        let one: Vec<_> = written.iter().map(|(one, _)| &**one).collect();
        let other: Vec<_> = written.iter().map(|(_, other)| &**other).collect();
        let one = outside.0.replace('@', &one.join(" and "));
        let other = outside.1.replace('@', &other.join(" and "));
        let shapes = (of(Kind::Query, &one), of(Kind::Query, &other));
        prop_assert!(shapes.0.is_some());
        prop_assert_eq!(shapes.0 == shapes.1, !differs, "{} / {}", one, other);
    }

    #[test]
    fn any_text_has_a_shape_or_none_and_a_blank_at_its_end_changes_nothing(text in "(select|from|where|and|between|id|[=.()7']| ){0,20}") {
        let shaped = of(Kind::Query, &text);
        prop_assert_eq!(of(Kind::Query, &format!("{text} ")), shaped);
    }
}
