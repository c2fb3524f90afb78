//! A yes that covers statements of the same shape for a while.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::approved::Approval;
use super::canonical;
use super::judge::Counted;
use super::request::{Meaning, Need, Request};
use super::rules::Rules;
use crate::id::ApprovalId;
use crate::statement::shape;

/// What statements must have in common for one yes to cover them: all but harmless literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Likeness([u8; 32]);

impl Request {
    /// Tells what a yes to statements like this one would be for: the same session and person, the same rules and needs, the
    /// same meaning but for the shape of its text. None where its kind of statement has no shape.
    #[must_use]
    pub fn likeness(&self) -> Option<Likeness> {
        let [kind] = self.meaning.kinds.as_slice() else {
            return None;
        };
        let meaning = Meaning {
            sql: shape(kind, &self.meaning.sql)?,
            ..self.meaning.clone()
        };
        let of = (
            &self.session_id,
            &self.requester,
            &self.asks,
            &self.needs,
            &meaning,
        );
        canonical::digest("icecore approval likeness 1", &of)
            .ok()
            .map(Likeness)
    }
}

/// A yes for a while; made of an approval alone.
#[derive(Clone, Debug)]
pub struct Grant {
    likeness: Likeness,
    until: DateTime<Utc>,
    by: ApprovalId,
    counted: Vec<Counted>,
}

impl Grant {
    /// Takes what an approval grants beside its own statement, from a time on.
    #[must_use]
    pub fn of(approval: &Approval, now: DateTime<Utc>) -> Option<Self> {
        let seconds = i64::try_from(approval.grant_s()?).ok()?;
        Some(Self {
            likeness: approval.request().likeness()?,
            until: now.checked_add_signed(TimeDelta::try_seconds(seconds)?)?,
            by: approval.request().id,
            counted: approval.counted().to_vec(),
        })
    }

    /// Tells what it is for.
    #[must_use]
    pub fn likeness(&self) -> Likeness {
        self.likeness
    }

    /// Tells whether it is over.
    #[must_use]
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        now >= self.until
    }

    /// Approves a request that it is for, in the hours of all groups that are asked: at others people are asked anew.
    #[must_use]
    pub fn approves(
        &self,
        rules: &Rules,
        request: &Arc<Request>,
        now: DateTime<Utc>,
    ) -> Option<Approval> {
        let works = |need: &Need| {
            let group = rules.groups.get(&need.group);
            group.is_some_and(|group| group.hours.as_ref().is_none_or(|hours| hours.include(now)))
        };
        let is_for = !self.is_over(now) && request.likeness() == Some(self.likeness);
        let is_in_hours = request.needs.iter().all(works);
        (is_for && is_in_hours)
            .then(|| Approval::granted(Arc::clone(request), self.counted.clone(), self.by))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::fixtures::{at, group, request, rules};
    use crate::approval::{Group, Hours};

    fn asked(sql: &str) -> Request {
        let rules = rules([("owners", group(&["okta:ann"], 1))]);
        let mut asked = request(&rules, "okta:eve", &["owners"]);
        asked.session_id = crate::id::SessionId::from_bytes([7; 16]);
        asked.meaning.kinds = vec![crate::statement::Kind::Query.name().to_owned()];
        asked.meaning.sql = sql.to_owned();
        asked
    }

    #[test]
    fn a_grant_covers_its_shape_in_its_session_until_its_end() {
        let first = Arc::new(asked("select a from t where id = 7"));
        let approval = Approval::new(Arc::clone(&first), Vec::new(), false, Some(60));
        let grant = Grant::of(&approval, at(10)).unwrap();
        let rules = rules([("owners", group(&["okta:ann"], 1))]);
        let covers =
            |request: Request, second| grant.approves(&rules, &Arc::new(request), at(second));
        let next = covers(asked("select a from t where id = 8"), 69).unwrap();
        assert_eq!((next.granted_by(), next.grant_s()), (Some(first.id), None));
        assert!(covers(asked("select a from t where id = 8"), 70).is_none());
        assert!(covers(asked("select b from t where id = 8"), 11).is_none());
        let mut elsewhere = asked("select a from t where id = 8");
        elsewhere.session_id = crate::id::SessionId::new();
        assert!(covers(elsewhere, 11).is_none());
        let mut role = asked("select a from t where id = 8");
        role.meaning.role = Some("ADMIN".to_owned());
        assert!(covers(role, 11).is_none());
        let mut rule = asked("select a from t where id = 8");
        rule.asks[0].rule = "another".to_owned();
        assert!(covers(rule, 11).is_none());
    }

    #[test]
    fn a_grant_covers_nothing_outside_of_the_hours_of_a_group_that_is_asked() {
        let first = Arc::new(asked("select a from t where id = 7"));
        let approval = Approval::new(Arc::clone(&first), Vec::new(), false, Some(3600));
        let grant = Grant::of(&approval, at(10)).unwrap();
        // A request is asked at noon, on a Friday.
        let hours = Hours {
            days: vec![chrono::Weekday::Fri],
            from_minute: 0,
            to_minute: 12 * 60 + 30,
            offset_minutes: 0,
        };
        let owners = Group {
            hours: Some(hours),
            ..group(&["okta:ann"], 1)
        };
        let rules = rules([("owners", owners)]);
        let covers = |second| {
            let next = Arc::new(asked("select a from t where id = 8"));
            grant.approves(&rules, &next, at(second)).is_some()
        };
        assert!(covers(1799) && !covers(1800));
    }

    #[test]
    fn a_yes_for_one_statement_and_a_statement_without_a_shape_grant_nothing() {
        let one = Arc::new(asked("select a from t where id = 7"));
        let single = Approval::new(Arc::clone(&one), Vec::new(), false, None);
        assert!(Grant::of(&single, at(10)).is_none());
        let mut call = asked("call p()");
        call.meaning.kinds = vec!["call".to_owned()];
        let approval = Approval::new(Arc::new(call), Vec::new(), false, Some(60));
        assert!(Grant::of(&approval, at(10)).is_none());
    }
}
