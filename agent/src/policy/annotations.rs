//! What policies say beside their conditions, in annotations.

use cedar_policy::{Effect, Policy, PolicyId};
use cedar_policy_core::ast::Policy as Tree;

use super::entropy;
use super::load::{Loading, Source};
use super::masked;
use super::names::{self, guess};
use super::remedy::Remedy;
use super::slice::speaks_only_of;
use super::verb::Verb;
use crate::config::ResultRows;
use crate::statement::Use;

/// Says of a hold that statements may wait inside a transaction too, whose locks stay all the while.
const IN_TRANSACTION: &str = "in_transaction";

/// Annotations that a policy may carry.
const ANNOTATIONS: [&str; 9] = [
    "id",
    "reason",
    "instead",
    "remedy",
    "flag",
    "masked_use",
    "high_entropy",
    "rows",
    IN_TRANSACTION,
];

/// Finds the byte of its file at which an annotation begins, or its policy.
pub(super) fn offset_of(policy: &Policy, name: &str) -> Option<usize> {
    let tree: &Tree = policy.as_ref();
    let mut annotations = tree.annotations();
    let found = annotations.find(|(key, _)| key.as_ref() == name);
    let loc = found.and_then(|(_, annotation)| annotation.loc.as_ref());
    loc.map(|loc| loc.start())
        .or_else(|| names::offset_of(policy))
}

/// Tells whether a rule holds statements inside a transaction too.
pub(super) fn holds_in_transaction(policy: &Policy) -> bool {
    policy.annotation(IN_TRANSACTION).is_some()
}

fn check_in_transaction(policy: &Policy, text: &str) -> Result<(), String> {
    let remedy = policy.annotation("remedy").unwrap_or_default();
    if text != "hold" {
        return Err(format!(
            "expected `@in_transaction(\"hold\")`, found {text:?}"
        ));
    }
    if !remedy.starts_with("hold:") {
        return Err(
            "expected `@in_transaction` beside `@remedy(\"hold:GROUP\")`, found it without"
                .to_owned(),
        );
    }
    Ok(())
}

impl<'l> Loading<'l> {
    /// Takes what a policy's annotations say.
    pub(super) fn add_annotations(&mut self, source: &'l Source, policy: &Policy, id: &str) {
        for (name, text) in policy.annotations() {
            let taken = match name {
                "id" => Ok(()),
                "reason" | "instead" => self.take_text(policy, id, name, text),
                "remedy" => self.take_remedy(policy, id, text),
                "flag" => self.take_flag(policy, id, text),
                // Read beside the remedy.
                "high_entropy" if policy.annotation("remedy").is_some() => Ok(()),
                "high_entropy" => {
                    Err("expected `@high_entropy` beside `@remedy`, found it alone".to_owned())
                }
                IN_TRANSACTION => check_in_transaction(policy, text),
                "masked_use" => self.take_masked_uses(policy, id, text),
                "rows" => self.take_rows(policy, id, text),
                _ => Err(format!(
                    "annotation `@{name}` has no effect in this version{}",
                    guess(name, &ANNOTATIONS).replacen('`', "`@", 1)
                )),
            };
            if let Err(text) = taken {
                let text = format!("policy `{id}`: {text}");
                self.error(source, offset_of(policy, name), text);
            }
        }
    }

    fn take_text(
        &mut self,
        policy: &Policy,
        id: &str,
        name: &str,
        text: &str,
    ) -> Result<(), String> {
        if policy.effect() == Effect::Permit {
            return Err(format!(
                "expected `@{name}` on a forbid, found it on a permit"
            ));
        }
        let texts = if name == "reason" {
            &mut self.reasons
        } else {
            &mut self.instead
        };
        texts.insert(PolicyId::new(id), text.to_owned());
        Ok(())
    }

    fn take_flag(&mut self, policy: &Policy, id: &str, text: &str) -> Result<(), String> {
        if policy.effect() == Effect::Forbid {
            return Err("expected `@flag` on a permit, found it on a forbid".to_owned());
        }
        self.flags
            .insert(PolicyId::new(id), format!("{id}: {text}"));
        Ok(())
    }

    fn take_remedy(&mut self, policy: &Policy, id: &str, text: &str) -> Result<(), String> {
        if policy.effect() == Effect::Permit {
            return Err("expected `@remedy` on a forbid, found it on a permit".to_owned());
        }
        let remedy = Remedy::read(text)
            .map_err(|expected| format!("expected {expected}, found {text:?}"))?;
        if matches!(remedy, Remedy::Mask(_)) && !speaks_only_of(policy, Verb::Project) {
            return Err(
                "expected `mask` on the action `project` alone, found other actions".to_owned(),
            );
        }
        if let Remedy::Mask(transform) = &remedy
            && let Some(wrong) = entropy::wrong(policy, transform)
        {
            return Err(wrong);
        }
        if let Remedy::Hold(group) = &remedy
            && let Some(known) = self.names.approvers
            && !known.contains(&group.as_str())
        {
            let guess = guess(group, known);
            let found = format!("found `{group}`{guess}");
            return Err(match known {
                [] => format!("expected no `hold` where the config has no [approvals], {found}"),
                known => {
                    let known = known.join(", ");
                    format!("expected the name of an [[approvals.group]] ({known}), {found}")
                }
            });
        }
        self.remedies.insert(PolicyId::new(id), remedy);
        Ok(())
    }

    fn take_rows(&mut self, policy: &Policy, id: &str, text: &str) -> Result<(), String> {
        if policy.effect() == Effect::Forbid {
            return Err("expected `@rows` on a permit, found it on a forbid".to_owned());
        }
        let rows = ResultRows::read(text).ok_or_else(|| {
            let guess = guess(text, &["none", "full"]);
            format!(
                "expected {} in `@rows`, found {text:?}{guess}",
                ResultRows::EXPECTED
            )
        })?;
        self.rows.insert(PolicyId::new(id), rows);
        Ok(())
    }

    fn take_masked_uses(&mut self, policy: &Policy, id: &str, text: &str) -> Result<(), String> {
        if policy.effect() == Effect::Forbid {
            return Err("expected `@masked_use` on a permit, found it on a forbid".to_owned());
        }
        if !speaks_only_of(policy, Verb::Filter) {
            return Err(
                "expected `@masked_use` on the action `filter` alone, found other actions"
                    .to_owned(),
            );
        }
        let uses = masked::read(text).map_err(|word| {
            let known = masked::USES.map(Use::name);
            let listed = known.join(", ");
            let guess = guess(word, &known);
            format!("expected names of uses in `@masked_use` ({listed}), found {word:?}{guess}")
        })?;
        self.masked_uses.insert(PolicyId::new(id), uses);
        Ok(())
    }
}
