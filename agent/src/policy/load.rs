//! From policy files to a set of policies: everything that is wrong with them, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use cedar_policy::{
    Policy, PolicyId, PolicySet, Schema, ValidationError, ValidationMode, Validator,
};
use miette::Diagnostic;

use super::RULES;
use super::annotations;
use super::link;
use super::names::{self, Names};
use super::remedy::Remedy;
use super::slice::{Slice, looks_at_tags, slices, speaks_of};
use super::verb::{VERBS, Verb};
use crate::config::{ResultRows, line_and_column, nearest};
use crate::statement::Use;

/// The world as policies see it.
const SCHEMA: &str = include_str!("icecore.cedarschema");

/// One policy file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, as problems call it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Whether policies with a problem may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// They may not: a permit or a forbid would not do what its author meant.
    Error,
    /// They may, since it can be meant.
    Warning,
}

/// What is wrong with a policy file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyProblem {
    /// Whether the policies may be used all the same.
    pub gravity: Gravity,
    /// The file's name.
    pub file: String,
    /// Line and column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// What was expected and found.
    pub text: String,
}

impl PolicyProblem {
    /// Says it in one line, which tells a warning from what must be mended.
    #[must_use]
    pub fn told(&self) -> String {
        match self.gravity {
            Gravity::Error => self.to_string(),
            Gravity::Warning => format!("warning: {self}"),
        }
    }
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.file)?;
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for PolicyProblem {}

/// Policies that may be used.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) policies: PolicySet,
    pub(super) slices: BTreeMap<Verb, Slice>,
    pub(super) reasons: BTreeMap<PolicyId, String>,
    pub(super) instead: BTreeMap<PolicyId, String>,
    pub(super) remedies: BTreeMap<PolicyId, Remedy>,
    pub(super) flags: BTreeMap<PolicyId, String>,
    pub(super) masked_uses: BTreeMap<PolicyId, BTreeSet<Use>>,
    pub(super) rows: BTreeMap<PolicyId, ResultRows>,
    pub(super) schema: Schema,
    pub(super) warnings: Vec<PolicyProblem>,
}

/// Reads policy files; gives all problems, warnings too, if one of them is an error.
pub(super) fn load(sources: &[Source], names: &Names<'_>) -> Result<Loaded, Vec<PolicyProblem>> {
    let schema = match Schema::from_cedarschema_str(SCHEMA) {
        Ok((schema, _)) => schema,
        Err(error) => {
            return Err(vec![PolicyProblem {
                gravity: Gravity::Error,
                file: "icecore.cedarschema".to_owned(),
                place: None,
                text: error.to_string(),
            }]);
        }
    };
    let mut loading = Loading {
        names,
        policies: PolicySet::new(),
        reasons: BTreeMap::new(),
        instead: BTreeMap::new(),
        remedies: BTreeMap::new(),
        flags: BTreeMap::new(),
        masked_uses: BTreeMap::new(),
        rows: BTreeMap::new(),
        settled: BTreeSet::new(),
        told: BTreeSet::new(),
        sources: BTreeMap::new(),
        problems: Vec::new(),
    };
    for source in sources {
        loading.add_file(source);
    }
    loading.validate(&schema);
    let Loading {
        policies,
        reasons,
        instead,
        remedies,
        flags,
        masked_uses,
        rows,
        mut problems,
        ..
    } = loading;
    let slices = slices(&policies).unwrap_or_else(|text| {
        problems.push(PolicyProblem {
            gravity: Gravity::Error,
            file: "policies".to_owned(),
            place: None,
            text,
        });
        BTreeMap::new()
    });
    let order = |one: &PolicyProblem| (one.file.clone(), one.place, one.text.clone());
    problems.sort_by_cached_key(order);
    problems.dedup();
    if problems.iter().any(|one| one.gravity == Gravity::Error) {
        return Err(problems);
    }
    Ok(Loaded {
        policies,
        slices,
        reasons,
        instead,
        remedies,
        flags,
        masked_uses,
        rows,
        schema,
        warnings: problems,
    })
}

/// Policies on their way into a bundle.
pub(super) struct Loading<'l> {
    pub(super) names: &'l Names<'l>,
    policies: PolicySet,
    pub(super) reasons: BTreeMap<PolicyId, String>,
    pub(super) instead: BTreeMap<PolicyId, String>,
    pub(super) remedies: BTreeMap<PolicyId, Remedy>,
    pub(super) flags: BTreeMap<PolicyId, String>,
    pub(super) masked_uses: BTreeMap<PolicyId, BTreeSet<Use>>,
    pub(super) rows: BTreeMap<PolicyId, ResultRows>,
    /// The policies of which Cedar would only say again what was told.
    settled: BTreeSet<PolicyId>,
    /// The warnings of names that were told: of each once, however many policies have it.
    told: BTreeSet<String>,
    /// The file of each policy.
    sources: BTreeMap<PolicyId, &'l Source>,
    problems: Vec<PolicyProblem>,
}

impl<'l> Loading<'l> {
    fn add_file(&mut self, source: &'l Source) {
        match PolicySet::from_str(&source.text) {
            Ok(set) => {
                if set.templates().next().is_some() {
                    let text = "expected policies, found a template".to_owned();
                    self.error(source, None, text);
                }
                for policy in set.policies() {
                    self.add(source, policy);
                }
            }
            Err(errors) => {
                for error in errors.iter() {
                    self.error(source, offset(error), error.to_string());
                }
            }
        }
    }

