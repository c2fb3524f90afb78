//! The questions of one statement, put to the policies.
//!
//! What steady policies say of a question is kept; volatile ones are asked each time. A denial is read from all that are
//! satisfied of both.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Entities, Entity, EntityUid, PolicyId, PolicySet, Request, Schema,
};

use super::ask::{Ask, uid};
use super::bundle::{Allowed, Bundle, Verdict};
use super::held::Hold;
use super::plan::ColumnMask;
use super::remedy::Remedy;
use super::slice::{Sides, Slice};
use super::transform::Transform;
use super::usage::{Taken, Usage};
use super::verb::{VERBS, Verb};
use super::verdicts::{Answers, Satisfied};
use super::{
    DEFAULT_RULE, ERROR_RULE, RELATION_RULE, Reason, TAGS_RULE, UNKNOWN_USE_RULE, UNSETTLED_RULE,
    context,
};
use crate::identity::Identity;
use crate::statement::Kind;

/// Who asks about what one statement does.
pub(super) struct Asking<'a> {
    bundle: &'a Bundle,
    identity: &'a Arc<Identity>,
    account: &'a str,
    kind: Kind,
    usage: &'a Usage<'a>,
    taken: &'a Taken,
    kept: Arc<Answers>,
    /// The principal, and it with its groups.
    principal: OnceCell<Result<(EntityUid, Vec<Entity>), String>>,
    /// What steady policies see beside the question.
    steady: OnceCell<Result<Context, String>>,
    /// What volatile policies see beside it.
    whole: OnceCell<Result<Context, String>>,
    /// What volatile policies that do not look at the resource say: the same of each question of one action.
    said: RefCell<BTreeMap<Verb, Satisfied>>,
}

impl<'a> Asking<'a> {
    /// Begins to ask; `taken` is what the statement's text takes as far as it was looked at.
    pub(super) fn new(
        bundle: &'a Bundle,
        (identity, account, kind): (&'a Arc<Identity>, &'a str, Kind),
        usage: &'a Usage<'a>,
        taken: &'a Taken,
    ) -> Self {
        Self {
            bundle,
            identity,
            account,
            kind,
            usage,
            taken,
            kept: bundle.verdicts.of(identity, account, kind),
            principal: OnceCell::new(),
            steady: OnceCell::new(),
            whole: OnceCell::new(),
            said: RefCell::default(),
        }
    }

    /// Says what the policies say of a question.
    ///
    /// # Errors
    /// The reason; an error in any policy is one, so that a broken forbid cannot stop forbidding.
    pub(super) fn judge(&self, ask: &Ask) -> Verdict {
        let slice = self.slice(ask.verb)?;
        let kept = self.kept.to(ask, || self.steady(slice, ask));
        let satisfied = self.left(self.join(slice, ask, &kept)?);
        match (satisfied.forbids.is_empty(), satisfied.permits.is_empty()) {
            (true, true) => Err(self.nothing_permits(ask)),
            (true, false) => Ok(self.allowed_by(&satisfied)),
            (false, false) => self
                .remedied(ask, &satisfied)
                .ok_or_else(|| self.forbidden(ask, &satisfied)),
            (false, true) => Err(self.forbidden(ask, &satisfied)),
        }
    }

    /// Tells what has to be done, if all that forbids says so: masks are for columns in the statement's own result alone.
    fn remedied(&self, ask: &Ask, satisfied: &Satisfied) -> Option<Allowed> {
        let (mut transforms, mut masking) = (Vec::<&Transform>::new(), Vec::new());
        let mut holds = BTreeSet::new();
        for id in &satisfied.forbids {
            match self.bundle.remedies.get(id)? {
                Remedy::Mask(transform) => {
                    transforms.push(transform);
                    masking.push(id.to_string());
                }
                Remedy::Hold(group) => {
                    holds.insert(Hold {
                        rule: id.to_string(),
                        group: group.clone(),
                        reason: self.bundle.reasons.get(id).cloned(),
                        in_transaction: self.bundle.holds_in_transaction(id),
                    });
                }
            }
        }
        if !transforms.is_empty() && (ask.is_stored || ask.resource.column().is_none()) {
            return None;
        }
        Some(Allowed {
            mask: Transform::join(transforms).map(|transform| ColumnMask {
                transform,
                rules: masking,
            }),
            holds,
            ..self.allowed_by(satisfied)
        })
    }

