//! What the command line asks of the supervisor, and what it is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::live::{LiveAsk, LiveReply};
use super::reload::{ConfigReload, Reload};
use super::sign_in::{SignInAsk, SignInReply};
use super::upgrade::{UpgradeAsk, UpgradeReply};
use super::{HandedToken, Leftover, Scope, SessionSummary};
use crate::id::SessionId;
use crate::identity::Ci;

/// Most labels that a session may have.
pub const LABELS_MAX: usize = 64;

/// Most prompts that are handed over at a session's opening.
pub const PROMPTS_MAX: usize = 16;

/// Longest name of a label, in bytes.
pub const LABEL_NAME_MAX_BYTES: usize = 64;

/// Longest value of a label, in bytes.
pub const LABEL_VALUE_MAX_BYTES: usize = 512;

/// What is asked; one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Asks how a token for a session is to be had.
    Identity {},
    /// Opens a session that lives as long as this connection.
    Open {
        /// What the caller says about the session.
        labels: BTreeMap<String, String>,
        /// The program that will run, as the caller found it.
        exe: String,
        /// SHA-256 of its arguments, each followed by a NUL.
        argv_sha256: [u8; 32],
        /// Whether an advisory session is of no use to the caller.
        require_enforced: bool,
        /// As whom the command is to run, if that is another than the caller; root only.
        user: Option<String>,
        /// Whether a job's token will do though the command can read what its caller has.
        #[serde(default)]
        allow_same_uid: bool,
        /// How much of a CI job the session is said to hold.
        #[serde(default)]
        scope: Scope,
        /// What the caller says of the CI job that it runs in.
        claimed_job: Option<Box<Ci>>,
        /// Shows whom the session acts for, if the caller has one.
        identity_token: Option<HandedToken>,
        /// Digests of the prompts that its agent is to be given.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        prompts: Vec<[u8; 32]>,
    },
    /// Moves the asking process into a session.
    Enter {
        /// Names the session.
        session: SessionId,
        /// The token that the session was opened with; good for one process.
        token: String,
    },
    /// Takes up a session that was opened over an earlier connection, to an earlier supervisor.
    Attach {
        /// Names the session.
        session: SessionId,
        /// The secret that the session was opened with.
        secret: String,
    },
    /// Shows by a fresh token whom the session of this connection acts for.
    Identify {
        /// The token.
        identity_token: HandedToken,
    },
    /// Ends the session of this connection.
    Close {
        /// `exited N` or `signalled N`.
        reason: String,
    },
    /// Seals the record and hands it to the store; root only.
    Flush {},
    /// Takes the policies of their folder, if they are good; root only.
    Reload {},
    /// Takes the config file and its policies, if both are good; root only.
    ReloadConfig {},
    /// Prints log lines from a level on, until the daemon ends or the config is reloaded; root only.
    SetLog {
        /// Such as `info,proxy=debug`.
        level: String,
    },
    /// Makes, lists or ends sessions that live; root only.
    Live(LiveAsk),
    /// Signs the caller's user in, as `icecore login` does it step by step.
    Login(SignInAsk),
    /// Replaces the proxy or the daemon; root only.
    Upgrade(UpgradeAsk),
}

/// What is answered; one line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case", deny_unknown_fields)]
pub enum Reply {
    /// How a token for a session is to be had.
    Identity(Wanted),
    /// The session is open, its cgroup made, its record begun.
    Opened(Opened),
    /// The asking process is in the session.
    Entered {},
    /// The session lives as long as this connection.
    Attached {},
    /// The fresh token shows whom the session acts for already, which goes on.
    Identified {},
    /// The fresh token does not; the session goes on as before.
    NotIdentified {
        /// Why, for the user.
        reason: String,
    },
    /// The session ended.
    Closed {
        /// What it did, if the proxy could tell.
        summary: Option<SessionSummary>,
        /// What was killed.
        leftovers: Vec<Leftover>,
        /// What went wrong while it was closed.
        problem: Option<String>,
    },
    /// The record is stored.
    Flushed {},
    /// What became of the policies.
    Reload(Reload),
    /// What became of the config.
    ConfigReload(ConfigReload),
    /// Log lines are printed so.
    LogSet {},
    /// What became of a session that lives, or which there are.
    Live(LiveReply),
    /// Where the caller's sign-in stands.
    Login(SignInReply),
    /// How a replacement stands.
    Upgrade(UpgradeReply),
    /// The answer is no.
    Refused {
        /// Why, for the user.
        reason: String,
    },
}

/// How a token for a session is to be had. Neither is set where the daemon has no issuers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// The variable in which a CI system may have left one.
    pub variable: Option<String>,
    /// The audience to ask GitHub Actions for one with.
    pub github_audience: Option<String>,
}

