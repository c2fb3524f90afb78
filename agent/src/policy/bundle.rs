//! A set of Cedar policies that was found good when it was loaded, and its verdicts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    Authorizer, Decision, Entities, Entity, EntityUid, PolicyId, PolicySet, Request, Response,
    Schema,
};

use super::ask::{Ask, uid};
use super::context;
use super::load::{PolicyProblem, Source, load};
use super::names::Names;
use super::remedy::Remedy;
use super::slice::Slice;
use super::verb::{VERBS, Verb};
use super::{DEFAULT_RULE, ERROR_RULE, Reason};
use crate::identity::Identity;
use crate::statement::Kind;

/// Most verdicts that are remembered; there is one for each identity, account, kind and question.
const VERDICTS_MAX: usize = 16_384;

/// The rules that allow something, and what they note of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    pub(super) rules: Vec<String>,
    pub(super) flags: Vec<String>,
}

/// The rules that allow, or why it is refused.
type Verdict = Result<Allowed, Reason>;

/// All that a verdict depends on. Policies see nothing else: tags are part of what is asked.
type Question = (Arc<Identity>, String, Kind, Ask);

/// All policies that hold, and the digest of their texts.
#[derive(Debug)]
pub struct Bundle {
    policies: PolicySet,
    slices: BTreeMap<Verb, Slice>,
    reasons: BTreeMap<PolicyId, String>,
    remedies: BTreeMap<PolicyId, Remedy>,
    flags: BTreeMap<PolicyId, String>,
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
            slices: loaded.slices,
            policies: loaded.policies,
            reasons: loaded.reasons,
            remedies: loaded.remedies,
            flags: loaded.flags,
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

    /// Says what the policies say of a question; asked again, it is remembered.
    ///
    /// # Errors
    /// The reason; an error in any policy is one, so that a broken forbid cannot stop forbidding.
    pub(super) fn evaluate(
        &self,
        identity: &Arc<Identity>,
        account: &str,
        kind: Kind,
        ask: &Ask,
    ) -> Verdict {
        let question = (Arc::clone(identity), account.to_owned(), kind, ask.clone());
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = verdicts.get(&question) {
            return verdict.clone();
        }
        drop(verdicts);
        let asking = Asking::new(self, identity, account, kind, ask);
        let verdict = asking
            .and_then(|asking| asking.judge())
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

    /// Tells whether any policy looks at which object or column it is, so that names must be known.
    #[must_use]
    pub fn looks_at_resources(&self) -> bool {
        self.slices.values().any(|slice| slice.looks)
    }

    /// Tells whether any policy looks at tags.
    #[must_use]
    pub fn looks_at_tags(&self) -> bool {
        self.slices.values().any(|slice| slice.looks_at_tags)
    }

    /// Tells whether policies of columns look at which column it is, so that doubt about columns refuses.
    pub(super) fn looks_at_columns(&self) -> bool {
        [Verb::Project, Verb::Filter]
            .iter()
            .any(|verb| self.slices.get(verb).is_none_or(|slice| slice.looks))
    }

    /// Tells whether policies forbid some objects or columns, so that doubt about what code does refuses.
    pub(super) fn forbids_some(&self) -> bool {
        self.slices.values().any(|slice| slice.forbids)
    }
}

/// One question, as Cedar takes it.
struct Asking<'b> {
    bundle: &'b Bundle,
    identity: &'b Identity,
    kind: Kind,
    ask: &'b Ask,
    principal: EntityUid,
    resource: EntityUid,
    /// The principal with its groups, and the resource with all that it is in.
    entities: Entities,
}

impl<'b> Asking<'b> {
    fn new(
        bundle: &'b Bundle,
        identity: &'b Identity,
        account: &str,
        kind: Kind,
        ask: &'b Ask,
    ) -> Result<Self, String> {
        let principal = uid("Principal", &identity.name())?;
        let groups: HashSet<EntityUid> = identity
            .groups()
            .map(|group| uid("Group", &group))
            .collect::<Result<_, _>>()?;
        let mut known: Vec<Entity> = groups.iter().cloned().map(Entity::with_uid).collect();
        known.push(Entity::new_no_attrs(principal.clone(), groups));
        let of_resource = ask.resource.entities(account)?;
        let resource = of_resource.first().map(Entity::uid);
        known.extend(of_resource);
        Ok(Self {
            bundle,
            identity,
            kind,
            ask,
            principal,
            resource: resource.ok_or_else(|| "a question about nothing".to_owned())?,
            entities: Entities::from_entities(known, Some(&bundle.schema))
                .map_err(|error| error.to_string())?,
        })
    }