    /// Takes away the forbids that hold and that people lifted.
    fn left<'k>(&self, mut satisfied: Cow<'k, Satisfied>) -> Cow<'k, Satisfied> {
        let Some(discharged) = self.usage.discharged else {
            return satisfied;
        };
        let is_lifted = |id: &PolicyId| {
            let holds = matches!(self.bundle.remedies.get(id), Some(Remedy::Hold(_)));
            holds && discharged.lifts(id.as_ref())
        };
        if satisfied.forbids.iter().any(is_lifted) {
            satisfied.to_mut().forbids.retain(|id| !is_lifted(id));
        }
        satisfied
    }

    /// Lists the policies that a question satisfies.
    ///
    /// # Errors
    /// The reason why nobody can tell.
    pub(super) fn satisfied(&self, ask: &Ask) -> Result<Satisfied, Reason> {
        let slice = self.slice(ask.verb)?;
        let kept = self.kept.to(ask, || self.steady(slice, ask));
        let satisfied = self.left(self.join(slice, ask, &kept)?);
        Ok(satisfied.into_owned())
    }

    /// Gives the policies.
    pub(super) fn bundle(&self) -> &Bundle {
        self.bundle
    }

    fn slice(&self, verb: Verb) -> Result<&'a Slice, Reason> {
        let slice = self.bundle.slices.get(&verb);
        slice.ok_or_else(|| failed(&format!("no policies were sorted for `{}`", verb.name())))
    }

    /// Asks the steady policies, unless what they look at is not known.
    fn steady(&self, slice: &Slice, ask: &Ask) -> Result<Satisfied, Reason> {
        if let Some(reason) = unclear(slice, ask) {
            return Err(reason);
        }
        let context = || context::steady(self.identity, self.kind);
        let context = self.steady.get_or_init(context);
        self.ask(&slice.steady, ask, context, None)
    }

    /// Adds what volatile policies say to what is kept.
    fn join<'k>(
        &self,
        slice: &Slice,
        ask: &Ask,
        kept: &'k Result<Satisfied, Reason>,
    ) -> Result<Cow<'k, Satisfied>, Reason> {
        let kept = kept.as_ref().map_err(Clone::clone)?;
        if !slice.reads.is_volatile() {
            return Ok(Cow::Borrowed(kept));
        }
        if let Some(why) = self.usage.unknown().filter(|_| slice.reads.used) {
            return Err(Reason {
                rules: vec![UNKNOWN_USE_RULE.to_owned()],
                text: format!(
                    "policies of `{}` look at what was used before, and that is not known: {why}",
                    ask.verb.name()
                ),
            });
        }
        if slice.reads.found && self.usage.found.is_none() {
            return Err(failed(
                "what the text holds was not looked for, a bug of Icecore's own",
            ));
        }
        if let Some(said) = self.said.borrow().get(&ask.verb) {
            return Ok(Cow::Owned(kept.and(said)));
        }
        let context = || context::whole(self.identity, self.kind, self.usage, self.taken);
        let context = self.whole.get_or_init(context);
        let schema = Some(&self.bundle.schema);
        let said = self.ask(&slice.volatile, ask, context, schema)?;
        let all = kept.and(&said);
        if !slice.volatile_looks {
            self.said.borrow_mut().insert(ask.verb, said);
        }
        Ok(Cow::Owned(all))
    }

    /// Lists the policies that are satisfied; an error in any of them is an error.
    fn ask(
        &self,
        policies: &Sides,
        ask: &Ask,
        context: &Result<Context, String>,
        schema: Option<&Schema>,
    ) -> Result<Satisfied, Reason> {
        let request = || {
            let (principal, resource, entities) = self.entities(ask)?;
            let action = uid("Action", ask.verb.name())?;
            let request = Request::new(principal, action, resource, context.clone()?, schema);
            Ok((request.map_err(|error| error.to_string())?, entities))
        };
        let (request, entities) = request().map_err(|error: String| failed(&error))?;
        let satisfied = |policies: &PolicySet| {
            let response = Authorizer::new().is_authorized(&request, policies, &entities);
            let diagnostics = response.diagnostics();
            match diagnostics.errors().next() {
                Some(error) => Err(failed(&error.to_string())),
                None => Ok(diagnostics.reason().cloned().collect()),
            }
        };
        Ok(Satisfied {
            permits: satisfied(&policies.permits)?,
            forbids: satisfied(&policies.forbids)?,
        })
    }

    /// Gives the principal, the resource, and both with all that they are in.
    fn entities(&self, ask: &Ask) -> Result<(EntityUid, EntityUid, Entities), String> {
        let principal = self.principal.get_or_init(|| principal(self.identity));
        let (principal, mut known) = principal.clone()?;
        let of_resource = ask.resource.entities(self.account)?;
        let resource = of_resource.first().map(Entity::uid);
        known.extend(of_resource);
        let entities = Entities::from_entities(known, Some(&self.bundle.schema))
            .map_err(|error| error.to_string())?;
        let resource = resource.ok_or_else(|| "a question about nothing".to_owned())?;
        Ok((principal, resource, entities))
    }

    fn allowed_by(&self, satisfied: &Satisfied) -> Allowed {
        let permits = &satisfied.permits;
        let flags = permits.iter().filter_map(|id| self.bundle.flags.get(id));
        Allowed {
            rules: permits.iter().map(ToString::to_string).collect(),
            flags: flags.cloned().collect(),
            mask: None,
            holds: BTreeSet::new(),
            rows: permits
                .iter()
                .filter_map(|id| self.bundle.rows.get(id))
                .max()
                .copied(),
        }
    }

    fn nothing_permits(&self, ask: &Ask) -> Reason {
        Reason {
            rules: vec![DEFAULT_RULE.to_owned()],
            text: format!(
                "no policy allows `{}` of {}; allowed there: {}",
                ask.verb.name(),
                ask.resource.told(),
                self.allowed(ask)
            ),
        }
    }

    /// Reads a denial: a forbid without a remedy refuses; so does one with, if nothing permits what it forbids.
    fn forbidden(&self, ask: &Ask, satisfied: &Satisfied) -> Reason {
        let bundle = self.bundle;
        let forbids = &satisfied.forbids;
        let has_remedies = forbids.iter().all(|id| bundle.remedies.contains_key(id));
        if has_remedies && satisfied.permits.is_empty() {
            return self.nothing_permits(ask);
        }
        let told = |id: &PolicyId| {
            let reason = bundle.reasons.get(id).map_or("forbidden", String::as_str);
            match bundle.remedies.get(id).filter(|_| has_remedies) {
                Some(Remedy::Mask(_)) if ask.is_stored => format!(
                    "{reason}: a masked column goes into results alone, not into tables, files or variables"
                ),
                Some(remedy) => format!("{reason}: {remedy}"),
                None => reason.to_owned(),
            }
        };
        let texts: Vec<String> = forbids.iter().map(told).collect();
        let instead = bundle.instead_of(forbids);
        let what = ask.resource.told();
        Reason {
            rules: forbids.iter().map(ToString::to_string).collect(),
            text: format!("{} ({what}){instead}", texts.join("; ")),
        }
    }

    /// Lists the actions that are allowed of the same resource, for the text of a refusal.
    fn allowed(&self, ask: &Ask) -> String {
        let may = |verb: &Verb| {
            let ask = Ask {
                verb: *verb,
                ..ask.clone()
            };
            self.satisfied(&ask)
                .is_ok_and(|said| said.forbids.is_empty() && !said.permits.is_empty())
        };
        let alike = VERBS
            .into_iter()
            .filter(|verb| verb.is_of_columns() == ask.verb.is_of_columns());
        let allowed: Vec<&str> = alike.filter(may).map(Verb::name).collect();
        if allowed.is_empty() {
            "nothing".to_owned()
        } else {
            allowed.join(", ")
        }
    }
}

