//! Buttons of a message of Slack's. Pure.
//!
//! A click comes back signed by Slack, with the whole message in it, and is the clicker's word on a request
//! (`approval/proof.rs`): the value names answer and digest. Nobody says yes to what the message does not show.

use serde_json::{Value, json};

use super::content::Click;

/// Says what a click is.
pub(super) const WORD: &str =
    "A click is your word, for groups that take one of Slack. For others, log in by the inbox.";

/// Most bytes of a form that a whole request takes: beside its message, a click must fit into a decision.
pub(super) const WHOLE_MAX_BYTES: usize = 24 << 10;

/// Most bytes of a form that a message takes if it has buttons: a decision has 64 KiB, of which base64 takes a quarter.
pub(super) const MESSAGE_MAX_BYTES: usize = 32 << 10;

/// Makes the buttons that say something: a no, and a yes where all is shown.
pub(super) fn of(click: &Click, is_whole: bool) -> Vec<Value> {
    let digest = &click.digest;
    let deny = json!({
        "type": "button", "action_id": "icecore_deny", "text": plain("Deny"), "style": "danger",
        "value": format!("deny:{digest}"),
    });
    let approve = json!({
        "type": "button", "action_id": "icecore_approve", "text": plain("Approve"), "style": "primary",
        "value": format!("approve:{digest}"),
        "confirm": {
            "title": plain("Approve this statement?"), "text": plain("It may run as it is shown here, once."),
            "confirm": plain("Approve"), "deny": plain("Back"),
        },
    });
    match is_whole {
        true => vec![approve, deny],
        false => vec![deny],
    }
}

/// Makes the button that opens the inbox.
pub(super) fn link(url: &str) -> Value {
    json!({
        "type": "button", "action_id": "icecore_inbox", "text": plain("Open the inbox"), "url": url,
    })
}

/// Tells how long blocks may be in a form: each character outside of ASCII as `\u` and digits, escaped.
pub(super) fn form_bytes(blocks: &[Value]) -> usize {
    let of_char = |character: char| match character {
        plain if plain.is_ascii_alphanumeric() => 1,
        other if other.is_ascii() => 3,
        wide => 8 * wide.len_utf16(),
    };
    let of_block = |block: &Value| block.to_string().chars().map(of_char).sum::<usize>();
    blocks.iter().map(of_block).sum()
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": text, "emoji": false })
}
