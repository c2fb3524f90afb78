//! A notice as a message of Slack. Pure.
//!
//! Whatever somebody else chose stands in code blocks; the rest is our own words. Source: docs.slack.dev, "chat.postMessage",
//! "chat.update", "Block Kit": at most 50 blocks, 3000 characters a text of a section, 150 of a header, 75 of a button.

use serde_json::{Value, json};

use super::buttons;
use super::content::{CUT, Fact, NO_WORD, Notice, fitted};
use crate::replay::push_slack;

/// Longest text of a section, in characters.
const TEXT_MAX: usize = 3000;

/// Longest part of a whole request that stands in one section, below what a section holds beside its title.
const PART_MAX: usize = 2800;

/// Longest value of a fact.
const FACT_MAX: usize = 200;

/// Where a message is, as Slack says once it is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Posted {
    /// The channel's id, which may have been called by its name before.
    pub(super) channel: String,
    /// The message's time, which is its name.
    pub(super) ts: String,
}

/// Writes the body of `chat.postMessage`, or of `chat.update` for a message that is there.
pub(super) fn body(notice: &Notice, channel: &str, posted: Option<&Posted>) -> Value {
    let text = format!("Icecore: {} (request {})", notice.title, notice.id);
    let blocks = blocks(notice);
    // Nothing in `text` becomes a mention or a link.
    match posted {
        Some(Posted { channel, ts }) => json!({
            "channel": channel, "ts": ts, "text": text, "blocks": blocks,
            "parse": "none", "link_names": false,
        }),
        None => json!({
            "channel": channel, "text": text, "blocks": blocks,
            "parse": "none", "link_names": false, "unfurl_links": false, "unfurl_media": false,
        }),
    }
}

/// Reads Slack's answer to a message that was posted.
pub(super) fn posted(answer: &Value) -> Option<Posted> {
    let text = |name| answer.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Posted {
        channel: text("channel")?,
        ts: text("ts")?,
    })
}

fn blocks(notice: &Notice) -> Vec<Value> {
    let title = json!({ "type": "plain_text", "text": notice.title, "emoji": false });
    let mut blocks = vec![json!({ "type": "header", "text": title })];
    if !notice.outcome.is_empty() {
        blocks.push(section("What came of it", &lines(&notice.outcome)));
    }
    let whole = notice.click.as_ref().and_then(|click| {
        let shown = whole(click.whole.as_deref()?)?;
        (buttons::form_bytes(&shown) <= buttons::WHOLE_MAX_BYTES).then_some(shown)
    });
    let is_whole = whole.is_some();
    blocks.extend(whole.unwrap_or_else(|| summary(notice)));
    let clicks = notice.click.as_ref().filter(|_| {
        // What comes back with a click is the message.
        buttons::form_bytes(&blocks) <= buttons::MESSAGE_MAX_BYTES
    });
    let mut elements = clicks.map_or_else(Vec::new, |click| buttons::of(click, is_whole));
    if let Some(command) = notice.command() {
        let word = if elements.is_empty() {
            NO_WORD
        } else {
            buttons::WORD
        };
        blocks.push(context(&format!("{word} Or: {command}")));
    }
    if let Some(link) = &notice.link {
        elements.push(buttons::link(link));
    }
    if !elements.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": elements }));
    }
    blocks
}

/// Shows as much as tells whether one should look.
fn summary(notice: &Notice) -> Vec<Value> {
    let mut blocks = vec![section(
        "What is asked, as the host found it",
        &lines(&notice.facts),
    )];
    if let Some(claimed) = &notice.claimed {
        blocks.push(section("Claimed by the agent, checked by nobody", claimed));
    }
    if let Some(statement) = &notice.statement {
        blocks.push(section("Statement", statement));
    }
    if !notice.cautions.is_empty() {
        blocks.push(section("Look closely", &notice.cautions.join("\n")));
    }
    blocks
}

/// Shows all of a request, in as many sections as it takes; none where a line fits into no section.
fn whole(text: &str) -> Option<Vec<Value>> {
    let length = |text: &str| shown(text).encode_utf16().count();
    let mut parts: Vec<String> = Vec::new();
    for line in text.split_inclusive('\n') {
        match parts.last_mut() {
            _ if length(line) > PART_MAX => return None,
            Some(part) if length(part) + length(line) <= PART_MAX => part.push_str(line),
            Some(_) | None => parts.push(line.to_owned()),
        }
    }
    let title = "All of the request, as the host signed it";
    Some(parts.iter().map(|part| section(title, part)).collect())
}

fn shown(text: &str) -> String {
    let mut shown = String::new();
    text.chars().for_each(|one| push_slack(&mut shown, one));
    shown
}

/// Puts a value a line; none of them has lines of its own.
fn lines(facts: &[Fact]) -> String {
    let line = |(name, value): &Fact| {
        let one_line = value.replace('\n', "\\n");
        let cut: String = one_line.chars().take(FACT_MAX).collect();
        let mark = if cut.len() < one_line.len() {
            " ..."
        } else {
            ""
        };
        format!("{name}: {cut}{mark}")
    };
    facts.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Shows a text of somebody else's to the letter, as far as it fits. `title` is ours.
fn section(title: &str, text: &str) -> Value {
    let frame = |shown: &str, note: &str| format!("*{title}*{note}\n```\n{shown}\n```");
    let note = format!(" ({CUT})");
    let most = TEXT_MAX - frame("", &note).len();
    let (shown, is_all) = fitted(text, most, push_slack);
    let text = frame(&shown, if is_all { "" } else { &note });
    // Without `verbatim` names of channels and addresses become links.
    json!({
        "type": "section",
        "text": { "type": "mrkdwn", "text": text, "verbatim": true },
    })
}

fn context(words: &str) -> Value {
    let text = json!({ "type": "mrkdwn", "text": words, "verbatim": true });
    json!({ "type": "context", "elements": [text] })
}
