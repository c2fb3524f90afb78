//! What a notice says, before it is written for a chat. Pure.
//!
//! It says enough to know whether one should look, and no more: passwords and keys are taken out, long texts are cut. What
//! people say yes to is the request in the mailbox, whole.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::approval::{Counted, Grade, Request, State};
use crate::id::ApprovalId;
use crate::inbox::card::Card;
use crate::mailbox::News;
use crate::mask::redacted;
use crate::record::hex;
use crate::replay::Paint;

/// Stands where a text is cut.
pub(super) const CUT: &str = "cut here; open the inbox for the whole";

/// Says what a notice is not.
pub(super) const NO_WORD: &str = "A message approves nothing: whoever decides logs in, and reads the whole request in the inbox.";

/// Most objects, rules and people that are named.
const NAMED_MAX: usize = 5;

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    /// The request.
    pub(super) id: ApprovalId,
    /// How it stands.
    pub(super) state: State,
    /// How many people's words counted so far.
    pub(super) said: usize,
    /// That in words of ours.
    pub(super) title: &'static str,
    /// What came of it, once something did.
    pub(super) outcome: Vec<Fact>,
    /// What is asked, as the host found it.
    pub(super) facts: Vec<Fact>,
    /// Why, as the agent says.
    pub(super) claimed: Option<String>,
    /// What a reader may overlook.
    pub(super) cautions: Vec<String>,
    /// The statement's text.
    pub(super) statement: Option<String>,
    /// What a button opens.
    pub(super) link: Option<String>,
    /// What a click on a button says, where a group that is asked takes one for its word.
    pub(super) click: Option<Click>,
}

/// What a chat's buttons may say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Click {
    /// The request's digest, in hexadecimal.
    pub(super) digest: String,
    /// All of the request, as a terminal shows it; none where a chat may not be told all: nobody says yes to less.
    pub(super) whole: Option<String>,
}

/// A name of ours, and a value that somebody else may have chosen.
pub(super) type Fact = (&'static str, String);

impl Notice {
    /// Says what happened, for a place.
    pub(super) fn of(news: &News, shows_statement: bool, inbox_url: Option<&str>) -> Self {
        let request = &*news.request;
        let id = request.id;
        let is_open = news.state == State::Requested;
        let card = Card::of(request).ok().filter(|_| shows_statement);
        let takes_click = request.needs.iter().any(|need| need.proof == Grade::Chat);
        let click = (is_open && takes_click).then(|| Click {
            digest: digest(news),
            whole: card.as_ref().and_then(whole),
        });
        let cautions = card.map_or_else(Vec::new, |card| card.cautions);
        Self {
            id,
            state: news.state,
            said: news.by.len(),
            title: title(news),
            outcome: outcome(news),
            facts: facts(request),
            claimed: request.claimed.reason.as_deref().map(clean),
            cautions: cautions.iter().map(|caution| clean(caution)).collect(),
            statement: shows_statement.then(|| clean(&request.meaning.sql)),
            link: inbox_url
                .filter(|_| is_open)
                .map(|url| url.replace("{id}", &id.to_string())),
            click,
        }
    }

    /// Says how to look without a button, while there is something to decide.
    pub(super) fn command(&self) -> Option<String> {
        (self.state == State::Requested).then(|| format!("icecore approvals show {}", self.id))
    }
}

/// Writes all of a request, if a chat may be told all of it: nothing is taken out, and people can read it.
fn whole(card: &Card) -> Option<String> {
    let text = card.lines(Paint::default()).join("\n");
    (card.unreadable().is_none() && clean(&text) == text).then_some(text)
}

fn title(news: &News) -> &'static str {
    match news.state {
        State::Requested if news.by.is_empty() => "A statement waits for a yes",
        State::Requested => "A statement has a yes, and waits for more",
        State::Approved if news.is_break_glass => "Approved by one person alone, for an emergency",
        State::Approved => "Approved",
        State::Denied => "Denied",
        State::Expired => "Expired: nobody who may had said enough in time",
        State::Withdrawn => "Withdrawn: whoever asked wants it no more",
        State::Void => "Void: approved, but the statement means something else by now",
    }
}

fn outcome(news: &News) -> Vec<Fact> {
    if news.state == State::Requested && news.by.is_empty() {
        return Vec::new();
    }
    let mut outcome = Vec::new();
    if !news.by.is_empty() {
        outcome.push(("by", list(news.by.iter().map(said_by))));
    }
    if let Some(reason) = &news.reason {
        outcome.push(("reason", clean(reason)));
    }
    outcome.push(("at", time(news.at)));
    outcome
}

/// Says who decided, and how that is proved.
fn said_by(counted: &Counted) -> String {
    let Counted {
        person,
        grade,
        face,
        ..
    } = counted;
    format!("{person} ({}, by {face})", grade.as_str())
}

fn facts(request: &Request) -> Vec<Fact> {
    let meaning = &request.meaning;
    let asks = request.asks.iter().map(|ask| match &ask.reason {
        Some(reason) => format!("{}: {reason}", ask.rule),
        None => ask.rule.clone(),
    });
    let needs = request
        .needs
        .iter()
        .map(|need| format!("{} of {}", need.approvers, need.group));
    let touched = meaning.objects.iter();
    let touched = touched.map(|one| format!("{} {} {}", one.action, one.class, one.path));
    let role = meaning.role.as_deref().unwrap_or("no role");
    let mut facts = vec![
        ("who asks", request.requester.principal.clone()),
        ("rules", list(asks)),
        ("wanted", list(needs)),
        ("account", format!("{} as {role}", meaning.account)),
        ("kind", list(meaning.kinds.iter().cloned())),
        ("objects", list(touched)),
    ];
    if let Some(bytes) = request.plan.bytes {
        facts.push(("would read", format!("{bytes} bytes")));
    }
    facts.extend([
        ("host", request.host_id.clone()),
        ("until", time(request.expires_at)),
        ("request", request.id.to_string()),
    ]);
    for (_, value) in &mut facts {
        *value = clean(value);
    }
    facts
}

/// Names the first few, and how many there are beside.
fn list(all: impl ExactSizeIterator<Item = String>) -> String {
    let beside = all.len().saturating_sub(NAMED_MAX);
    let named: Vec<String> = all.take(NAMED_MAX).collect();
    match beside {
        0 => named.join("; "),
        more => format!("{}; and {more} more", named.join("; ")),
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Takes passwords and keys out of a text: chats keep what they are told.
pub(super) fn clean(text: &str) -> String {
    redacted(text, |what, _| format!("[icecore:{what}]")).unwrap_or_else(|| text.to_owned())
}

/// Writes as much of a text as fits, in UTF-16 units, the widest count that a chat may mean; tells whether that is all.
pub(super) fn fitted(text: &str, most: usize, push: fn(&mut String, char)) -> (String, bool) {
    let (mut shown, mut length) = (String::new(), 0);
    for character in text.chars() {
        let before = shown.len();
        push(&mut shown, character);
        length += shown
            .get(before..)
            .map_or(0, |added| added.encode_utf16().count());
        if length > most {
            shown.truncate(before);
            return (shown, false);
        }
    }
    (shown, true)
}

/// Names a request's digest.
pub(super) fn digest(news: &News) -> String {
    hex(&news.digest)
}
