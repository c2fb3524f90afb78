//! What a record holds beside a session's statements: deliveries, files, prompts, approvals, who was shown. Pure.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::archive::Archive;
use super::linked::{self, Uses};
use crate::record::entry::Entry;

/// Rows of other tables, by what they are about.
#[derive(Debug, Default)]
pub(super) struct Beside<'a> {
    results: BTreeMap<&'a str, Vec<&'a Entry>>,
    transfers: BTreeMap<&'a str, Vec<&'a Entry>>,
    approvals: BTreeMap<&'a str, Vec<&'a Entry>>,
    approval_texts: BTreeMap<&'a str, Vec<&'a Entry>>,
    links: BTreeMap<&'a str, &'a Entry>,
    prompts: BTreeMap<&'a str, &'a Entry>,
    uses: Uses<'a>,
    arguments: Uses<'a>,
}

/// Where a statement comes from, as far as a store has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Came<'a> {
    pub(super) link: &'a Entry,
    pub(super) prompt: Option<&'a Entry>,
    /// The person's prompt behind one that a model wrote for a sub-agent.
    pub(super) root: Option<&'a Entry>,
    /// The use of a tool.
    pub(super) used: Option<&'a Entry>,
    pub(super) arguments: Option<&'a Entry>,
}

impl<'a> Came<'a> {
    /// Gives the prompt's text, or says why there is none.
    pub(super) fn prompt_text(&self) -> &'a str {
        let prompt = if self.task_text().is_some() {
            self.root
        } else {
            self.prompt
        };
        match (self.link.text("prompt_key"), prompt) {
            (None, _) => "(no prompt is known)",
            (Some(_), None) => "(text not in this store)",
            (Some(_), Some(prompt)) => prompt.text("text").unwrap_or("(text not in this store)"),
        }
    }

    /// Gives what a model made of it for a sub-agent, if one did.
    pub(super) fn task_text(&self) -> Option<&'a str> {
        let prompt = self
            .prompt
            .filter(|prompt| prompt.text("origin") == Some("model"))?;
        prompt.text("text")
    }

    /// Says what else is known of the link, in a few words, not escaped.
    pub(super) fn remark(&self) -> &'static str {
        if self.link.is("mismatch") {
            ", while tools were in use that carried other SQL"
        } else {
            ""
        }
    }

    /// Names the use of a tool: the tool and the use's id, not escaped.
    pub(super) fn tool(&self) -> Option<(&'a str, &'a str)> {
        let id = self.link.text("tool_call_id")?;
        let name = self.used.and_then(|used| used.text("tool_name"));
        Some((name.unwrap_or("?"), id))
    }

    /// Gives the use's arguments, or says that they are not there.
    pub(super) fn arguments_text(&self) -> &'a str {
        let text = self.arguments.and_then(|row| row.text("args"));
        text.unwrap_or("(arguments not in this store)")
    }
}

/// What was masked in the deliveries of one result.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Hidden {
    /// Cells that were masked, each delivery anew.
    pub(super) cells: i64,
    /// What detectors found, by detector.
    pub(super) detected: BTreeMap<String, i64>,
}

impl<'a> Beside<'a> {
    /// Finds the rows of a session. Tables that a store does not have are empty.
    pub(super) fn of(archive: &'a Archive, session: &str) -> Self {
        let by_statement = |table| {
            let mut found: BTreeMap<&str, Vec<&Entry>> = BTreeMap::new();
            for row in archive.table(table) {
                if row.text("session_id") == Some(session)
                    && let Some(id) = row.text("statement_id")
                {
                    found.entry(id).or_default().push(row);
                }
            }
            found
        };
        let prompts = archive.table("prompts").iter();
        // A use has a row once a model asked for it, and another once its result was seen.
        let uses = |table| linked::uses(archive.table(table).iter(), Some(session));
        Self {
            results: by_statement("results"),
            transfers: by_statement("transfers"),
            approvals: by_statement("approvals"),
            approval_texts: by_statement("approval_texts"),
            links: linked::last_ones(archive.table("links").iter()),
            prompts: prompts
                .filter_map(|row| Some((row.text("prompt_key")?, row)))
                .collect(),
            uses: uses("tool_calls"),
            arguments: uses("tool_call_args"),
        }
    }

    /// Lists the deliveries of a statement's result.
    pub(super) fn results(&self, statement: &Entry) -> &[&'a Entry] {
        of(&self.results, statement)
    }

    /// Lists the files that a statement moved.
    pub(super) fn transfers(&self, statement: &Entry) -> &[&'a Entry] {
        of(&self.transfers, statement)
    }

    /// Lists what people were asked and said of a statement.
    pub(super) fn approvals(&self, statement: &Entry) -> &[&'a Entry] {
        of(&self.approvals, statement)
    }

    /// Tells what people were asked and said of a statement, a line each, not escaped: word and text.
    pub(super) fn asked(&self, statement: &Entry) -> Vec<(&'static str, String)> {
        super::approved::lines(
            of(&self.approvals, statement),
            of(&self.approval_texts, statement),
        )
    }

    /// Finds where a statement comes from; none where nobody looked.
    pub(super) fn came(&self, statement: &Entry) -> Option<Came<'a>> {
        let link = *self.links.get(statement.text("statement_id")?)?;
        let prompt = link
            .text("prompt_key")
            .and_then(|key| self.prompts.get(key));
        let prompt = prompt.copied();
        let root = prompt.and_then(|prompt| self.prompts.get(prompt.text("root_prompt_key")?));
        Some(Came {
            link,
            prompt,
            root: root.copied(),
            used: linked::of_link(&self.uses, link),
            arguments: linked::of_link(&self.arguments, link),
        })
    }

    /// Sums up what was masked in a statement's result.
    pub(super) fn hidden(&self, statement: &Entry) -> Hidden {
        let mut hidden = Hidden::default();
        for row in self.results(statement) {
            hidden.cells += row.int("masked_cells").unwrap_or_default();
            for found in row.get("detected").as_list().unwrap_or_default() {
                let detector = found.member(0).as_text().unwrap_or_default();
                let finds = found.member(1).as_int().unwrap_or_default();
                *hidden.detected.entry(detector.to_owned()).or_default() += finds;
            }
        }
        hidden
    }
}

impl Hidden {
    /// Says it in a few words, not escaped; none where nothing was masked.
    pub(super) fn told(&self) -> Option<String> {
        if self.cells == 0 && self.detected.is_empty() {
            return None;
        }
        let noun = if self.cells == 1 { "cell" } else { "cells" };
        let mut words = format!("{} {noun} hidden", self.cells);
        for (detector, finds) in &self.detected {
            words.push_str(&format!(", {detector}: {finds} found"));
        }
        Some(words)
    }
}

fn of<'s, 'a>(rows: &'s BTreeMap<&str, Vec<&'a Entry>>, statement: &Entry) -> &'s [&'a Entry] {
    let id = statement.text("statement_id").unwrap_or_default();
    rows.get(id).map_or(&[], Vec::as_slice)
}

/// Gives what the token showed by which a session's principal is known: the detail of its last event AU001.
pub(super) fn shown(events: &[&Entry]) -> Option<Json> {
    let accepted = |row: &&&Entry| row.text("event_code") == Some("AU001");
    let details = events.iter().filter(accepted).rev();
    let mut details = details.filter_map(|row| serde_json::from_str(row.text("detail")?).ok());
    // A driver's own token is of one login, not of the session.
    details.find(|detail: &Json| detail.get("login").is_none())
}
