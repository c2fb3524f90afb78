//! From policy files to a set of policies: everything that is wrong with them, each with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use cedar_policy::{
    ActionConstraint, Effect, EntityUid, Policy, PolicyId, PolicySet, Schema, ValidationError,
    ValidationMode, Validator,
};
use miette::Diagnostic;

use super::masked;
use super::names::{self, Names};
use super::remedy::Remedy;
use super::slice::{Slice, slices};
use super::verb::{VERBS, Verb};
use crate::config::{line_and_column, nearest};
use crate::statement::Use;

/// The world as policies see it.
const SCHEMA: &str = include_str!("icecore.cedarschema");

/// Annotations that a policy may carry.
const ANNOTATIONS: [&str; 6] = ["id", "reason", "instead", "remedy", "flag", "masked_use"];

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
    problems.sort_by(|one, other| (&one.file, one.place).cmp(&(&other.file, other.place)));
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
        schema,
        warnings: problems,
    })
}

/// Policies on their way into a bundle.
struct Loading<'l> {
    names: &'l Names<'l>,
    policies: PolicySet,
    reasons: BTreeMap<PolicyId, String>,
    instead: BTreeMap<PolicyId, String>,
    remedies: BTreeMap<PolicyId, Remedy>,
    flags: BTreeMap<PolicyId, String>,
    masked_uses: BTreeMap<PolicyId, BTreeSet<Use>>,
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
        for stray in names::strays(policy, self.names) {
            self.tell(stray.gravity, source, stray.offset, stray.text);
        }
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            let text = policy.to_string();
            let head = text.lines().next().unwrap_or_default();
            let text = format!("expected `@id(\"…\")` on each policy, found none on `{head}`");
            return self.error(source, at, text);
        };
        for (name, _) in policy.annotations() {
            if !ANNOTATIONS.contains(&name) {
                let text =
                    format!("policy `{id}`: annotation `@{name}` has no effect in this version");
                self.error(source, at, text);
            }
        }
        let cedar_id = PolicyId::new(id);
        for (name, texts) in [
            ("reason", &mut self.reasons),
            ("instead", &mut self.instead),
        ] {
            if let Some(text) = policy.annotation(name) {
                texts.insert(cedar_id.clone(), text.to_owned());
            }
        }
        for name in ["reason", "instead"] {
            if policy.effect() == Effect::Permit && policy.annotation(name).is_some() {
                let text =
                    format!("policy `{id}`: expected `@{name}` on a forbid, found it on a permit");
                self.error(source, at, text);
            }
        }
        self.add_remedy(source, policy, id, at);
        self.add_flag(source, policy, id, at);
        self.add_masked_uses(source, policy, id, at);
        if self.policies.add(policy.new_id(cedar_id.clone())).is_err() {
            let text = format!("policy `{id}`: expected an id of its own, found it twice");
            return self.error(source, at, text);
        }
        self.sources.insert(cedar_id, source);
    }

    fn add_remedy(&mut self, source: &'l Source, policy: &Policy, id: &str, at: Option<usize>) {
        let Some(text) = policy.annotation("remedy") else {
            return;
        };
        let remedy = Remedy::read(text);
        let is_of_columns = is_about(policy, Verb::Project);
        let expected = match &remedy {
            _ if policy.effect() == Effect::Permit => "`@remedy` on a forbid alone",
            Err(expected) => expected,
            Ok(Remedy::Mask(_)) if !is_of_columns => "`mask` on the action `project` alone",
            Ok(Remedy::Mask(_) | Remedy::Hold(_)) => "",
        };
        match remedy {
            Ok(remedy) if expected.is_empty() => {
                self.remedies.insert(PolicyId::new(id), remedy);
            }
            Ok(_) | Err(_) => {
                let text = format!("policy `{id}`: expected {expected}, found `{text}`");
                self.error(source, at, text);
            }
        }
    }

    fn add_masked_uses(
        &mut self,
        source: &'l Source,
        policy: &Policy,
        id: &str,
        at: Option<usize>,
    ) {
        let Some(text) = policy.annotation("masked_use") else {
            return;
        };
        let is_of_uses = policy.effect() == Effect::Permit && is_about(policy, Verb::Filter);
        match masked::read(text).filter(|_| is_of_uses) {
            Some(uses) => {
                self.masked_uses.insert(PolicyId::new(id), uses);
            }
            None => {
                let known = masked::USES.map(Use::name).join(", ");
                let text = format!(
                    "policy `{id}`: expected `@masked_use` on a permit of the action `filter` alone, with names of {known}, found another"
                );
                self.error(source, at, text);
            }
        }
    }

    fn add_flag(&mut self, source: &'l Source, policy: &Policy, id: &str, at: Option<usize>) {
        let Some(text) = policy.annotation("flag") else {
            return;
        };
        if policy.effect() == Effect::Forbid {
            let text = format!("policy `{id}`: expected `@flag` on a permit, found it on a forbid");
            return self.error(source, at, text);
        }
        self.flags
            .insert(PolicyId::new(id), format!("{id}: {text}"));
    }

    /// Checks the policies against the schema.
    fn validate(&mut self, schema: &Schema) {
        let result =
            Validator::new(schema.clone()).validate(&self.policies, ValidationMode::Strict);
        for error in result.validation_errors() {
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
            if !result
                .validation_errors()
                .any(|error| error.policy_id() == id)
            {
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

    fn error(&mut self, source: &Source, offset: Option<usize>, text: String) {
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

/// Tells whether a policy names this action and no other.
fn is_about(policy: &Policy, verb: Verb) -> bool {
    let is_it = |action: &EntityUid| action.id().unescaped() == verb.name();
    match policy.action_constraint() {
        ActionConstraint::Any => false,
        ActionConstraint::In(actions) => actions.iter().all(is_it),
        ActionConstraint::Eq(action) => is_it(&action),
    }
}

/// Finds the byte that a diagnostic is about.
fn offset(told: &impl Diagnostic) -> Option<usize> {
    Some(told.labels()?.next()?.offset())
}

/// Gives a diagnostic's text and its help, in one line.
fn said(told: &(impl Diagnostic + fmt::Display)) -> String {
    let help = told.help().map(|help| format!(" ({help})"));
    format!("{told}{}", help.unwrap_or_default()).replace('\n', " ")
}
