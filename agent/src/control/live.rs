//! What root asks about sessions that live, and what it is told: made of processes that run already, listed, ended.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{HandedToken, Scope};
use crate::id::SessionId;
use crate::identity::Ci;

/// Most sessions that one answer lists: each is a program name and a path at most, and a line has 128 KiB.
pub const LISTED_MAX: usize = 12;

/// What is asked; a part of `Request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "live", rename_all = "snake_case", deny_unknown_fields)]
pub enum LiveAsk {
    /// Makes a session of a process and of all that it started.
    Take(Box<Take>),
    /// Makes a session of a container, which stays in its own cgroup.
    Contain(Box<Contain>),
    /// Has a session's connects of a process's network namespace arrive at the proxy.
    Join {
        /// Names the session.
        session: SessionId,
        /// A process of the session's, in a network of its own.
        pid: u32,
    },
    /// Ends a session, and all that runs in it; a container is cut off.
    End {
        /// Names the session.
        session: SessionId,
    },
    /// Lists the sessions, in the order of their ids.
    List {
        /// Begins behind this one.
        after: Option<SessionId>,
    },
}

/// A session of processes that run already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Take {
    /// The process that the session lives as long as.
    pub pid: u32,
    /// What the caller says about the session.
    pub labels: BTreeMap<String, String>,
    /// The process's program, as the caller found it.
    pub exe: String,
    /// SHA-256 of its arguments, each followed by a NUL.
    pub argv_sha256: [u8; 32],
    /// Whether a job's token will do though the process holds what the job gets tokens by.
    pub allow_same_uid: bool,
    /// How much of a CI job the session is said to hold.
    pub scope: Scope,
    /// What the process's environment says of the CI job that it runs in.
    pub claimed_job: Option<Ci>,
    /// Shows whom the session acts for, if the caller has a token.
    pub identity_token: Option<HandedToken>,
    /// The effective uid that the process must have; the caller looked at it before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// When it must have started, in clock ticks since boot, as field 22 of `/proc/<pid>/stat` tells it (proc(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_ticks: Option<u64>,
    /// Whether its processes trust the CA for model APIs that are read.
    #[serde(default)]
    pub models_trust: ModelsTrust,
}

/// What is known of whether processes that run trust the CA for model APIs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelsTrust {
    /// The caller hands on what makes them trust it, as it does for the other CA.
    Given,
    /// The certificates of hosts' own CAs in the files that their environment names: SHA-256, in hexadecimal.
    Found(BTreeSet<String>),
}

impl Default for ModelsTrust {
    fn default() -> Self {
        Self::Found(BTreeSet::new())
    }
}

/// A session of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contain {
    /// A process in it, and what is known of the session; its scope is the container.
    pub take: Take,
    /// Its cgroup's folder; none if it is the process's own.
    pub cgroup: Option<PathBuf>,
    /// A process that is in its network, if the other one is not.
    pub netns_of: Option<u32>,
    /// Whether an advisory session is of no use to the caller.
    pub require_enforced: bool,
}

/// A session that was made of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contained {
    /// Names the session.
    pub session: SessionId,
    /// The CA's certificate that its processes must trust.
    pub certificate: String,
    /// Its cgroup's folder.
    pub cgroup: PathBuf,
    /// Cookie of its network namespace; none where it shares the host's.
    pub network: Option<u64>,
    /// Why it is advisory, if it is.
    pub advisory: Option<String>,
    /// What its people are to be told of the reading of its model calls.
    #[serde(default)]
    pub notice: Option<String>,
}

/// What is answered; a part of `Reply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "live", rename_all = "snake_case", deny_unknown_fields)]
pub enum LiveReply {
    /// The processes are in a session.
    Taken(Taken),
    /// The container is a session.
    Contained(Contained),
    /// The session's connects of that network arrive at the proxy.
    Joined {
        /// Cookie of the network namespace; none where it is the host's.
        network: Option<u64>,
    },
    /// Some of the sessions.
    Listed {
        /// The next ones.
        sessions: Vec<LiveSession>,
        /// Whether more follow.
        more: bool,
    },
}

/// A session that was made of processes that ran already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taken {
    /// Names the session.
    pub session: SessionId,
    /// Where the CA's certificate is that its processes must trust: a file of the proxy's user.
    pub ca: PathBuf,
    /// That certificate, as it is in the file.
    pub certificate: String,
    /// Its cgroup's folder.
    pub cgroup: PathBuf,
    /// How many processes were moved.
    pub processes: u64,
    /// Why it is advisory.
    pub advisory: String,
    /// What its people are to be told of the reading of its model calls.
    #[serde(default)]
    pub notice: Option<String>,
}

/// A session that lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveSession {
    /// Names the session.
    pub session: SessionId,
    /// Its cgroup's folder: what is started in it or below, such as a container with it as `--cgroup-parent`, is in the session.
    pub cgroup: PathBuf,
    /// When it opened (RFC 3339).
    pub opened_at: String,
    /// Whose command it is.
    pub user: String,
    /// That user's number.
    pub uid: u32,
    /// The process that it began with: its `icecore run`, or the one it was made of.
    pub pid: u32,
    /// The program; claimed.
    pub exe: String,
    /// `enforced` or `advisory`.
    pub enforcement: String,
    /// `command`, `step`, `job` or `container`.
    pub scope: String,
    /// Whether it was made of processes that ran already, and lives as long as the first of them.
    pub entered: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::request::Request;

    #[test]
    fn asks_have_the_documented_form() {
        let text =
            r#"{"ask":"live","live":"end","session":"01890a5d-ac96-774b-bcce-b302099a8057"}"#;
        let request: Request = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        for bad in [
            r#"{"ask":"live","live":"end"}"#,
            r#"{"ask":"live","live":"end","session":"x","all":true}"#,
            r#"{"ask":"live","live":"take","pid":7}"#,
        ] {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_list_fits_a_line() {
        let one = LiveSession {
            session: SessionId::new(),
            cgroup: PathBuf::from("x".repeat(4096)),
            opened_at: "2026-11-27T15:00:00.123456789+00:00".to_owned(),
            user: "u".repeat(256),
            uid: u32::MAX,
            pid: u32::MAX,
            exe: "e".repeat(4096),
            enforcement: "advisory".to_owned(),
            scope: "command".to_owned(),
            entered: true,
        };
        let reply = LiveReply::Listed {
            sessions: vec![one; LISTED_MAX],
            more: true,
        };
        assert!(serde_json::to_vec(&reply).unwrap().len() < 128 << 10);
    }
}
