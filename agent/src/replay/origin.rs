//! Where a statement comes from, with all that speaks for it: `icecore link`. Pure.

use serde_json::{Value as Json, json};

use super::archive::Archive;
use super::escape::terminal;
use super::json::object;
use super::linked::{self, in_order};
use super::render::Paint;
use super::render::lines::{Lines, or_unknown};
use super::transcript::Sought;
use crate::record::entry::Entry;
use crate::record::value::Value;

/// What each bit of `evidence` says. Source: table `links`; `prompt/linking/evidence.rs`.
const EVIDENCE: [(i64, &str, &str); 13] = [
    (
        1,
        "trace",
        "its request, or its process's environment, and the model call have one W3C trace id (the agent writes them)",
    ),
    (
        2,
        "environment",
        "the process's environment names the agent's session (the agent writes it)",
    ),
    (
        4,
        "lineage",
        "its process descends from the one that called the model, as the kernel saw",
    ),
    (
        8,
        "open",
        "the use of the tool was open: asked for, and its result not yet told",
    ),
    (16, "same_text", "the tool's arguments have its text run"),
    (
        32,
        "same_tree",
        "it means the same as a text in the tool's arguments",
    ),
    (
        64,
        "overlap",
        "a text in the tool's arguments is much like it, or is it but nothing there is seen to run it",
    ),
    (128, "file", "an earlier use of a tool wrote it into a file"),
    (
        256,
        "echo",
        "its answer came back in the tool's result (the agent writes that)",
    ),
    (512, "sole", "no other use was open"),
    (
        1024,
        "telemetry",
        "the program that called the model says itself that it ran the tool so (it can write what it likes; no grade rests on it)",
    ),
    (
        2048,
        "tag",
        "it carried the tag that was made for this one request",
    ),
    (
        4096,
        "other_agent",
        "AGAINST: the process's environment names another agent session than the model call (the agent writes both)",
    ),
];

/// Bits by which its text is one of the use's.
const SAME: i64 = 16 | 32;

/// One statement with its links, and what they name.
#[derive(Debug)]
pub struct Origin<'a> {
    statement: &'a Entry,
    text: Option<&'a Entry>,
    /// The latest first, which holds.
    links: Vec<&'a Entry>,
    used: Option<&'a Entry>,
    args: Option<&'a Entry>,
    call: Option<&'a Entry>,
    prompt: Option<&'a Entry>,
    /// The person's prompt behind one that a model wrote for a sub-agent.
    root: Option<&'a Entry>,
}

/// Finds where a statement comes from; none where the store does not know the statement.
#[must_use]
pub fn origin<'a>(archive: &'a Archive, statement: &str) -> Option<Origin<'a>> {
    let all = |table: &str, column: &str, value: Option<&str>| -> Vec<&'a Entry> {
        let rows = archive.table(table).iter();
        rows.filter(|row| value.is_some() && row.text(column) == value)
            .collect()
    };
    let of = |table: &str| all(table, "statement_id", Some(statement));
    let row = of("statements").last().copied()?;
    let session = row.text("session_id");
    // Another session may have uses and calls of the same ids, by chance or on purpose.
    let all = |table: &str, column: &str, value: Option<&str>| -> Vec<&'a Entry> {
        let found = all(table, column, value).into_iter();
        found
            .filter(|row| row.text("session_id") == session)
            .collect()
    };
    let links = in_order(of("links"));
    let link = links.first();
    let named = |column: &str| link.and_then(|link| link.text(column));
    // A use is a session's: ids are not unique with all providers.
    let of_use = |table| {
        let rows = archive.table(table).iter();
        let uses = linked::uses(rows, row.text("session_id"));
        link.and_then(|link| linked::of_link(&uses, link))
    };
    let prompt = all("prompts", "prompt_key", named("prompt_key"))
        .last()
        .copied();
    let root = prompt.and_then(|prompt| prompt.text("root_prompt_key"));
    Some(Origin {
        root: all("prompts", "prompt_key", root).last().copied(),
        statement: row,
        text: of("statement_texts").last().copied(),
        args: of_use("tool_call_args"),
        call: all("llm_calls", "llm_call_id", named("llm_call_id"))
            .last()
            .copied(),
        prompt,
        used: of_use("tool_calls"),
        links,
    })
}

