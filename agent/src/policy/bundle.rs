//! A set of Cedar policies that was found good when it was loaded, and its verdicts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    Authorizer, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request, Response,
    Schema,
};

use super::context;
use super::load::{PolicyProblem, Source, load};
use super::names::{ACTIONS, Names};
use super::{DEFAULT_RULE, ERROR_RULE, Reason};
use crate::identity::{Identity, Principal};
use crate::statement::{Action, Kind};

/// Most verdicts that are remembered; there is one for each identity, account, action and kind that was asked.
const VERDICTS_MAX: usize = 4096;

/// The rules that allow, or why it is refused.
type Verdict = Result<Vec<String>, Reason>;

/// All that a verdict depends on: identity, account, action and kind. Policies see nothing else.
type Question = (Arc<Identity>, String, Action, Kind);

/// All policies that hold, and the digest of their texts.
#[derive(Debug)]
pub struct Bundle {
    policies: PolicySet,
    reasons: BTreeMap<PolicyId, String>,
    schema: Schema,
    warnings: Vec<PolicyProblem>,
    sha256: [u8; 32],
    // INVARIANT: each is what the policies say; they never change, and no policy can read anything but the question.
    verdicts: RwLock<HashMap<Question, Verdict>>,
}

impl Bundle {
    /// Loads policy files; reports the problems of all of them at once.
    ///
    /// # Errors
    /// Syntax, an unknown entity, action or context member, a name that exists nowhere, a missing or repeated `@id`, an
    /// annotation that has no effect; warnings stand among them.
    pub fn load(sources: &[Source], names: &Names<'_>) -> Result<Self, Vec<PolicyProblem>> {
        let loaded = load(sources, names)?;
        Ok(Self {
            policies: loaded.policies,
            reasons: loaded.reasons,
            schema: loaded.schema,
            warnings: loaded.warnings,
            sha256: digest(sources),
            verdicts: RwLock::default(),
        })
    }

    /// Lists what may not be meant, though the policies can be used.
    #[must_use]
    pub fn warnings(&self) -> &[PolicyProblem] {
        &self.warnings
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
        let identity = principal.identity();
        let question = (Arc::clone(identity), account.to_owned(), action, kind);
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = verdicts.get(&question) {
            return verdict.clone();
        }
        drop(verdicts);
        let asking = Asking::new(self, identity, account);
        let verdict = asking
            .and_then(|asking| asking.judge(action, kind))
            .unwrap_or_else(|error| {
                Err(Reason {
                    rules: vec![ERROR_RULE.to_owned()],
                    text: format!("the policies could not be evaluated: {error}"),
                })
            });
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
}

/// One principal at one account, as Cedar takes them.
struct Asking<'b> {
    bundle: &'b Bundle,
    identity: &'b Identity,
    principal: EntityUid,
    account: EntityUid,
    /// The principal and the groups that it is in.
    entities: Entities,
}

impl<'b> Asking<'b> {
    fn new(bundle: &'b Bundle, identity: &'b Identity, account: &str) -> Result<Self, String> {
        let principal = entity("Principal", &identity.name())?;
        let groups: HashSet<EntityUid> = identity
            .groups()
            .map(|group| entity("Group", &group))
            .collect::<Result<_, _>>()?;
        let mut known: Vec<Entity> = groups.iter().cloned().map(Entity::with_uid).collect();
        known.push(Entity::new_no_attrs(principal.clone(), groups));
        Ok(Self {
            bundle,
            identity,
            principal,
            account: entity("Account", account)?,
            entities: Entities::from_entities(known, Some(&bundle.schema))
                .map_err(|error| error.to_string())?,
        })
    }

    /// Asks all policies; an error in any of them is an error.
    fn ask(&self, action: Action, kind: Kind) -> Result<Response, String> {
        let request = Request::new(
            self.principal.clone(),
            entity("Action", action.name())?,
            self.account.clone(),
            context::context(self.identity, kind)?,
            Some(&self.bundle.schema),
        )
        .map_err(|error| error.to_string())?;
        let policies = &self.bundle.policies;
        let response = Authorizer::new().is_authorized(&request, policies, &self.entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(error.to_string());
        }
        Ok(response)
    }

    fn judge(&self, action: Action, kind: Kind) -> Result<Verdict, String> {
        let response = self.ask(action, kind)?;
        let deciding: Vec<&PolicyId> = response.diagnostics().reason().collect();
        let named = || deciding.iter().map(ToString::to_string).collect();
        Ok(match response.decision() {
            Decision::Allow => Ok(named()),
            Decision::Deny if deciding.is_empty() => Err(Reason {
                rules: vec![DEFAULT_RULE.to_owned()],
                text: format!(
                    "no policy allows `{}` here; allowed: {}",
                    action.name(),
                    self.allowed()
                ),
            }),
            Decision::Deny => {
                let reasons = &self.bundle.reasons;
                let texts: Vec<&str> = deciding
                    .iter()
                    .map(|id| reasons.get(*id).map_or("forbidden", String::as_str))
                    .collect();
                Err(Reason {
                    rules: named(),
                    text: texts.join("; "),
                })
            }
        })
    }

    /// Lists the actions that are allowed, for the text of a refusal.
    fn allowed(&self) -> String {
        let may = |action: &Action| {
            let asked = self.ask(*action, Kind::Query);
            asked.is_ok_and(|response| response.decision() == Decision::Allow)
        };
        let allowed: Vec<&str> = ACTIONS.into_iter().filter(may).map(Action::name).collect();
        if allowed.is_empty() {
            "nothing".to_owned()
        } else {
            allowed.join(", ")
        }
    }
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
