//! What is kept of an account that is never asked: nobody listens where it is said to be.

use std::net::TcpListener;

use super::*;
use crate::statement::{Class, Scope, Statement};

const HOST: &str = "acme.snowflakecomputing.com";

fn path(name: &str) -> Path {
    Path::new(["DB", "S", name].map(str::to_owned).to_vec())
}

fn effect(sql: &str) -> Effect {
    Effect::of(&Statement::read(sql, &Scope::new(&|_| false)))
}

/// Catalogues that know some tables, and an upstream at which nobody answers.
fn knowing(names: &[&str]) -> (Arc<Catalogues>, Arc<Account>, Upstream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let upstream = Upstream::at(BTreeMap::from([(HOST.to_owned(), address)]));
    let ttl = Duration::from_secs(60);
    let catalogues = Arc::new(Catalogues::new(ttl, Clock::system()));
    let account = Arc::new(Account::of_host(HOST));
    let role = catalogues.role(&account);
    let facts = RelationFacts {
        class: Class::Table,
        columns: Vec::new(),
        text: None,
    };
    for name in names {
        let known = Known {
            facts: Some(facts.clone()),
            tags: Tags::Unwanted,
            until_ns: i64::MAX,
        };
        role.held().relations.insert(path(name), known);
    }
    (catalogues, account, upstream)
}

fn kept(catalogues: &Catalogues, account: &Account) -> Vec<String> {
    let role = catalogues.role(account);
    let held = role.held();
    let mut names: Vec<String> = held.relations.keys().map(ToString::to_string).collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_is_kept_is_given_without_asking_and_the_rest_is_a_gap() {
    let (catalogues, account, upstream) = knowing(&["T"]);
    let look_up = |names: &[&str]| {
        let paths: BTreeSet<Path> = names.iter().map(|name| path(name)).collect();
        let (catalogues, account, upstream) = (&catalogues, &account, &upstream);
        async move {
            let found = catalogues.look_up(upstream, account, &paths, Tags::Unwanted);
            found.await
        }
    };
    let found = look_up(&["T"]).await;
    assert_eq!((found.relations.len(), found.gap), (1, None));
    // No login can be opened: the credential is in no file.
    let found = look_up(&["T", "U"]).await;
    assert_eq!((found.relations.len(), found.gap), (1, Some(Gap::Unread)));
}

#[test]
fn what_is_defined_anew_is_forgotten_and_so_is_all_that_is_in_it() {
    let after = |sql: &str| {
        let (catalogues, account, _) = knowing(&["T", "U"]);
        catalogues.forget("OTHER", &effect("call p()"));
        catalogues.forget(&account.name, &effect(sql));
        kept(&catalogues, &account).join(" ")
    };
    assert_eq!(after("select * from db.s.t"), "DB.S.T DB.S.U");
    assert_eq!(after("alter table db.s.t add column c int"), "DB.S.U");
    assert_eq!(
        after("create or replace view db.s.t as select 1 a"),
        "DB.S.U"
    );
    assert_eq!(
        after("alter table db.s.t modify column c set tag pii = 'x'"),
        "DB.S.U"
    );
    assert_eq!(after("drop table db.x.t"), "DB.S.T DB.S.U");
    for sql in [
        "drop schema db.s",
        "drop database db",
        "alter table t add column c int",
        "call p()",
    ] {
        assert_eq!(after(sql), "", "{sql}");
    }
}

#[test]
fn what_cannot_be_a_relation_is_never_asked_for() {
    let (catalogues, account, _) = knowing(&[]);
    let role = catalogues.role(&account);
    let long = "X".repeat(NAME_MAX + 1);
    let short = Path::new(vec!["T".to_owned()]);
    let paths = BTreeSet::from([path("T"), path(&long), short]);
    let missing = |paths| catalogues.missing(&role, paths, Tags::Unwanted);
    assert_eq!(missing(&paths), [path("T")]);
    let many = (0..=ASKED_MAX).map(|number| path(&format!("T{number}")));
    assert_eq!(missing(&many.collect()).len(), ASKED_MAX);
}

/// Policies that look at tags may come after some that do not.
#[test]
fn what_was_asked_without_tags_is_missing_where_tags_are_wanted() {
    let (catalogues, account, _) = knowing(&["T"]);
    let role = catalogues.role(&account);
    let paths = BTreeSet::from([path("T")]);
    assert!(catalogues.missing(&role, &paths, Tags::Unwanted).is_empty());
    assert_eq!(catalogues.missing(&role, &paths, Tags::Wanted), [path("T")]);
}
