//! A set of Cedar policies, checked against the schema when it is loaded.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;
use std::sync::{OnceLock, PoisonError, RwLock};

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, EntityUid, Policy, PolicyId, PolicySet,
    Request, RestrictedExpression, Schema, ValidationMode, Validator,
};

use super::{DEFAULT_RULE, ERROR_RULE, Reason};
use crate::identity::Principal;
use crate::statement::{Action, Kind};

/// The world as policies see it.
const SCHEMA: &str = include_str!("icecore.cedarschema");

/// Annotations that a policy may carry. `@remedy` and `@flag` are refused until their stages act on them.
const ANNOTATIONS: [&str; 2] = ["id", "reason"];

/// Every action that a policy can allow, in the order in which refusals list them.
const ACTIONS: [Action; 13] = [
    Action::Read,
    Action::Session,
    Action::Write,
    Action::Create,
    Action::Alter,
    Action::Drop,
    Action::Grant,
    Action::Call,
    Action::CopyIn,
    Action::Unload,
    Action::Put,
    Action::UseRole,
    Action::UseWarehouse,
];

/// One policy file's name and text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file's name, as problems call it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What is wrong with a policy file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {text}")]
pub struct PolicyProblem {
    /// The file's name.
    pub file: String,
    /// What was expected and found.
    pub text: String,
}

/// Most verdicts that are remembered; there is one for each user, account, action and kind that was asked.
const VERDICTS_MAX: usize = 4096;

/// The rules that allow, or why it is refused.
type Verdict = Result<Vec<String>, Reason>;

/// All that a verdict depends on: user, account, action and kind. Policies see nothing else.
type Question = (String, String, Action, Kind);

/// All policies that hold, and the digest of their texts.
#[derive(Debug)]
pub struct Bundle {
    policies: PolicySet,
    reasons: BTreeMap<PolicyId, String>,
    schema: Schema,
    sha256: [u8; 32],
    // INVARIANT: each is what the policies say; they never change, and no policy can read anything but the question.
    verdicts: RwLock<HashMap<Question, Verdict>>,
}

impl Bundle {
    /// Loads policy files; reports the problems of all of them at once.
    ///
    /// # Errors
    /// Syntax, an unknown entity, action or context member, a missing or repeated `@id`, an annotation that has no
    /// effect.
    pub fn load(sources: &[Source]) -> Result<Self, Vec<PolicyProblem>> {
        let problem = |file: &str, text: String| PolicyProblem {
            file: file.to_owned(),
            text,
        };
        let schema = match Schema::from_cedarschema_str(SCHEMA) {
            Ok((schema, _)) => schema,
            Err(error) => return Err(vec![problem("icecore.cedarschema", error.to_string())]),
        };
        let mut loading = Loading {
            policies: PolicySet::new(),
            reasons: BTreeMap::new(),
            files: BTreeMap::new(),
            problems: Vec::new(),
        };
        for source in sources {
            loading.add_file(source);
        }
        let Loading {
            policies,
            reasons,
            files,
            mut problems,
        } = loading;
        let validation = Validator::new(schema.clone()).validate(&policies, ValidationMode::Strict);
        problems.extend(validation.validation_errors().map(|error| {
            let file = files.get(error.policy_id());
            problem(file.map_or("policies", String::as_str), error.to_string())
        }));
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            policies,
            reasons,
            schema,
            sha256: digest(sources),
            verdicts: RwLock::default(),
        })
    }

    /// Gives the digest of all files' names and texts.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    /// Counts the policies.
    #[must_use]
    pub fn len(&self) -> usize {
        self.policies.policies().count()
    }

    /// Tells whether there is no policy, so that everything is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }

    /// Names the rules that allow an action, or says why it is refused; asked again, it is remembered.
    ///
    /// # Errors
    /// The reason; an error in any policy is one, so that a broken forbid cannot stop forbidding.
    pub(super) fn evaluate(
        &self,
        principal: &Principal,
        account: &str,
        action: Action,
        kind: Kind,
    ) -> Verdict {
        let question = (
            principal.user().to_owned(),
            account.to_owned(),
            action,
            kind,
        );
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = verdicts.get(&question) {
            return verdict.clone();
        }
        drop(verdicts);
        let verdict = self.evaluate_anew(principal, account, action, kind);
        let mut verdicts = self
            .verdicts
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        verdicts.insert(question, verdict.clone());
        verdict
    }

    fn evaluate_anew(
        &self,
        principal: &Principal,
        account: &str,
        action: Action,
        kind: Kind,
    ) -> Verdict {
        let failed = |error: String| Reason {
            rules: vec![ERROR_RULE.to_owned()],
            text: format!("the policies could not be evaluated: {error}"),
        };
        let request = self
            .request(principal, account, action, kind)
            .map_err(failed)?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, no_entities());
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(failed(error.to_string()));
        }
        let deciding: Vec<&PolicyId> = response.diagnostics().reason().collect();
        match response.decision() {
            Decision::Allow => Ok(deciding.iter().map(ToString::to_string).collect()),
            Decision::Deny if deciding.is_empty() => Err(Reason {
                rules: vec![DEFAULT_RULE.to_owned()],
                text: format!(
                    "no policy allows `{}` here; allowed: {}",
                    action.name(),
                    self.allowed(principal, account)
                ),
            }),
            Decision::Deny => {
                let texts: Vec<&str> = deciding
                    .iter()
                    .map(|id| self.reasons.get(*id).map_or("forbidden", String::as_str))
                    .collect();
                Err(Reason {
                    rules: deciding.iter().map(ToString::to_string).collect(),
                    text: texts.join("; "),
                })
            }
        }
    }

    /// Lists the actions that a principal may do, for the text of a refusal.
    fn allowed(&self, principal: &Principal, account: &str) -> String {
        let allowed: Vec<&str> = ACTIONS
            .into_iter()
            .filter(|action| {
                self.request(principal, account, *action, Kind::Query)
                    .is_ok_and(|request| {
                        let response = Authorizer::new().is_authorized(
                            &request,
                            &self.policies,
                            no_entities(),
                        );
                        response.decision() == Decision::Allow
                            && response.diagnostics().errors().next().is_none()
                    })
            })
            .map(Action::name)
            .collect();
        if allowed.is_empty() {
            "nothing".to_owned()
        } else {
            allowed.join(", ")
        }
    }

    fn request(
        &self,
        principal: &Principal,
        account: &str,
        action: Action,
        kind: Kind,
    ) -> Result<Request, String> {
        let context = Context::from_pairs([(
            "kind".to_owned(),
            RestrictedExpression::new_string(kind.name().to_owned()),
        )])
        .map_err(|error| error.to_string())?;
        Request::new(
            entity("Principal", principal.user())?,
            entity("Action", action.name())?,
            entity("Account", account)?,
            context,
            Some(&self.schema),
        )
        .map_err(|error| error.to_string())
    }
}

