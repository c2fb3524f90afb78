//! What a process's environment says of the agent that started it: claims, since whoever starts a program writes it.

use serde::{Deserialize, Serialize};

/// Names the span that started the process (W3C Trace Context as OpenTelemetry's "Environment Variables as Context
/// Propagation Carriers" has it).
const TRACEPARENT: &str = "TRACEPARENT";

/// Variables that name an agent's session. Sources: Claude Code's CHANGELOG, 2.1.132; openai/codex `exec_env.rs`; hooks of Gemini
/// CLI. Codex's thread is none: a sub-agent has another.
const SESSIONS: [&str; 3] = [
    "CLAUDE_CODE_SESSION_ID",
    "CODEX_SESSION_ID",
    "GEMINI_SESSION_ID",
];

/// Longest value that is kept, in bytes: as of the ids that requests to models carry.
const VALUE_MAX_BYTES: usize = 256;

/// What of an environment is kept: nothing but the values of these variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// The trace that it was started in, as it stands there.
    pub traceparent: Option<String>,
    /// The sessions of agents that it was started in.
    pub agent_sessions: Vec<String>,
}

impl Environment {
    /// Takes what is kept out of the bytes of an environment: texts that each end in a zero (proc_pid_environ(5)).
    ///
    /// The first of a name counts, as for getenv(3). A text that does not end is one that was cut: it says nothing.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == 0)
            .and_then(|end| bytes.get(..end))
            .unwrap_or_default();
        let value = |name: &str| {
            let mut texts = whole.split(|byte| *byte == 0);
            let value =
                texts.find_map(|text| text.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
            value.and_then(kept)
        };
        Self {
            traceparent: value(TRACEPARENT),
            agent_sessions: SESSIONS.into_iter().filter_map(value).collect(),
        }
    }
}

/// Gives a value as a text, if it can be an id: short, visible ASCII.
fn kept(value: &[u8]) -> Option<String> {
    let fits = (1..=VALUE_MAX_BYTES).contains(&value.len());
    let is_visible = value.iter().all(u8::is_ascii_graphic);
    (fits && is_visible).then(|| String::from_utf8_lossy(value).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_kept_but_what_is_named() {
        let bytes = b"PATH=/bin\0SNOWFLAKE_PASSWORD=geheim\0TRACEPARENT=00-ab-cd-01\0\
            NOT_CLAUDE_CODE_SESSION_ID=no\0CLAUDE_CODE_SESSION_ID=one\0CODEX_SESSION_ID=two\0";
        let found = Environment::of(bytes);
        assert_eq!(
            found,
            Environment {
                traceparent: Some("00-ab-cd-01".to_owned()),
                agent_sessions: vec!["one".to_owned(), "two".to_owned()],
            }
        );
        assert!(!format!("{found:?}").contains("geheim"));
    }

    #[test]
    fn the_first_of_a_name_counts_and_what_is_no_id_is_none() {
        let sessions = |text: &str| Environment::of(text.as_bytes()).agent_sessions;
        let one = "CODEX_SESSION_ID=one\0";
        assert_eq!(sessions(&format!("{one}CODEX_SESSION_ID=two\0")), ["one"]);
        for other in ["", " ", "a b", "a\nb", "ä", &"x".repeat(257)] {
            assert_eq!(
                sessions(&format!("CODEX_SESSION_ID={other}\0{one}")),
                [""; 0]
            );
        }
        // What was cut may be the beginning of another value.
        assert_eq!(sessions("A=1\0CODEX_SESSION_ID=one"), [""; 0]);
        assert_eq!(Environment::of(b""), Environment::default());
    }

    proptest! {
        #[test]
        fn any_bytes_give_ids_or_nothing(bytes: Vec<u8>, value: Vec<u8>) {
            let named = [&bytes, b"\0CODEX_SESSION_ID=".as_slice(), &value, b"\0"].concat();
            for found in [Environment::of(&bytes), Environment::of(&named)] {
                let mut ids = found.traceparent.iter().chain(&found.agent_sessions);
                prop_assert!(ids.all(|id| kept(id.as_bytes()).is_some()));
            }
        }
    }
}
