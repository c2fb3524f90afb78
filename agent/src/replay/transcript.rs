//! What an agent's own transcript says of the use of a tool that a statement is linked to, beside the record. Pure.
//!
//! A transcript is a file of JSON lines that the agent writes in its own folder, and may write as it likes: that it agrees
//! proves nothing, that it does not is worth a look. No daemon reads one.

use serde_json::Value;

use crate::prompt::secrets::{clean, clean_json};

/// How the transcript stands to what the record has of one thing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stands {
    /// It has the same.
    Agrees,
    /// It has another.
    Differs,
    /// It has none of it.
    #[default]
    Absent,
    /// The record has none, or none that can be read.
    Unknown,
}

impl Stands {
    /// Gives the word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::Differs => "differs",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }
}

/// What the record has, to be looked for.
#[derive(Clone, Debug, Default)]
pub struct Sought {
    /// The provider's id of the use.
    pub tool_call_id: Option<String>,
    /// Its arguments, without secrets.
    pub args: Option<String>,
    /// The prompt, without secrets.
    pub prompt: Option<String>,
}

/// What was found, line by line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The use of the tool, with its arguments.
    pub tool: Stands,
    /// The prompt, as what a person said.
    pub prompt: Stands,
}

impl Transcript {
    /// Begins where nothing was found yet.
    #[must_use]
    pub fn new(sought: &Sought) -> Self {
        let of = |has: bool| if has { Stands::Absent } else { Stands::Unknown };
        Self {
            tool: of(sought.tool_call_id.is_some() && sought.args.is_some()),
            prompt: of(sought.prompt.is_some()),
        }
    }

    /// Reads a line; what is no JSON says nothing.
    ///
    /// Source: Claude Code 2.1.197 (`message.content` of a row, or of its blocks), Codex 0.169.0 (`payload` of a row).
    pub fn read(&mut self, line: &[u8], sought: &Sought) {
        let Ok(row) = serde_json::from_slice::<Value>(line) else {
            return;
        };
        let (message, payload) = (at(&row, "message"), at(&row, "payload"));
        match at(message, "content") {
            Value::String(text) if at(message, "role") == "user" => self.said(text, sought),
            Value::Array(blocks) => {
                for block in blocks {
                    match at(block, "type").as_str() {
                        Some("tool_use") => self.used(at(block, "id"), at(block, "input"), sought),
                        Some("text") if at(message, "role") == "user" => {
                            self.said(at(block, "text").as_str().unwrap_or_default(), sought);
                        }
                        Some(_) | None => {}
                    }
                }
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => {}
        }
        match at(payload, "type").as_str() {
            Some("function_call") => {
                let text = at(payload, "arguments").as_str().unwrap_or_default();
                let arguments = serde_json::from_str(text).unwrap_or(Value::Null);
                self.used(at(payload, "call_id"), &arguments, sought);
            }
            Some("user_message") => {
                self.said(at(payload, "message").as_str().unwrap_or_default(), sought);
            }
            Some(_) | None => {}
        }
    }

    /// Hears of a use. One that differs is not made good by another row.
    fn used(&mut self, id: &Value, arguments: &Value, sought: &Sought) {
        let (Some(known), Some(args)) = (&sought.tool_call_id, &sought.args) else {
            return;
        };
        if id.as_str() != Some(known) || self.tool == Stands::Differs {
            return;
        }
        let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
        // The record's are without secrets.
        let told = parsed(&clean_json(&arguments.to_string()).text);
        self.tool = match parsed(args) {
            Some(args) if Some(&args) == told.as_ref() => Stands::Agrees,
            Some(_) => Stands::Differs,
            None => Stands::Unknown,
        };
    }

    /// Hears what a person said: there may be many others.
    fn said(&mut self, text: &str, sought: &Sought) {
        let is_it = |prompt: &String| clean(text).text.trim() == prompt.trim();
        if sought.prompt.as_ref().is_some_and(is_it) {
            self.prompt = Stands::Agrees;
        }
    }

    /// Tells whether it contradicts the record.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        self.tool == Stands::Differs
    }
}

/// Gives a member of an object, null where there is none.
fn at<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAUDE: [&str; 4] = [
        r#"{"type":"user","promptId":"p","message":{"role":"user","content":"how many?"}}"#,
        r#"{"type":"assistant","message":{"role":"assistant","content":[{"type":"text","text":"I look."},
            {"type":"tool_use","id":"toolu_1","name":"Bash","input":{"description":"d","command":"echo 42"}}]}}"#,
        r#"{"type":"user","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":"42"}]}}"#,
        "no JSON",
    ];

    #[track_caller]
    fn check(lines: &[&str], id: &str, (args, prompt): (&str, &str), expected: (Stands, Stands)) {
        let sought = Sought {
            tool_call_id: Some(id.to_owned()),
            args: Some(args.to_owned()),
            prompt: Some(prompt.to_owned()),
        };
        let mut transcript = Transcript::new(&sought);
        for line in lines {
            transcript.read(line.as_bytes(), &sought);
        }
        assert_eq!((transcript.tool, transcript.prompt), expected);
    }

    #[test]
    fn a_transcript_agrees_differs_or_says_nothing() {
        use Stands::{Absent, Agrees, Differs};
        let args = r#"{"command":"echo 42","description":"d"}"#;
        check(&CLAUDE, "toolu_1", (args, "how many?"), (Agrees, Agrees));
        let other = r#"{"command":"echo 43","description":"d"}"#;
        check(&CLAUDE, "toolu_1", (other, "who?"), (Differs, Absent));
        check(&CLAUDE, "toolu_2", (args, "I look."), (Absent, Absent));
        let codex = [
            r#"{"type":"event_msg","payload":{"type":"user_message","message":"how many?"}}"#,
            r#"{"type":"response_item","payload":{"type":"function_call","arguments":"{\"cmd\":\"ls\"}","call_id":"call_1"}}"#,
        ];
        check(
            &codex,
            "call_1",
            (r#"{"cmd":"ls"}"#, "how many?"),
            (Agrees, Agrees),
        );
        check(
            &codex,
            "call_1",
            (r#"{"cmd":"id"}"#, "how many?"),
            (Differs, Agrees),
        );
    }

    #[test]
    fn what_differs_once_is_not_made_good_and_what_the_record_lacks_is_unknown() {
        let twice = [CLAUDE[1], &CLAUDE[1].replace("42", "43")];
        for args in ["42", "43"] {
            let args = format!(r#"{{"command":"echo {args}","description":"d"}}"#);
            let expected = (Stands::Differs, Stands::Absent);
            check(&twice, "toolu_1", (&args, "x"), expected);
        }
        let transcript = Transcript::new(&Sought::default());
        assert_eq!(transcript.tool, Stands::Unknown);
        assert!(!transcript.contradicts());
    }

    #[test]
    fn secrets_are_taken_out_of_both() {
        let key = ["AKIA", "IOSFODNN7EXAMPLE"].concat();
        let line = format!(
            r#"{{"message":{{"role":"assistant","content":[{{"type":"tool_use","id":"t","input":{{"command":"export K={key}"}}}}]}}}}"#
        );
        let args = clean_json(&format!(r#"{{"command":"export K={key}"}}"#)).text;
        assert!(!args.contains(&key));
        check(
            &[&line],
            "t",
            (&args, "x"),
            (Stands::Agrees, Stands::Absent),
        );
    }
}
