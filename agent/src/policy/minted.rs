//! Credentials that Snowflake mints: hidden in what is answered, and refused elsewhere. No policy lifts that, nor does
//! `observe` (invariant 6).

use std::collections::BTreeMap;

use super::plan::{ColumnMask, ColumnPath, Plan, plan};
use super::transform::Transform;
use super::{MINTED_RULE, Reason};
use crate::statement::{Column, Meaning, Output, Path, Statement, Use};

/// What an agent reads in the place of a credential.
const TEXT: &str = "withheld by Icecore: a credential";

impl Transform {
    /// Gives what is made of a credential.
    #[must_use]
    pub fn of_minted() -> Self {
        Self::Fixed(TEXT.to_owned())
    }
}

/// Checks that each credential ends in a column of the statement's own result, where it can be hidden.
///
/// # Errors
/// One goes elsewhere, or nobody can tell in which column it is.
pub(super) fn check(meaning: &Meaning) -> Result<(), Reason> {
    for found in meaning.minted() {
        if found.how != Use::Project {
            let how = found.how.name();
            return Err(refused(
                &found.column,
                &format!("it does not end in the statement's own result as it is ({how})"),
            ));
        }
        let is_told = match meaning.output() {
            Output::Known(columns) => columns
                .iter()
                .any(|column| column.from.contains(&found.column)),
            Output::Unknown(_) => false,
        };
        if !is_told {
            return Err(refused(
                &found.column,
                "nobody can tell in which column of the result it is",
            ));
        }
    }
    Ok(())
}

/// Lists what gives the credentials, as the columns that are hidden.
pub(super) fn masks(meaning: &Meaning) -> impl Iterator<Item = (ColumnPath, ColumnMask)> {
    meaning.minted().iter().map(|found| {
        let mask = ColumnMask {
            transform: Transform::of_minted(),
            rules: vec![MINTED_RULE.to_owned()],
        };
        ((Path::default(), named(&found.column)), mask)
    })
}

fn named(column: &Column) -> String {
    column.object.path().names().join(".")
}

fn refused(column: &Column, why: &str) -> Reason {
    Reason {
        rules: vec![MINTED_RULE.to_owned()],
        text: format!(
            "{} gives a credential, and {why}; no policy can allow that",
            named(column)
        ),
    }
}

/// Plans what is hidden of a statement's result whatever policies say, or of those of several in one text.
///
/// # Errors
/// A credential would leave by another way; also where a text that could not be read names one.
pub(super) fn plans(statement: &Statement) -> Result<Vec<Plan>, Reason> {
    let parts = match statement.parts() {
        [] => std::slice::from_ref(statement),
        parts => parts,
    };
    let plan_of = |part: &Statement| {
        match part.meaning() {
        Some(meaning) => plan(meaning, &BTreeMap::new(), false),
        None if part.may_mint() => Err(Reason {
            rules: vec![MINTED_RULE.to_owned()],
            text: "the statement cannot be read, and names what gives a credential; no policy can allow that"
                .to_owned(),
        }),
        None => Ok(Plan::Open),
    }
    };
    parts.iter().map(plan_of).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::bundle;
    use super::super::{Bundle, Decision, Permit, Usage, decide};
    use super::*;
    use crate::config::Mode;
    use crate::identity::Principal;
    use crate::snowflake::count::Count;
    use crate::snowflake::route::QueryId;
    use crate::statement::{Catalogue, Origins, Scope};

    fn anything() -> Bundle {
        bundle("@id(\"anything\") permit (principal, action, resource);")
    }

    fn decided(mode: Mode, sql: &str) -> Result<Permit, Vec<String>> {
        let recall = |_: QueryId| Some(Arc::new(Origins::minted()));
        let scope = Scope::new(&|_| true).recalling(&recall);
        let statement = Statement::read_all(sql, Count::Any, &scope);
        let decision = decide(
            &anything(),
            mode,
            &Principal::host_user("ci".to_owned(), 1001),
            "ACME",
            &Catalogue::default(),
            &Usage::unread(chrono::DateTime::UNIX_EPOCH),
            statement,
        );
        match decision {
            Decision::Allow(permit) => Ok(permit),
            Decision::Forbid(refusal) => Err(refusal.reason().rules().to_vec()),
            Decision::Hold(held) => panic!("{:?}", held.holds()),
        }
    }

    #[test]
    fn an_address_is_hidden_where_it_ends_in_the_result_in_both_modes() {
        for mode in [Mode::Enforce, Mode::Observe] {
            let permit = decided(mode, "select get_presigned_url(@s, 'f') as u, 1 as n").unwrap();
            let [Plan::Columns(columns)] = permit.plans() else {
                panic!("{:?}", permit.plans());
            };
            let masks: Vec<_> = columns.iter().map(|column| column.mask.clone()).collect();
            assert_eq!(masks, [Some(Transform::of_minted()), None], "{mode:?}");
            let twin = decided(mode, "select get_stage_location(@s) as u").unwrap();
            assert!(twin.plans().iter().all(Plan::is_open));
        }
        let permit = decided(Mode::Enforce, "select build_scoped_file_url(@s, 'f') u").unwrap();
        let masks: Vec<String> = permit.masks().flat_map(BTreeMap::into_keys).collect();
        assert_eq!(masks, ["BUILD_SCOPED_FILE_URL"]);
    }

    #[test]
    fn what_would_get_out_otherwise_is_refused_in_both_modes_whatever_is_permitted() {
        for sql in [
            "create table x as select get_presigned_url(@s, 'f') u",
            "set v = build_scoped_file_url(@s, 'f')",
            "select length(get_presigned_url(@s, 'f'))",
            "select 1 where get_presigned_url(@s, 'f') like 'https://b%'",
            "select distinct get_presigned_url(@s, 'f')",
            "select t.*, get_presigned_url(@s, 'f') from t",
            "call p(get_presigned_url(@s, 'f'))",
            "execute immediate 'select get_presigned_url(@s, ''f'')'",
            "begin return get_presigned_url(@s, 'f'); end",
            "explain select get_presigned_url(@s, 'f')",
            "select 1; select upper(get_presigned_url(@s, 'f'))",
            "alter user u add pat t",
            "select system$generate_scim_access_token('i')",
            "get_presigned_url(",
            "select * from table(result_scan('01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11'))",
        ] {
            for mode in [Mode::Enforce, Mode::Observe] {
                let refused = decided(mode, sql).map(|permit| permit.plans().to_vec());
                assert_eq!(
                    refused,
                    Err(vec![MINTED_RULE.to_owned()]),
                    "{mode:?}: {sql}"
                );
            }
        }
    }
}
