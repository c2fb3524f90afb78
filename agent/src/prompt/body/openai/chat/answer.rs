//! Answers of the Chat Completions API.
//!
//! A call has no mark of its end: parts come by index until the choice has a `finish_reason`.
//! Source: developers.openai.com, API reference, "Chat Completions", "Streaming".

use std::collections::{BTreeMap, BTreeSet};

use crate::prompt::body::json::{Members, text};
use crate::prompt::body::status::Notes;
use crate::prompt::body::telling::{Form, Open, Telling};

/// Most calls that are open at once.
const OPEN_MAX: usize = 1024;

/// Calls that are open, by choice and index.
#[derive(Default)]
pub(in crate::prompt::body) struct Choices {
    open: BTreeMap<(i64, i64), Open>,
    /// Choices that ended.
    ended: BTreeSet<i64>,
}

/// The index of a call in the old form, of which there is one.
const FUNCTION_CALL: i64 = -1;

impl Choices {
    /// Takes one event's data.
    pub(in crate::prompt::body) fn event(&mut self, data: &str, telling: &mut Telling) {
        if data.trim() == "[DONE]" {
            telling.ended = true;
            return;
        }
        let Some(chunk) = telling.members(data) else {
            return;
        };
        if chunk.raw("choices").is_none()
            && let Some(error) = chunk.object("error")
        {
            error_of(&error, telling);
            telling.ended = true;
            return;
        }
        head(&chunk, telling);
        for choice in chunk.items("choices") {
            let Some(choice) = Members::of(choice) else {
                telling.unreadable();
                continue;
            };
            let number = choice.number("index").unwrap_or(0);
            if let Some(delta) = choice.object("delta") {
                self.delta(number, &delta, telling);
            } else if let Some(message) = choice.object("message") {
                self.message(number, &message, telling);
            }
            if let Some(reason) = choice.text("finish_reason") {
                telling.stop_reason(Some(&reason));
                self.finish(number, telling);
            }
        }
    }

    fn delta(&mut self, choice: i64, delta: &Members<'_>, telling: &mut Telling) {
        for part in delta.items("tool_calls") {
            let Some(part) = Members::of(part) else {
                telling.unreadable();
                continue;
            };
            let index = part
                .number("index")
                .unwrap_or_else(|| self.place(choice, &part));
            self.part(choice, index, &part, telling);
        }
        if let Some(function) = delta.object("function_call") {
            self.function(choice, FUNCTION_CALL, None, &function, telling);
        }
    }

    /// Takes a choice that is not streamed: its calls stand in order, without an index.
    fn message(&mut self, choice: i64, message: &Members<'_>, telling: &mut Telling) {
        for (index, part) in (0..).zip(message.items("tool_calls")) {
            match Members::of(part) {
                Some(part) => self.part(choice, index, &part, telling),
                None => telling.unreadable(),
            }
        }
        if let Some(function) = message.object("function_call") {
            self.function(choice, FUNCTION_CALL, None, &function, telling);
        }
    }

    /// Gives the index of a part that tells none, as some copies of the API have it: a new id is a new call.
    fn place(&self, choice: i64, part: &Members<'_>) -> i64 {
        let calls = self.open.range((choice, 0)..=(choice, i64::MAX));
        let Some(((_, last), open)) = calls.last() else {
            return 0;
        };
        let another = part
            .text("id")
            .is_some_and(|id| open.id.as_deref() != Some(id.as_ref()));
        if another {
            last.saturating_add(1)
        } else {
            *last
        }
    }

    fn part(&mut self, choice: i64, index: i64, part: &Members<'_>, telling: &mut Telling) {
        let id = part.text("id");
        if let Some(custom) = part.object("custom") {
            self.function(choice, index, id.as_deref(), &custom, telling);
            if let Some(open) = self.open.get_mut(&(choice, index)) {
                open.form = Form::Text;
            }
        } else if let Some(function) = part.object("function") {
            self.function(choice, index, id.as_deref(), &function, telling);
        } else {
            telling.unknown();
        }
    }

    fn function(
        &mut self,
        choice: i64,
        index: i64,
        id: Option<&str>,
        function: &Members<'_>,
        telling: &mut Telling,
    ) {
        let name = function.text("name");
        let key = (choice, index);
        if !self.open.contains_key(&key) {
            if self.ended.contains(&choice) || (id.is_none() && name.is_none()) {
                telling.out_of_order();
            }
            if self.open.len() >= OPEN_MAX {
                Notes::count(&mut telling.answer.notes.dropped);
                return;
            }
            self.open
                .insert(key, Open::new(id, name.as_deref().unwrap_or_default()));
        }
        let Some(open) = self.open.get_mut(&key) else {
            return;
        };
        named_later(open, id, name.as_deref());
        match function.raw("arguments").or(function.raw("input")) {
            None => {}
            Some(raw) => match text(raw) {
                Some(part) => telling.add(open, part.as_bytes()),
                // Some copies of the API give the object itself.
                None if raw.get().starts_with('{') => telling.add(open, raw.get().as_bytes()),
                None => {
                    telling.unreadable();
                    open.breaks();
                }
            },
        }
    }

    fn finish(&mut self, choice: i64, telling: &mut Telling) {
        if self.ended.len() < OPEN_MAX {
            self.ended.insert(choice);
        }
        telling.ended = true;
        let mut rest = self.open.split_off(&(choice, i64::MIN));
        if let Some(next) = choice.checked_add(1) {
            let mut behind = rest.split_off(&(next, i64::MIN));
            self.open.append(&mut behind);
        }
        for call in rest.into_values() {
            telling.give(call);
        }
    }

    /// Ends the stream: gives what is still open.
    pub(in crate::prompt::body) fn end(self, telling: &mut Telling) {
        for call in self.open.into_values() {
            telling.give_unfinished(call);
        }
    }
}

/// Takes a whole answer, not streamed.
pub(in crate::prompt::body) fn whole(text: &str, telling: &mut Telling) {
    let mut choices = Choices::default();
    choices.event(text, telling);
    telling.ended = true;
    // Without a `finish_reason` they are whole all the same.
    for call in choices.open.into_values() {
        telling.give(call);
    }
}

/// Takes an id or a name that comes after its call began.
fn named_later(open: &mut Open, id: Option<&str>, name: Option<&str>) {
    let later = Open::new(id, name.unwrap_or_default());
    if open.id.is_none() {
        open.id = later.id;
    }
    if open.name.is_empty() {
        open.name = later.name;
        open.mcp_server = later.mcp_server;
    }
}

fn head(chunk: &Members<'_>, telling: &mut Telling) {
    telling.response_id(chunk, "id");
    telling.model(chunk, "model");
    if let Some(usage) = chunk.object("usage") {
        let tokens = &mut telling.answer.tokens;
        tokens.input = usage.number("prompt_tokens").or(tokens.input);
        tokens.output = usage.number("completion_tokens").or(tokens.output);
        let details = usage.object("prompt_tokens_details");
        let cached = details.and_then(|details| details.number("cached_tokens"));
        tokens.cache_read = cached.or(tokens.cache_read);
    }
}

fn error_of(error: &Members<'_>, telling: &mut Telling) {
    telling.error(error.text("code").or(error.text("type")).as_deref());
}
