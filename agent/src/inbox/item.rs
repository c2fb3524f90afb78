//! A request as it lies in the mailbox, with what was said to it. Pure.

use chrono::{DateTime, TimeDelta, Utc};

use crate::approval::{Answer, Decision, Outcome, Request, State};
use crate::id::ApprovalId;

/// A request, and what was said to it.
#[derive(Clone, Debug)]
pub struct Item {
    /// The request, if a host that is believed signed it; else where it lies, and why it is not believed.
    pub request: Result<Request, Unbelieved>,
    /// What the trust file calls the host that signed it.
    pub signed_by: String,
    /// What people said. Whether it counts, the host says by its outcome.
    pub decisions: Vec<Decision>,
    /// How it ended, as the host signed it.
    pub outcome: Option<Outcome>,
}

/// A request that no believed host signed. Nothing of it is shown: whoever wrote it chose every word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbelieved {
    /// Where it lies.
    pub place: String,
    /// Why it is not believed.
    pub why: String,
}

/// How a request stands, as far as an approver's machine can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for people; so many yeses and noes lie there, whether they count or not.
    Waiting {
        /// Yeses.
        yes: usize,
        /// Noes.
        no: usize,
    },
    /// Its time is over, and the host has not said so yet.
    Over,
    /// The host ended it so.
    Ended(State),
}

impl Item {
    /// Gives the request, if it is believed.
    #[must_use]
    pub fn believed(&self) -> Option<&Request> {
        self.request.as_ref().ok()
    }

    /// Tells whether it is the one that is named by its id or the beginning of it, in whichever case.
    #[must_use]
    pub fn is_named(&self, begin: &str) -> bool {
        let begin = begin.to_ascii_lowercase();
        let request = self.believed();
        request.is_some_and(|request| request.id.to_string().starts_with(&begin))
    }

    /// Gives the id, if it is believed.
    #[must_use]
    pub fn id(&self) -> Option<ApprovalId> {
        self.believed().map(|request| request.id)
    }

    /// Tells how a request stands.
    #[must_use]
    pub fn standing(&self, request: &Request, now: DateTime<Utc>) -> Standing {
        if let Some(outcome) = &self.outcome {
            return Standing::Ended(outcome.state);
        }
        if request.expires_at <= now {
            return Standing::Over;
        }
        let said = |answer| {
            let all = self.decisions.iter();
            all.filter(|decision| decision.said.answer == answer)
                .count()
        };
        Standing::Waiting {
            yes: said(Answer::Approve),
            no: said(Answer::Deny),
        }
    }
}

impl Standing {
    /// Tells whether a word of somebody can still count.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Waiting { .. } => true,
            Self::Over | Self::Ended(_) => false,
        }
    }

    /// Says it in a few words.
    #[must_use]
    pub fn told(self) -> String {
        match self {
            Self::Waiting { yes: 0, no: 0 } => "waits".to_owned(),
            Self::Waiting { yes, no: 0 } => format!("waits; {yes} said yes"),
            Self::Waiting { yes, no } => format!("waits; {yes} said yes, {no} said no"),
            Self::Over => State::Expired.as_str().to_owned(),
            Self::Ended(state) => state.as_str().to_owned(),
        }
    }
}

/// Says a span of time in its largest unit.
#[must_use]
pub fn span(span: TimeDelta) -> String {
    let s = span.num_seconds().max(0);
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d", s / 86_400),
    }
}