/// Gives the principal, and it with its groups.
fn principal(identity: &Identity) -> Result<(EntityUid, Vec<Entity>), String> {
    let principal = uid("Principal", &identity.name())?;
    let groups: HashSet<EntityUid> = identity
        .groups()
        .map(|group| uid("Group", &group))
        .collect::<Result<_, _>>()?;
    let mut known: Vec<Entity> = groups.iter().cloned().map(Entity::with_uid).collect();
    known.push(Entity::new_no_attrs(principal.clone(), groups));
    Ok((principal, known))
}

/// Refuses what policies that look closer cannot be asked about.
fn unclear(slice: &Slice, ask: &Ask) -> Option<Reason> {
    let resource = &ask.resource;
    let action = ask.verb.name();
    let (rule, text) = if slice.looks && resource.is_vague() {
        let text = format!(
            "policies of `{action}` look at what it is, and this is {}; write names with database and schema, and columns by name",
            resource.told()
        );
        (UNSETTLED_RULE, text)
    } else if slice.looks_at_tags && resource.has_unknown_tags() {
        let text = format!(
            "policies of `{action}` look at tags, and those of {} are not known",
            resource.told()
        );
        (TAGS_RULE, text)
    } else if slice.forbids && resource.is_opaque() {
        let text = format!(
            "policies forbid `{action}` of some columns, and {} may be one of them by another name: Icecore does not know what it is of",
            resource.told()
        );
        (RELATION_RULE, text)
    } else {
        return None;
    };
    Some(Reason {
        rules: vec![rule.to_owned()],
        text,
    })
}

/// Refuses since the policies could not be asked.
fn failed(error: &str) -> Reason {
    Reason {
        rules: vec![ERROR_RULE.to_owned()],
        text: format!("the policies could not be evaluated: {error}"),
    }
}
