//! A yes that counts, and the one statement that it is for.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::judge::Counted;
use super::request::{Meaning, Request};
use crate::id::ApprovalId;
use crate::policy::Discharged;

/// That enough people said yes to a request; made by [`super::judge`], or of an earlier one by [`super::Grant`], alone.
#[derive(Debug)]
pub struct Approval {
    request: Arc<Request>,
    counted: Vec<Counted>,
    is_break_glass: bool,
    grant_s: Option<u64>,
    granted_by: Option<ApprovalId>,
}

/// What of a statement is another than what people said yes to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// It means something else.
    #[error("{what} was {approved} when it was approved, and is {found} since")]
    Meaning {
        /// In which respect.
        what: &'static str,
        /// What was approved.
        approved: String,
        /// What is there instead.
        found: String,
    },
    /// It is too late.
    #[error("the approval was good until {until}")]
    Late {
        /// Until when it was.
        until: DateTime<Utc>,
    },
}

impl Approval {
    /// Takes the decisions that counted.
    pub(super) fn new(
        request: Arc<Request>,
        counted: Vec<Counted>,
        is_break_glass: bool,
        grant_s: Option<u64>,
    ) -> Self {
        Self {
            request,
            counted,
            is_break_glass,
            grant_s,
            granted_by: None,
        }
    }

    /// Takes the decisions that counted for an earlier request, which cover this one too.
    pub(super) fn granted(request: Arc<Request>, counted: Vec<Counted>, by: ApprovalId) -> Self {
        Self {
            request,
            counted,
            is_break_glass: false,
            grant_s: None,
            granted_by: Some(by),
        }
    }

    /// Names the earlier request whose yes covers this one too.
    #[must_use]
    pub fn granted_by(&self) -> Option<ApprovalId> {
        self.granted_by
    }

    /// Gives the request.
    #[must_use]
    pub fn request(&self) -> &Arc<Request> {
        &self.request
    }

    /// Gives the decisions that counted.
    #[must_use]
    pub fn counted(&self) -> &[Counted] {
        &self.counted
    }

    /// Names who said yes, each as `issuer:subject`.
    #[must_use]
    pub fn by(&self) -> Vec<String> {
        let by: BTreeSet<&String> = self.counted.iter().map(|one| &one.person).collect();
        by.into_iter().cloned().collect()
    }

    /// Tells whether one person said yes alone for emergencies.
    #[must_use]
    pub fn is_break_glass(&self) -> bool {
        self.is_break_glass
    }

    /// Tells for how many seconds statements of the same shape may run too.
    #[must_use]
    pub fn grant_s(&self) -> Option<u64> {
        self.grant_s
    }

    /// Lifts the holds that were asked about, if the statement still means what people said yes to.
    ///
    /// # Errors
    /// It means something else, or it is too late.
    pub fn covers(&self, anew: &Meaning, now: DateTime<Utc>) -> Result<Discharged, Difference> {
        let until = self.request.expires_at;
        if now >= until {
            return Err(Difference::Late { until });
        }
        if let Some(difference) = self.request.meaning.difference(anew) {
            return Err(difference);
        }
        let rules = self.request.asks.iter().map(|ask| ask.rule.clone());
        Ok(Discharged::of_approval(rules))
    }
}

