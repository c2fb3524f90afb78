//! What somebody is about to say to a request that they were shown. Pure.

use chrono::{DateTime, Utc};

use super::card::Card;
use super::item::Item;
use crate::approval::{Answer, FORMAT_VERSION, Request, Said};

/// Longest reason, in characters; hosts refuse a longer one.
pub const REASON_MAX: usize = 2000;

/// Longest grant that can be asked for, in seconds; what a rule allows may be less.
pub const GRANT_MAX_S: u64 = 24 * 3600;

/// Why nothing can be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsaid {
    /// The request has ended.
    #[error("expected a request that waits, found one that is {0}")]
    Ended(String),
    /// What was shown is not what lies there.
    #[error("expected the request as it was shown, with digest {expected}, found {found}")]
    Changed {
        /// What was shown.
        expected: String,
        /// What lies there.
        found: String,
    },
    /// Nobody can have read it.
    #[error("no yes is taken: {0}")]
    Unreadable(String),
    /// A no without a reason.
    #[error("expected a reason for a no, found none: the agent is told why")]
    NoReason,
    /// A reason that hosts refuse.
    #[error("expected a reason of at most {REASON_MAX} characters, found {0}")]
    LongReason(usize),
}

/// What somebody says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The digest of what they were shown.
    pub digest: String,
    /// Yes or no.
    pub answer: Answer,
    /// Why.
    pub reason: Option<String>,
    /// For how long statements of the same shape may run too.
    pub grant_s: Option<u64>,
    /// By which face.
    pub face: &'static str,
}

/// Refuses a request that waits no more.
///
/// # Errors
/// It has ended, or its time is over.
pub fn check_waits((item, request): (&Item, &Request), now: DateTime<Utc>) -> Result<(), Unsaid> {
    let standing = item.standing(request, now);
    match standing.is_open() {
        true => Ok(()),
        false => Err(Unsaid::Ended(standing.told())),
    }
}

/// Makes the document of what somebody says, if it can be said.
///
/// # Errors
/// The request has ended or is another one, or the answer lacks what it needs.
pub fn said(
    (item, request): (&Item, &Request),
    card: &Card,
    word: Word,
    now: DateTime<Utc>,
) -> Result<Said, Unsaid> {
    check_waits((item, request), now)?;
    if word.digest != card.digest {
        return Err(Unsaid::Changed {
            expected: word.digest,
            found: card.digest.clone(),
        });
    }
    let length = word.reason.as_ref().map_or(0, |why| why.chars().count());
    if length > REASON_MAX {
        return Err(Unsaid::LongReason(length));
    }
    match (word.answer, card.unreadable()) {
        (Answer::Approve, Some(why)) => return Err(Unsaid::Unreadable(why)),
        (Answer::Deny, _) if length == 0 => return Err(Unsaid::NoReason),
        (Answer::Approve, None) | (Answer::Deny, _) => {}
    }
    Ok(Said {
        format_version: FORMAT_VERSION,
        request: request.id,
        digest: word.digest,
        answer: word.answer,
        reason: word.reason,
        grant_s: word.grant_s,
        decided_at: now,
        face: word.face.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approval::{Outcome, State};
    use crate::inbox::card::READABLE_MAX_BYTES;
    use crate::inbox::card::tests::request;

    fn item(request: Request, outcome: Option<State>) -> Item {
        let outcome = outcome.map(|state| Outcome {
            format_version: FORMAT_VERSION,
            request: request.id,
            digest: String::new(),
            state,
            decisions: Vec::new(),
            by: Vec::new(),
            reason: None,
            at: request.requested_at,
        });
        Item {
            request: Ok(request),
            signed_by: "~pinned".to_owned(),
            decisions: Vec::new(),
            outcome,
        }
    }

    /// Says this to what was shown, a minute after it was asked; or later, or to what has ended.
    fn say(
        word: Word,
        request: Request,
        minutes: i64,
        ended: Option<State>,
    ) -> Result<Said, Unsaid> {
        let now = request.requested_at + chrono::TimeDelta::minutes(minutes);
        let card = Card::of(&request).unwrap();
        let item = item(request.clone(), ended);
        said((&item, &request), &card, word, now)
    }

    fn word(answer: Answer, reason: Option<&str>) -> Word {
        Word {
            digest: Card::of(&request()).unwrap().digest,
            answer,
            reason: reason.map(str::to_owned),
            grant_s: Some(60),
            face: "cli",
        }
    }

    #[test]
    fn a_word_is_about_what_was_shown_while_it_waits() {
        let said = say(word(Answer::Approve, None), request(), 1, None).unwrap();
        assert_eq!(said.digest, Card::of(&request()).unwrap().digest);
        assert_eq!((said.request, said.grant_s), (request().id, Some(60)));

        let over = say(word(Answer::Approve, None), request(), 60, None);
        assert_eq!(over, Err(Unsaid::Ended("expired".to_owned())));
        let denied = say(
            word(Answer::Approve, None),
            request(),
            1,
            Some(State::Denied),
        );
        assert_eq!(denied, Err(Unsaid::Ended("denied".to_owned())));
        let mut other = request();
        other.meaning.sql.push(' ');
        let changed = say(word(Answer::Approve, None), other, 1, None);
        assert!(
            matches!(changed, Err(Unsaid::Changed { .. })),
            "{changed:?}"
        );
    }

    #[test]
    fn a_no_has_a_reason_and_a_yes_is_to_what_can_be_read() {
        let none = say(word(Answer::Deny, None), request(), 1, None);
        assert_eq!(none, Err(Unsaid::NoReason));
        assert!(say(word(Answer::Deny, Some("no")), request(), 1, None).is_ok());
        let long = say(
            word(Answer::Deny, Some(&"x".repeat(2001))),
            request(),
            1,
            None,
        );
        assert_eq!(long, Err(Unsaid::LongReason(2001)));

        let mut large = request();
        large.meaning.sql = "x".repeat(READABLE_MAX_BYTES);
        let digest = Card::of(&large).unwrap().digest;
        let of_large = |answer| Word {
            digest: digest.clone(),
            ..word(answer, Some("why"))
        };
        let yes = say(of_large(Answer::Approve), large.clone(), 1, None);
        assert!(matches!(yes, Err(Unsaid::Unreadable(_))), "{yes:?}");
        assert!(say(of_large(Answer::Deny), large, 1, None).is_ok());
    }
}