    fn add(&mut self, source: &'l Source, policy: &Policy) {
        let at = names::offset_of(policy);
        let called = policy.annotation("id").unwrap_or("without an id");
        let no_principals = names::no_principals(policy);
        let has_no_principal = !no_principals.is_empty();
        for stray in no_principals
            .into_iter()
            .chain(names::strays(policy, self.names))
        {
            let is_told =
                stray.gravity == Gravity::Warning && !self.told.insert(stray.text.clone());
            if !is_told {
                let text = format!("policy `{called}`: {}", stray.text);
                self.tell(stray.gravity, source, stray.offset, text);
            }
        }
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            let text = policy.to_string();
            let head = text.lines().next().unwrap_or_default();
            let text = format!("expected `@id(\"…\")` on each policy, found none on `{head}`");
            return self.error(source, at, text);
        };
        if RULES.contains(&id) {
            let text = format!(
                "policy `{id}`: expected an id of its own, found the name of a rule of Icecore's"
            );
            self.error(source, annotations::offset_of(policy, "id"), text);
        }
        self.add_annotations(source, policy, id);
        if let Some(text) = link::misread(policy) {
            let text = format!("policy `{id}`: {text}");
            self.error(source, names::offset_of(policy), text);
        }
        self.warn_of_tags(source, policy, id);
        let cedar_id = PolicyId::new(id);
        if self.policies.add(policy.new_id(cedar_id.clone())).is_err() {
            let text = format!("policy `{id}`: expected an id of its own, found it twice");
            return self.error(source, annotations::offset_of(policy, "id"), text);
        }
        if has_no_principal {
            self.settled.insert(cedar_id.clone());
        }
        self.sources.insert(cedar_id, source);
    }

    /// Warns of a policy that looks at tags and speaks of nothing that has any here.
    fn warn_of_tags(&mut self, source: &'l Source, policy: &Policy, id: &str) {
        let mut verbs = VERBS.into_iter().filter(|verb| verb.is_of_columns());
        if looks_at_tags(policy) && !verbs.any(|verb| speaks_of(policy, verb)) {
            let text = format!(
                "policy `{id}`: expected an action of columns (`project`, `filter`) where tags are looked at, found \
                 others, and nothing but columns has tags here"
            );
            self.tell(Gravity::Warning, source, names::offset_of(policy), text);
        }
    }

    /// Checks the policies against the schema.
    fn validate(&mut self, schema: &Schema) {
        let result =
            Validator::new(schema.clone()).validate(&self.policies, ValidationMode::Strict);
        for error in result.validation_errors() {
            if self.settled.contains(error.policy_id()) {
                continue;
            }
            let mut text = said(error);
            if matches!(error, ValidationError::UnrecognizedActionId(_)) {
                let known: Vec<&str> = VERBS.into_iter().map(Verb::name).collect();
                // Cedar's own suggestion looks at the whole name, which is nearest to the shortest.
                let told = text.split(" (did you mean").next().unwrap_or_default();
                let typed = told.rsplit("::").next().unwrap_or_default();
                let typed = typed.trim_matches(['`', '"']);
                let hint = nearest(typed, &known)
                    .map(|word| format!(" (did you mean `{word}`?)"))
                    .unwrap_or_default();
                text = format!("{told}{hint}; there are {}", known.join(", "));
            }
            self.of_policy(Gravity::Error, error.policy_id(), offset(error), text);
        }
        for warning in result.validation_warnings() {
            let (id, text) = (warning.policy_id(), said(warning));
            // What makes a policy impossible is told already where it is an error.
            let mut errors = result.validation_errors();
            if !self.settled.contains(id) && !errors.any(|error| error.policy_id() == id) {
                self.of_policy(Gravity::Warning, id, offset(warning), text);
            }
        }
    }

    fn of_policy(&mut self, gravity: Gravity, id: &PolicyId, at: Option<usize>, text: String) {
        match self.sources.get(id).copied() {
            Some(source) => self.tell(gravity, source, at, text),
            None => self.problems.push(PolicyProblem {
                gravity,
                file: "policies".to_owned(),
                place: None,
                text,
            }),
        }
    }

    pub(super) fn error(&mut self, source: &Source, offset: Option<usize>, text: String) {
        self.tell(Gravity::Error, source, offset, text);
    }

    fn tell(&mut self, gravity: Gravity, source: &Source, offset: Option<usize>, text: String) {
        self.problems.push(PolicyProblem {
            gravity,
            file: source.file.clone(),
            place: offset.map(|offset| line_and_column(&source.text, offset)),
            text,
        });
    }
}

/// Finds the byte that a diagnostic is about.
fn offset(told: &impl Diagnostic) -> Option<usize> {
    Some(told.labels()?.next()?.offset())
}

/// Gives a diagnostic's text and its help, in one line; the same of each action, since all have one context.
fn said(told: &(impl Diagnostic + fmt::Display)) -> String {
    let help = told.help().map(|help| format!(" ({help})"));
    let mut text = format!("{told}{}", help.unwrap_or_default()).replace('\n', " ");
    for verb in VERBS {
        let of_action = format!(" in context for Icecore::Action::\"{}\"", verb.name());
        text = text.replace(&of_action, " in context");
    }
    text
}
