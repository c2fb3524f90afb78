//! Days that are copied out of a store.

use std::fs;
use std::path::PathBuf;

use icecore::replay::{Days, Pulled, pull};
use serde_json::json;

use super::asking::{ask_both, sql_of};
use super::made::Made;

/// Copies the one day of most statements.
fn pulled(made: &Made) -> Pulled {
    let days = Days {
        from: "2026-01-02".parse().unwrap(),
        to: "2026-01-02".parse().unwrap(),
    };
    let (mut seen, mut of) = (0, 0);
    let pulled = pull((&made.url(), None), &made.copy(), days, |done, total| {
        (seen, of) = (done, total);
    });
    assert_eq!(seen, of);
    pulled.unwrap()
}

fn file(made: &Made, of: &str, day: &str) -> PathBuf {
    let files = made.files(of).into_iter();
    let mut files = files.filter(|file| file.to_str().unwrap().contains(day));
    files.next().unwrap()
}

#[test]
fn a_day_is_copied_with_what_proves_it() {
    let made = Made::filled();
    let pulled = pulled(&made);
    assert_eq!((pulled.chains, &pulled.problems[..]), (1, &[][..]));
    let counted = ask_both(
        &sql_of(made.copy().to_str().unwrap()),
        &made,
        "select (select count(*) from statements) as statements, (select count(*) from sessions) as sessions, \
         (select count(distinct dt) from statements_all) as days, (select string_agg(object || ': ' || reason, '; ') from left_out) as left_out",
    );
    let told = "this copy has 2026-01-02 to 2026-01-02: 4 objects of other days are not in it";
    let expected = json!([{"statements": 3, "sessions": 1, "days": 1, "left_out": told}]);
    assert_eq!(counted, expected);
}

#[test]
fn a_copy_goes_on_where_it_was_left() {
    let made = Made::filled();
    let whole = pulled(&made);
    let lost = made.in_copy(&file(&made, "statements", "2026-01-02"));
    fs::remove_file(&lost).unwrap();
    let again = pulled(&made);
    assert_eq!((again.copied, again.there), (1, whole.copied - 1));
    assert!(lost.is_file() && again.problems.is_empty(), "{again:?}");
}

#[test]
fn nothing_in_a_copy_is_written_over() {
    let made = Made::filled();
    drop(pulled(&made));
    let own = made.in_copy(&file(&made, "statements", "2026-01-02"));
    fs::write(&own, "mine").unwrap();
    let again = pulled(&made);
    assert!(
        again.problems[0].ends_with("is in the copy with other bytes, which stay"),
        "{again:?}"
    );
    assert_eq!(
        (again.copied, fs::read(&own).unwrap()),
        (0, b"mine".to_vec())
    );
}

#[test]
fn what_is_not_as_its_manifest_says_is_not_copied() {
    let made = Made::filled();
    let whole = pulled(&made);
    fs::remove_dir_all(made.copy()).unwrap();
    let changed = file(&made, "statements", "2026-01-02");
    fs::write(&changed, "not it").unwrap();
    fs::remove_file(file(&made, "statement_texts", "dt=")).unwrap();
    let pulled = pulled(&made);
    let mut problems = pulled.problems.clone();
    problems.sort();
    assert!(
        problems[0].ends_with("has other bytes than its manifest says"),
        "{problems:?}"
    );
    assert_eq!(
        pulled.copied + problems.len() as u64,
        whole.copied,
        "{problems:?}"
    );
    assert!(!made.in_copy(&changed).exists());
}