/// A session that was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Opened {
    /// Names the session.
    pub session: SessionId,
    /// Proves to a later supervisor whose session it is.
    pub secret: String,
    /// Lets one process enter.
    pub token: String,
    /// Where the CA's certificate is that the session's processes must trust: a file of the proxy's user.
    pub ca: PathBuf,
    /// That certificate, as it is in the file; whoever writes it elsewhere takes certificates alone out of it.
    pub certificate: String,
    /// `enforce` or `observe`.
    pub mode: String,
    /// `strict_local` or `best_effort`.
    pub record_mode: String,
    /// URL of the store that has its record.
    pub store: String,
    /// Why the session is advisory, if it is.
    pub advisory: Option<String>,
    /// Whether it acts by a job's token though its command can read what its caller has.
    pub same_uid: bool,
    /// Whether its command may use `io_uring`.
    #[serde(default)]
    pub io_uring: bool,
    /// What its people are to know before its command begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
    /// Whether its telemetry is received.
    #[serde(default)]
    pub telemetry: bool,
}

/// Says what is wrong with a session's labels, if anything is.
///
/// # Errors
/// A text for the user.
pub fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), String> {
    if labels.len() > LABELS_MAX {
        return Err(format!(
            "expected at most {LABELS_MAX} labels, found {}",
            labels.len()
        ));
    }
    for (name, value) in labels {
        let word = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
        if name.is_empty() || name.len() > LABEL_NAME_MAX_BYTES || !name.chars().all(word) {
            return Err(format!(
                "expected a label name of 1 to {LABEL_NAME_MAX_BYTES} letters, digits, `-`, `_`, `.` and `/`, found {name:?}"
            ));
        }
        if value.len() > LABEL_VALUE_MAX_BYTES {
            return Err(format!(
                "label `{name}`: expected a value of at most {LABEL_VALUE_MAX_BYTES} bytes, found {}",
                value.len()
            ));
        }
    }
    Ok(())
}

/// Says what is wrong with what a caller says of its job, if anything is: each fact is bounded as a label is.
///
/// # Errors
/// A text for the user.
pub fn check_job(job: &Ci) -> Result<(), String> {
    let is_plain =
        |text: &str| text.len() <= LABEL_VALUE_MAX_BYTES && !text.chars().any(char::is_control);
    if job.texts().all(is_plain) {
        return Ok(());
    }
    Err(format!(
        "facts of the job: expected at most {LABEL_VALUE_MAX_BYTES} bytes each without control characters, found others"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_of_a_job_have_limits_and_known_names() {
        let of = |text: &str| Ci {
            actor: Some(text.to_owned()),
            ..Ci::default()
        };
        assert_eq!(check_job(&of(&"x".repeat(LABEL_VALUE_MAX_BYTES))), Ok(()));
        assert!(check_job(&of(&"x".repeat(LABEL_VALUE_MAX_BYTES + 1))).is_err());
        assert!(check_job(&of("a\u{1b}")).is_err());
        assert_eq!(
            serde_json::from_str::<Ci>(r#"{"actor":"a"}"#).unwrap(),
            of("a")
        );
        assert!(serde_json::from_str::<Ci>(r#"{"actors":"a"}"#).is_err());
    }

    #[test]
    fn requests_have_the_documented_form() {
        let text =
            r#"{"ask":"attach","session":"01890a5d-ac96-774b-bcce-b302099a8057","secret":"x"}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
    }

    #[test]
    fn opened_sessions_read_back() {
        let reply = Reply::Opened(Opened {
            session: SessionId::new(),
            secret: "s".to_owned(),
            token: "t".to_owned(),
            ca: PathBuf::from("/ca.pem"),
            certificate: "c".to_owned(),
            mode: "enforce".to_owned(),
            record_mode: "strict_local".to_owned(),
            store: "file:///s".to_owned(),
            advisory: None,
            same_uid: false,
            io_uring: false,
            notice: None,
            telemetry: false,
        });
        let text = serde_json::to_string(&reply).unwrap();
        assert!(text.starts_with("{\"answer\":\"opened\",\"session\":"));
        assert_eq!(serde_json::from_str::<Reply>(&text).unwrap(), reply);
    }

    #[test]
    fn unknown_requests_and_fields_are_refused() {
        for text in [
            r#"{"ask":"arm"}"#,
            r#"{"ask":"flush","all":true}"#,
            r#"{"ask":"close"}"#,
            r#"{"session":"x"}"#,
            r#"[]"#,
        ] {
            assert!(serde_json::from_str::<Request>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn labels_have_limits() {
        let one = |name: &str, value: String| check_labels(&[(name.to_owned(), value)].into());
        assert_eq!(one("ci.job/7", "any \u{1b} text".to_owned()), Ok(()));
        assert!(one("", String::new()).is_err());
        assert!(one("a b", String::new()).is_err());
        assert!(one("a", "x".repeat(LABEL_VALUE_MAX_BYTES + 1)).is_err());
        let many = (0..=LABELS_MAX).map(|n| (n.to_string(), String::new()));
        assert!(check_labels(&many.collect()).is_err());
    }
}