impl Meaning {
    /// Finds what is another in a statement's later meaning; none if nothing is.
    #[must_use]
    pub fn difference(&self, later: &Self) -> Option<Difference> {
        let Self {
            account,
            user,
            role,
            secondary_roles,
            warehouse,
            database,
            schema,
            sql,
            kinds,
            members,
            parameters,
            variables,
            objects,
            columns,
            policies_sha256,
        } = self;
        // Texts and values are the agent's own, and stay out of what it is told.
        let hidden = || "one text".to_owned();
        let told = |what, is_same: bool, approved: String, found: String| {
            (!is_same).then_some(Difference::Meaning {
                what,
                approved,
                found,
            })
        };
        let name = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let other = || "another".to_owned();
        let same = |what, is_same| told(what, is_same, hidden(), other());
        let named = |what, one: &Option<String>, two: &Option<String>| {
            told(what, one == two, name(one), name(two))
        };
        told(
            "the account",
            *account == later.account,
            account.clone(),
            later.account.clone(),
        )
        .or_else(|| {
            told(
                "the user",
                *user == later.user,
                user.clone(),
                later.user.clone(),
            )
        })
        .or_else(|| named("the role", role, &later.role))
        .or_else(|| {
            let (one, two) = (secondary_roles, &later.secondary_roles);
            told(
                "the set of secondary roles",
                one == two,
                one.join(", "),
                two.join(", "),
            )
        })
        .or_else(|| named("the warehouse", warehouse, &later.warehouse))
        .or_else(|| named("the database", database, &later.database))
        .or_else(|| named("the schema", schema, &later.schema))
        .or_else(|| same("the statement", *sql == later.sql))
        .or_else(|| {
            told(
                "its kind",
                *kinds == later.kinds,
                kinds.join(", "),
                later.kinds.join(", "),
            )
        })
        .or_else(|| {
            same(
                "the request's values and parameters",
                *members == later.members,
            )
        })
        .or_else(|| same("the login's parameters", *parameters == later.parameters))
        .or_else(|| same("the session's variables", *variables == later.variables))
        .or_else(|| {
            let (one, two) = (objects, &later.objects);
            let found = two.iter().find(|object| !one.contains(object));
            let lost = one.iter().find(|object| !two.contains(object));
            let path = found
                .or(lost)
                .map_or_else(other, |object| object.path.clone());
            told(
                "what it touches",
                one == two,
                "one set of objects".to_owned(),
                format!("another ({path})"),
            )
        })
        .or_else(|| same("its use of columns", *columns == later.columns))
        .or_else(|| {
            let (one, two) = (policies_sha256, &later.policies_sha256);
            told("the set of policies", one == two, one.clone(), two.clone())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::fixtures::{at, group, meaning, request, rules};

    fn approval() -> Approval {
        let rules = rules([
            ("owners", group(&["okta:ann"], 1)),
            ("security", group(&["okta:ben"], 1)),
        ]);
        let request = request(&rules, "okta:eve", &["owners", "security"]);
        Approval::new(Arc::new(request), Vec::new(), false, None)
    }

    #[test]
    fn what_was_approved_lifts_the_holds_that_were_asked_about_until_its_end() {
        let approval = approval();
        let lifted = approval.covers(&meaning(), at(3599)).unwrap();
        assert!(lifted.rules().eq(["hold-owners", "hold-security"]));
        let late = approval.covers(&meaning(), at(3600)).unwrap_err();
        assert_eq!(late, Difference::Late { until: at(3600) });
    }

    #[test]
    fn any_difference_in_meaning_voids_it_and_no_text_is_told() {
        let some = || Some("OTHER".to_owned());
        let words = || std::collections::BTreeMap::from([("a".to_owned(), "secret".to_owned())]);
        let one = meaning();
        let mut object = one.objects.clone();
        object[0].definition_sha256 = None;
        let all: [(&str, Meaning); 15] = [
            (
                "the account",
                Meaning {
                    account: "X".to_owned(),
                    ..one.clone()
                },
            ),
            (
                "the user",
                Meaning {
                    user: "X".to_owned(),
                    ..one.clone()
                },
            ),
            (
                "the role",
                Meaning {
                    role: some(),
                    ..one.clone()
                },
            ),
            (
                "the set of secondary roles",
                Meaning {
                    secondary_roles: vec!["X".to_owned()],
                    ..one.clone()
                },
            ),
            (
                "the warehouse",
                Meaning {
                    warehouse: None,
                    ..one.clone()
                },
            ),
            (
                "the database",
                Meaning {
                    database: some(),
                    ..one.clone()
                },
            ),
            (
                "the schema",
                Meaning {
                    schema: some(),
                    ..one.clone()
                },
            ),
            (
                "the statement",
                Meaning {
                    sql: "secret".to_owned(),
                    ..one.clone()
                },
            ),
            (
                "its kind",
                Meaning {
                    kinds: Vec::new(),
                    ..one.clone()
                },
            ),
            (
                "the request's values and parameters",
                Meaning {
                    members: words(),
                    ..one.clone()
                },
            ),
            (
                "the login's parameters",
                Meaning {
                    parameters: words(),
                    ..one.clone()
                },
            ),
            (
                "the session's variables",
                Meaning {
                    variables: words(),
                    ..one.clone()
                },
            ),
            (
                "what it touches",
                Meaning {
                    objects: object,
                    ..one.clone()
                },
            ),
            (
                "its use of columns",
                Meaning {
                    columns: Vec::new(),
                    ..one.clone()
                },
            ),
            (
                "the set of policies",
                Meaning {
                    policies_sha256: "cc".to_owned(),
                    ..one.clone()
                },
            ),
        ];
        for (expected, anew) in all {
            let difference = approval().covers(&anew, at(1)).unwrap_err();
            let Difference::Meaning { what, .. } = &difference else {
                panic!("{difference}");
            };
            assert_eq!(*what, expected);
            assert!(!difference.to_string().contains("secret"), "{difference}");
        }
    }
}