impl Origin<'_> {
    /// Tells whether it is linked to a use of a tool, surely or not.
    #[must_use]
    pub fn is_linked(&self) -> bool {
        let grade = self.links.first().and_then(|link| link.text("grade"));
        grade.is_some_and(|grade| grade != "U")
    }

    /// Gives what an agent's transcript is compared with.
    #[must_use]
    pub fn sought(&self) -> Sought {
        let text = |row: Option<&Entry>, column: &str| {
            row.and_then(|row| row.text(column)).map(str::to_owned)
        };
        Sought {
            tool_call_id: text(self.links.first().copied(), "tool_call_id"),
            args: text(self.args, "args"),
            prompt: text(self.prompt, "text"),
        }
    }

    /// Gives it as one JSON document.
    #[must_use]
    pub fn to_json(&self) -> Json {
        let links: Vec<Json> = (self.links.iter())
            .map(|link| {
                let mut all = object(link);
                let bits = evidence(link);
                all.insert(
                    "evidence_names".to_owned(),
                    bits.map(|(name, _)| name).collect(),
                );
                Json::Object(all)
            })
            .collect();
        json!({
            "statement": object(self.statement),
            "sql_text": self.text.and_then(|text| text.text("sql_text")),
            "links": links,
            "tool_call": self.used.map(object),
            "arguments": self.args.and_then(|row| row.text("args")),
            "model_call": self.call.map(object),
            "prompt": self.prompt.map(object),
            "root_prompt": self.root.map(object),
        })
    }

    /// Tells it to people.
    #[must_use]
    pub fn told(&self, paint: Paint) -> String {
        let mut lines = Lines::new(paint);
        let (row, text) = (self.statement, |row: Option<&Entry>, column: &str| {
            row.and_then(|row| row.text(column)).map(str::to_owned)
        });
        let verdict = or_unknown(row, "decision");
        lines.push(&format!(
            "{}  {verdict}  {}",
            or_unknown(row, "statement_id"),
            or_unknown(row, "sql_kind")
        ));
        quoted(
            &mut lines,
            text(self.text, "sql_text"),
            "its text is not in this store, or is encrypted: give --identity",
        );
        let Some(link) = self.links.first() else {
            lines.put(
                "link",
                "none: the session's calls of models were not read (`[prompts]` of the config)",
            );
            return lines.finish();
        };
        let confidence = match link.get("confidence") {
            Value::Float(share) => format!("{share:.2}"),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Text(_)
            | Value::Bytes(_)
            | Value::List(_)
            | Value::Struct(_) => "?".to_owned(),
        };
        let candidates = link.int("candidates").unwrap_or_default();
        lines.put(
            "grade",
            &format!(
                "{} ({confidence}) by {}; {candidates} in question",
                or_unknown(link, "grade"),
                or_unknown(link, "method")
            ),
        );
        if link.is("mismatch") {
            let is_like = link.int("evidence").unwrap_or_default() & SAME != 0;
            let says = match is_like {
                true => {
                    "the agent's own telemetry says that it ran another command than the model asked for"
                }
                false => "tools were in use whose arguments carry SQL, and none of it is like this",
            };
            lines.put("mismatch", says);
        }
        for (name, says) in evidence(link) {
            lines.put(name, says);
        }
        if let Some(used) = self.used {
            lines.put(
                "tool",
                &format!(
                    "{} {}",
                    or_unknown(used, "tool_name"),
                    or_unknown(used, "tool_call_id")
                ),
            );
            quoted(
                &mut lines,
                text(self.args, "args"),
                "its arguments are not in this store",
            );
        }
        if let Some(call) = self.call {
            lines.put(
                "model",
                &format!(
                    "{} at {}, answer {}, read: {}",
                    or_unknown(call, "request_model"),
                    or_unknown(call, "endpoint_host"),
                    or_unknown(call, "response_id"),
                    or_unknown(call, "parse_status")
                ),
            );
            lines.maybe(call, "agent", "agent_session_id");
        }
        if link.text("prompt_key").is_some() {
            let origin = self
                .prompt
                .map_or_else(|| "?".to_owned(), |row| or_unknown(row, "origin"));
            let is_models = origin == "model";
            let says = match origin.as_str() {
                "attested" => {
                    "whoever launched the session handed this text over before the agent began"
                }
                "model" => "what a model wrote for a sub-agent",
                _ => "what a person wrote, as the agent's request says",
            };
            lines.put("prompt", &format!("{origin} ({says})"));
            let missing = "its text is not in this store, or is encrypted: give --identity";
            quoted(&mut lines, text(self.prompt, "text"), missing);
            if is_models {
                lines.put(
                    "root",
                    "claimed (what a person wrote, as the agent's request says)",
                );
                quoted(&mut lines, text(self.root, "text"), missing);
            }
        }
        for link in self.links.iter().skip(1) {
            lines.put(
                "before",
                &format!(
                    "{} by {}",
                    or_unknown(link, "grade"),
                    or_unknown(link, "method")
                ),
            );
        }
        lines.finish()
    }
}

/// Writes a text's lines behind a bar, or says why there is none.
fn quoted(lines: &mut Lines, text: Option<String>, missing: &str) {
    match text {
        Some(text) => {
            for part in text.split('\n') {
                lines.push(&format!("    | {}", terminal(part)));
            }
        }
        None => lines.push(&format!("    ({missing})")),
    }
}

/// Lists what speaks for a link: name and meaning.
fn evidence(link: &Entry) -> impl Iterator<Item = (&'static str, &'static str)> {
    let bits = link.int("evidence").unwrap_or_default();
    let set = EVIDENCE
        .into_iter()
        .filter(move |(bit, ..)| bits & bit != 0);
    set.map(|(_, name, says)| (name, says))
}
