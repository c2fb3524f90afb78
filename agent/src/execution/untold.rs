//! What of a statement's meaning cannot be told now and looked up again: such a statement is never held, since people would
//! say yes to what may change unseen.

use std::collections::BTreeSet;

use super::context::Context;
use super::effect::Effect;
use super::reading::relations_of;
use crate::statement::{Catalogue, Class, Found, Meaning, Object, Path, Statement};

/// Why a statement is not held.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Untold {
    /// It uses what exists, or may exist, for its login alone.
    #[error(
        "what cannot be told now and looked up again is never held: `{0}` is, or may be, an object that this login alone sees; log in anew, or use another name"
    )]
    Own(Path),
    /// Nobody knows where a name of it leads.
    #[error(
        "what cannot be told now and looked up again is never held: expected names whose database and schema are known, found `{0}`; write it as database.schema.name"
    )]
    Unsettled(Object),
    /// The account did not say what a name leads to.
    #[error(
        "what cannot be told now and looked up again is never held: the account told nothing of `{0}`; see that it is there, that Icecore's role sees it, and that it is named in full"
    )]
    Unseen(Path),
    /// It changes what its own names lead to.
    #[error(
        "what cannot be told now and looked up again is never held: its parts change what names of later ones lead to; send each by itself"
    )]
    Redefined,
}

impl Untold {
    /// Finds what cannot be told of a statement that was read by all that the account says; `unseen` is what its views lead
    /// to and was not looked up.
    pub(super) fn of(
        (statement, effect): (&Statement, &Effect),
        (catalogue, unseen): (&Catalogue, &BTreeSet<Path>),
        context: &Context,
    ) -> Option<Self> {
        let parts = statement.parts().iter().chain([statement]);
        let meanings: Vec<&Meaning> = parts.filter_map(Statement::meaning).collect();
        let used = meanings.iter().copied().flat_map(relations_of);
        let used: BTreeSet<&Object> = used.filter(|object| object.has_columns()).collect();
        let accesses = meanings.iter().flat_map(|meaning| meaning.accesses());
        let named: BTreeSet<&Object> = accesses
            .map(|access| &access.object)
            .filter(|object| object.has_columns() || object.class() == Class::Object)
            .chain(used.iter().copied())
            .collect();
        if effect.redefines_within && !used.is_empty() {
            return Some(Self::Redefined);
        }
        if let Some(object) = named.iter().find(|object| !object.is_settled()) {
            return Some(Self::Unsettled((*object).clone()));
        }
        let mut paths = named.iter().map(|object| object.path()).chain(unseen);
        if let Some(own) = paths.find(|path| context.may_own(path)) {
            return Some(Self::Own(own.clone()));
        }
        let is_untold = |path: &&Path| catalogue.relation(path) == Found::Unknown;
        let mut used = used.iter().map(|object| object.path());
        used.find(is_untold)
            .or(unseen.first())
            .map(|path| Self::Unseen(path.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snowflake::count::Count;
    use crate::snowflake::current::Current;
    use crate::statement::{Kind, Scope};

    const ACCOUNT: &str = r#"
[tables]
"DB.S.T" = ["A NUMBER"]
"DB.S.U" = ["A NUMBER"]
[views]
"DB.S.V" = { text = "create view v as select a from DB.S.T", columns = ["A NUMBER"] }
"#;

    fn path(name: &str) -> Path {
        Path::new(["DB", "S", name].map(str::to_owned).to_vec())
    }

    /// Tells why `sql` is not held in the schema `DB.S`, or in none, by a login that has made `own`.
    fn told(sql: &str, is_somewhere: bool, own: &[&str], unseen: &[&str]) -> Option<String> {
        let mut catalogue = Catalogue::described(ACCOUNT).unwrap();
        if is_somewhere {
            let place = ["DB", "S"].map(|name| Some(name.to_owned()));
            [catalogue.database, catalogue.schema] = place;
        }
        let scope = Scope::new(&|_| false).with(&catalogue);
        let statement = Statement::read_all(sql, Count::Any, &scope);
        assert!(statement.meaning().is_some() || !statement.parts().is_empty());
        let context = Context::opened(Current::default());
        let makes = Effect {
            temporary: own.iter().map(|name| path(name)).collect(),
            ..Effect::default()
        };
        let _begun = context.begin(&makes, Kind::Create);
        let unseen = unseen.iter().map(|name| path(name)).collect();
        let effect = Effect::of(&statement);
        let read = (&statement, &effect);
        let untold = Untold::of(read, (&catalogue, &unseen), &context)?;
        Some(match untold {
            Untold::Own(path) => format!("own {path}"),
            Untold::Unsettled(object) => format!("unsettled {object}"),
            Untold::Unseen(path) => format!("unseen {path}"),
            Untold::Redefined => "redefined".to_owned(),
        })
    }

    #[track_caller]
    fn check(sql: &str, own: &[&str], expected: Option<&str>) {
        assert_eq!(told(sql, true, own, &[]).as_deref(), expected, "{sql}");
    }

    #[test]
    fn what_the_login_alone_sees_is_never_held() {
        let deletes = "delete from t where a in (select a from db.s.u)";
        check(deletes, &[], None);
        check(deletes, &["OTHER"], None);
        check(deletes, &["U"], Some("own DB.S.U"));
        check(deletes, &["T"], Some("own DB.S.T"));
        for sql in ["drop table t", "create or replace table t (a number)"] {
            check(sql, &[], None);
            check(sql, &["T"], Some("own DB.S.T"));
        }
        let behind = told("insert into u select a from v", true, &["T"], &["T"]);
        assert_eq!(behind.as_deref(), Some("own DB.S.T"));
    }

    #[test]
    fn what_was_not_looked_up_is_never_held() {
        let inserts = "insert into u select a from v";
        check(inserts, &[], None);
        let unseen = told(inserts, true, &[], &["X"]);
        assert_eq!(unseen.as_deref(), Some("unseen DB.S.X"));
        check(
            "insert into u select a from db.s.x",
            &[],
            Some("unseen DB.S.X"),
        );
        check("insert into u select 1; delete from t", &[], None);
        let redefines = "drop view v; insert into u select a from t";
        check(redefines, &[], Some("redefined"));
        check("drop view v; drop table u", &[], None);
    }

    #[test]
    fn what_may_be_anywhere_is_never_held() {
        let nowhere = |sql: &str| told(sql, false, &[], &[]);
        assert_eq!(nowhere("delete from db.s.t"), None);
        assert_eq!(nowhere("grant role r to user u"), None);
        for sql in ["delete from t", "drop table t"] {
            assert_eq!(
                nowhere(sql).as_deref(),
                Some("unsettled table ?.T"),
                "{sql}"
            );
        }
    }
}
