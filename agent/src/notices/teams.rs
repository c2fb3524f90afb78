//! A notice as an Adaptive Card for a workflow of Teams. Pure.
//!
//! Whatever somebody else chose stands in `TextRun`s, which have no Markdown; `TextBlock`s have our own words alone. Sources:
//! learn.microsoft.com, "Create incoming webhooks with Workflows" (a message with one card as attachment; 28 KB at most),
//! adaptivecards.io, schema explorer.

use serde_json::{Value, json};

use super::content::{CUT, Fact, NO_WORD, Notice, fitted};
use crate::replay::push_card;

/// Longest statement or caution, in UTF-16 units; the whole must be below 28 KB.
const TEXT_MAX: usize = 2000;

/// Most lines of a statement: each is a block.
const LINES_MAX: usize = 24;

/// Longest value of a fact, in UTF-16 units.
const FACT_MAX: usize = 200;

/// Writes the message.
pub(super) fn body(notice: &Notice) -> Value {
    let mut blocks = vec![title(notice.title, "Large")];
    blocks.extend(notice.outcome.iter().map(fact));
    blocks.extend(notice.facts.iter().map(fact));
    if let Some(claimed) = &notice.claimed {
        blocks.push(title("Claimed by the agent, checked by nobody", "Default"));
        blocks.extend(text(claimed, FACT_MAX));
    }
    if let Some(statement) = &notice.statement {
        blocks.push(title("Statement", "Default"));
        blocks.extend(text(statement, TEXT_MAX));
    }
    if !notice.cautions.is_empty() {
        blocks.push(title("Look closely", "Default"));
        blocks.extend(text(&notice.cautions.join("\n"), FACT_MAX * 2));
    }
    if let Some(command) = notice.command() {
        blocks.push(title(NO_WORD, "Small"));
        blocks.push(runs(vec![run(&command, true)]));
    }
    let open =
        |link: &String| json!({ "type": "Action.OpenUrl", "title": "Open the inbox", "url": link });
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": blocks,
        "actions": notice.link.iter().map(open).collect::<Vec<_>>(),
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    json!({ "type": "message", "attachments": [attachment] })
}

/// Shows words of ours.
fn title(words: &'static str, size: &str) -> Value {
    json!({ "type": "TextBlock", "text": words, "size": size, "weight": "Bolder", "wrap": true })
}

fn fact((name, value): &Fact) -> Value {
    let (shown, is_all) = fitted(value, FACT_MAX, push_card);
    let mut parts = vec![run(&format!("{name}: "), false), run(&shown, true)];
    if !is_all {
        parts.push(run(" ...", false));
    }
    runs(parts)
}

/// Shows a text of somebody else's, a block a line, as far as it fits.
fn text(text: &str, most: usize) -> Vec<Value> {
    let (mut blocks, mut left) = (Vec::new(), most);
    let count = text.split('\n').count();
    let mut is_all = count <= LINES_MAX;
    for line in text.split('\n').take(LINES_MAX) {
        let (shown, fits) = fitted(line, left, push_card);
        left -= shown.encode_utf16().count();
        blocks.push(runs(vec![run(&shown, true)]));
        if !fits {
            is_all = false;
            break;
        }
    }
    if !is_all {
        blocks.push(runs(vec![run(CUT, false)]));
    }
    blocks
}

fn run(text: &str, is_code: bool) -> Value {
    // A run must have a text.
    let text = if text.is_empty() { " " } else { text };
    match is_code {
        true => json!({ "type": "TextRun", "text": text, "fontType": "Monospace" }),
        false => json!({ "type": "TextRun", "text": text, "weight": "Bolder" }),
    }
}

fn runs(parts: Vec<Value>) -> Value {
    json!({ "type": "RichTextBlock", "inlines": parts, "spacing": "None" })
}