    /// Asks some policies; an error in any of them is an error.
    fn ask(&self, verb: Verb, policies: &PolicySet) -> Result<Response, String> {
        let request = Request::new(
            self.principal.clone(),
            uid("Action", verb.name())?,
            self.resource.clone(),
            context::context(self.identity, self.kind)?,
            Some(&self.bundle.schema),
        )
        .map_err(|error| error.to_string())?;
        let response = Authorizer::new().is_authorized(&request, policies, &self.entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(error.to_string());
        }
        Ok(response)
    }

    fn slice(&self, verb: Verb) -> Result<&'b Slice, String> {
        let slice = self.bundle.slices.get(&verb);
        slice.ok_or_else(|| format!("no policies were sorted for `{}`", verb.name()))
    }

    fn judge(&self) -> Result<Verdict, String> {
        let slice = self.slice(self.ask.verb)?;
        if let Some(reason) = self.unclear(slice) {
            return Ok(Err(reason));
        }
        let response = self.ask(self.ask.verb, &slice.all)?;
        let deciding: Vec<&PolicyId> = response.diagnostics().reason().collect();
        match response.decision() {
            Decision::Allow => Ok(Ok(self.allowed_by(&deciding))),
            Decision::Deny if deciding.is_empty() => Ok(Err(self.nothing_permits())),
            Decision::Deny => self.forbidden(slice, &deciding).map(Err),
        }
    }

    /// Refuses what policies that look closer cannot be asked about.
    fn unclear(&self, slice: &Slice) -> Option<Reason> {
        let resource = &self.ask.resource;
        let action = self.ask.verb.name();
        let (rule, text) = if slice.looks && resource.is_vague() {
            let text = format!(
                "policies of `{action}` look at what it is, and this is {}; write names with database and schema, and columns by name",
                resource.told()
            );
            ("unsettled", text)
        } else if slice.looks_at_tags && resource.has_unknown_tags() {
            let text = format!(
                "policies of `{action}` look at tags, and those of {} are not known",
                resource.told()
            );
            ("unknown-tags", text)
        } else if slice.forbids && resource.is_opaque() {
            let text = format!(
                "policies forbid `{action}` of some columns, and {} may be one of them by another name: Icecore does not know what it is of",
                resource.told()
            );
            ("unknown-relation", text)
        } else {
            return None;
        };
        Some(Reason {
            rules: vec![rule.to_owned()],
            text,
        })
    }

    fn allowed_by(&self, deciding: &[&PolicyId]) -> Allowed {
        let flagged = deciding
            .iter()
            .filter_map(|id| self.bundle.flags.get(*id).cloned());
        Allowed {
            rules: deciding.iter().map(ToString::to_string).collect(),
            flags: flagged.collect(),
        }
    }

    fn nothing_permits(&self) -> Reason {
        Reason {
            rules: vec![DEFAULT_RULE.to_owned()],
            text: format!(
                "no policy allows `{}` of {}; allowed there: {}",
                self.ask.verb.name(),
                self.ask.resource.told(),
                self.allowed()
            ),
        }
    }

    /// Reads a denial: a forbid without a remedy refuses; so does one with, if nothing permits what it forbids.
    fn forbidden(&self, slice: &Slice, deciding: &[&PolicyId]) -> Result<Reason, String> {
        let bundle = self.bundle;
        let remedies: Option<Vec<&Remedy>> =
            deciding.iter().map(|id| bundle.remedies.get(*id)).collect();
        let permitted = self.ask(self.ask.verb, &slice.permits)?;
        if remedies.is_some() && permitted.decision() == Decision::Deny {
            return Ok(self.nothing_permits());
        }
        let texts: Vec<String> = deciding
            .iter()
            .map(|id| {
                let reason = bundle.reasons.get(*id).map_or("forbidden", String::as_str);
                match (&remedies, bundle.remedies.get(*id)) {
                    (Some(_), Some(Remedy::Mask(_))) if self.ask.is_stored => {
                        format!("{reason}: a masked column goes into results alone, not into tables, files or variables")
                    }
                    (Some(_), Some(remedy)) => format!("{reason}: {remedy}"),
                    (_, _) => reason.to_owned(),
                }
            })
            .collect();
        Ok(Reason {
            rules: deciding.iter().map(ToString::to_string).collect(),
            text: format!("{} ({})", texts.join("; "), self.ask.resource.told()),
        })
    }

    /// Lists the actions that are allowed of the same resource, for the text of a refusal.
    fn allowed(&self) -> String {
        let is_column = matches!(self.ask.verb, Verb::Project | Verb::Filter);
        let may = |verb: &Verb| {
            let same = is_column == matches!(verb, Verb::Project | Verb::Filter);
            let asked = self
                .slice(*verb)
                .and_then(|slice| self.ask(*verb, &slice.all));
            same && asked.is_ok_and(|response| response.decision() == Decision::Allow)
        };
        let allowed: Vec<&str> = VERBS.into_iter().filter(may).map(Verb::name).collect();
        if allowed.is_empty() {
            "nothing".to_owned()
        } else {
            allowed.join(", ")
        }
    }
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
