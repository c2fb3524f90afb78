//! A set of Cedar policies that was found good when it was loaded, and its verdicts.

use std::collections::{BTreeMap, HashMap};
use std::sync::{OnceLock, PoisonError, RwLock};

use cedar_policy::{
    Authorizer, Context, Decision, Entities, EntityUid, PolicyId, PolicySet, Request,
    RestrictedExpression, Schema,
};

use super::load::{PolicyProblem, Source, load};
use super::names::{ACTIONS, Names};
use super::{DEFAULT_RULE, ERROR_RULE, Reason};
use crate::identity::Principal;
use crate::statement::{Action, Kind};

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