fn no_entities() -> &'static Entities {
    static NONE: OnceLock<Entities> = OnceLock::new();
    NONE.get_or_init(Entities::empty)
}

fn entity(kind: &str, id: &str) -> Result<EntityUid, String> {
    let name = format!("Icecore::{kind}")
        .parse()
        .map_err(|error| format!("{error}"))?;
    Ok(EntityUid::from_type_name_and_id(
        name,
        cedar_policy::EntityId::new(id),
    ))
}

/// Policies on their way into a bundle.
struct Loading {
    policies: PolicySet,
    reasons: BTreeMap<PolicyId, String>,
    /// The file of each policy.
    files: BTreeMap<PolicyId, String>,
    problems: Vec<PolicyProblem>,
}

impl Loading {
    fn add_file(&mut self, source: &Source) {
        match PolicySet::from_str(&source.text) {
            Ok(set) => {
                if set.templates().next().is_some() {
                    self.problem(source, "expected policies, found a template".to_owned());
                }
                for policy in set.policies() {
                    self.add(source, policy);
                }
            }
            Err(errors) => {
                for error in errors.iter() {
                    let place = place(&source.text, error);
                    self.problem(source, format!("{place}{error}"));
                }
            }
        }
    }

    fn add(&mut self, source: &Source, policy: &Policy) {
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            let text = policy.to_string();
            let head = text.lines().next().unwrap_or_default().to_owned();
            return self.problem(
                source,
                format!("expected `@id(\"…\")` on each policy, found none on `{head}`"),
            );
        };
        for (name, _) in policy.annotations() {
            if !ANNOTATIONS.contains(&name) {
                self.problem(
                    source,
                    format!("policy `{id}`: annotation `@{name}` has no effect in this version"),
                );
            }
        }
        let reason = policy.annotation("reason").map(str::to_owned);
        if reason.is_some() && policy.effect() == Effect::Permit {
            self.problem(
                source,
                format!("policy `{id}`: expected `@reason` on a forbid, found it on a permit"),
            );
        }
        let id = PolicyId::new(id);
        if let Some(reason) = reason {
            self.reasons.insert(id.clone(), reason);
        }
        self.files
            .entry(id.clone())
            .or_insert_with(|| source.file.clone());
        if self.policies.add(policy.new_id(id.clone())).is_err() {
            self.problem(
                source,
                format!("policy `{id}`: expected an id of its own, found it twice"),
            );
        }
    }

    fn problem(&mut self, source: &Source, text: String) {
        self.problems.push(PolicyProblem {
            file: source.file.clone(),
            text,
        });
    }
}

/// Says where a syntax error stands.
fn place(text: &str, error: &cedar_policy::ParseError) -> String {
    let Some(offset) = offset(error) else {
        return String::new();
    };
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    format!("line {line}: ")
}

/// Finds the byte at which the parser stopped.
fn offset(error: &cedar_policy::ParseError) -> Option<usize> {
    use miette::Diagnostic;
    Some(error.labels()?.next()?.offset())
}

/// SHA-256 over each file's name and text, each led by its length.
fn digest(sources: &[Source]) -> [u8; 32] {
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    for part in sources
        .iter()
        .flat_map(|source| [&source.file, &source.text])
    {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(context.finish().as_ref());
    sha256
}
