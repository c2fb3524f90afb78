//! A statement that was read, put to the policies.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::context::Turn;
use super::effect::Effect;
use super::reading::{Asking, Reading};
use super::usages::Meter;
use crate::identity::Principal;
use crate::mask;
use crate::policy::{Bundle, Decision, Discharged, Usage, decide};
use crate::session::Stages;
use crate::snowflake::current::Current;
use crate::statement::Catalogue;

/// Who asks, and what counts their use.
#[derive(Clone, Copy)]
pub struct Asker<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// What counts their use.
    pub meter: &'a Meter,
}

/// What a statement was judged by, and what holds until it has been carried out.
pub struct Basis<'a> {
    /// The policies that judged it.
    pub bundle: Arc<Bundle>,
    /// Where its login was.
    pub current: Current,
    /// Why something may not have been known.
    pub gap: Option<String>,
    /// What it may do to the names of later ones.
    pub effect: Effect,
    /// Keeps what was known true until the statement has been carried out.
    pub turn: Turn<'a>,
}

/// A statement that was judged.
pub struct Judged<'a> {
    /// What policies say.
    pub decision: Decision,
    /// What was known of the account.
    pub catalogue: Catalogue,
    /// What it was judged by.
    pub basis: Basis<'a>,
}

impl Stages {
    /// Puts a statement to the policies, without the rules that people lifted for it.
    pub async fn judge<'a>(
        &self,
        asker: Asker<'_>,
        asking: Asking<'a>,
        reading: Reading<'a>,
        discharged: Option<&Discharged>,
    ) -> Judged<'a> {
        let Reading {
            bundle,
            statement,
            current,
            catalogue,
            gap,
            effect,
            turn,
            unseen: _,
        } = reading;
        let Asker { principal, meter } = asker;
        let now = self.clock.now();
        let bound = asking.request.bindings().map(RawValue::get);
        let looks = bundle.reads_found();
        let found = looks.then(|| mask::found(&statement, bound));
        let decide = |usage: &Usage<'_>| {
            let account = &asking.account.name;
            let usage = usage
                .holding(found.as_ref())
                .linked(asking.link)
                .discharging(discharged);
            decide(
                &bundle, self.mode, principal, account, &catalogue, &usage, statement,
            )
        };
        let decision = if bundle.reads_use() {
            meter.judge(now, decide).await
        } else {
            let decision = decide(&Usage::unread(now));
            meter.count(now, &decision);
            decision
        };
        Judged {
            decision,
            catalogue,
            basis: Basis {
                bundle,
                current,
                gap,
                effect,
                turn,
            },
        }
    }
}
