//! How the launcher, the supervisor and the proxy talk to each other.
//!
//! Two conversations, both in JSON: `icecore run` and its kin speak to the supervisor in lines over a unix socket
//! (`request`, `line`); the supervisor and its proxy speak in packets over a socketpair that also carries descriptors
//! (`packet`, `supervisor_link`, `proxy_link`). What they say about a session is here.

mod lending;
pub mod detached;
pub mod line;
pub mod live;
pub mod observed;
pub(crate) mod packet;
mod proxy_link;
pub mod reload;
pub mod request;
pub mod seen;
pub mod sign_in;
mod supervisor_link;
pub mod telemetry;
pub mod upgrade;

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::id::{LoginId, SessionId};
use crate::identity::Ci;
use crate::snowflake::secret::{Secret, revealed};

pub use lending::{Borrower, Connected, Declined, Request, Wanted};
pub use proxy_link::{Heard, LinkError, ProxyLink};
pub use seen::{SeenDenial, SessionSeen};
pub use supervisor_link::{Keeper, Parting, SessionHandler, SupervisorLink, receive_handover};

/// What a proxy is started with.
#[derive(Debug)]
pub struct Handover {
    /// The config file, which the proxy reads for itself.
    pub config: PathBuf,
    /// The listening sockets on 127.0.0.1 and `::1`, not blocking; the second is absent where there is no IPv6.
    pub listeners: Vec<TcpListener>,
    /// The map that tells an accepted socket's session and original destination.
    pub destinations: OwnedFd,
    /// The map that the proxy shows its heartbeat in, for writing.
    pub heartbeat: OwnedFd,
    /// Whether it takes the place of a proxy that served: the policies that were in force stay so.
    pub is_next: bool,
    /// Whether that proxy still serves: the record is its own until the supervisor says otherwise.
    pub waits: bool,
}

/// What is known about a session when it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionFacts {
    /// Names the session.
    pub id: SessionId,
    /// Tells this session's sockets from those of an earlier cgroup with the same id.
    pub nonce: u64,
    /// The inode number of the session's cgroup folder, by which the kernel names it.
    pub cgroup_id: u64,
    /// The user that its command runs as.
    pub uid: u32,
    /// That user's name, or the number where it has none.
    pub user: String,
    /// Who started it, if that is another user: root.
    #[serde(default)]
    pub caller: Option<Asker>,
    /// Who else has that uid of those that started it, in words; such a process is open to the command.
    #[serde(default)]
    pub shares_uid: Option<String>,
    /// Whether the caller lets a job's token be used all the same.
    #[serde(default)]
    pub allow_same_uid: bool,
    /// The `icecore run` that started it.
    pub pid: u32,
    /// When that process started, in nanoseconds since boot; with `pid` it names the process for good.
    pub start_ns: u64,
    /// The program that is run, as `icecore run` found it; claimed by it.
    pub exe: String,
    /// SHA-256 of the command's arguments, each followed by a NUL; claimed by `icecore run`.
    pub argv_sha256: [u8; 32],
    /// What the caller says about the session; claimed by it.
    pub labels: BTreeMap<String, String>,
    /// What the caller says of the CI job that it runs in, if the config has that recorded; claimed by it.
    #[serde(default)]
    pub claimed_job: Option<Ci>,
    /// When it was opened.
    #[serde(with = "moment")]
    pub opened_at: DateTime<Utc>,
    /// Whether an earlier proxy was told of it already.
    pub resumed: bool,
    /// Whether its processes are held by more than their own good will.
    pub enforcement: Enforcement,
    /// How much of a CI job it holds; claimed by the caller.
    #[serde(default)]
    pub scope: Scope,
    /// Whether the user's `icecore login` shows who it acts for.
    #[serde(default)]
    pub by_login: bool,
    /// What shows who it acts for; the supervisor reads none of it.
    #[serde(default)]
    pub proof: Proof,
    /// What of its model calls is read, if anything is.
    #[serde(default)]
    pub models: Option<ModelsRead>,
    /// The hosts whose calls would be read, and are not, since its processes were not found to trust the CA for them.
    #[serde(default)]
    pub models_unread: Vec<String>,
    /// Digests of prompts that the caller handed over, as `prompt_digest` makes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prompts: Vec<[u8; 32]>,
}

/// What of a session's model calls is read, as its people were told when it began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelsRead {
    /// Names the CA that its processes trust for these hosts; none where all of them speak plain HTTP.
    pub ca: Option<String>,
    /// The hosts; `*.` before one stands for all names below it.
    pub hosts: Vec<String>,
    /// What is kept: `link_only`, `all` or `none`.
    pub capture: String,
    /// For how many days.
    pub days: u64,
    /// Whether its telemetry is received.
    #[serde(default)]
    pub telemetry: bool,
    /// Whether the host hides who started whom, so that nothing is surer than E.
    #[serde(default)]
    pub lineage_unseen: bool,
}

impl ModelsRead {
    /// Says it in a line, for the log of the job.
    #[must_use]
    pub fn notice(&self) -> String {
        let hosts = self.hosts.join(", ");
        let days = self.days;
        let telemetry = match self.telemetry {
            true => ", and what its agents tell of their tools by OpenTelemetry",
            false => "",
        };
        let kept = match self.capture.as_str() {
            "all" => format!("prompts and tool calls are kept for {days} days"),
            "none" => format!(
                "no text of them is kept; which call led to which statement is, for {days} days"
            ),
            _ => format!(
                "prompts and tool calls that led to a Snowflake statement are kept for {days} days, others are dropped"
            ),
        };
        let unseen = match self.lineage_unseen {
            true => {
                "; which process started which is not seen on this host, so that no statement is linked surer than E: mount tracefs at \
                 /sys/kernel/tracing and restart the daemon"
            }
            false => "",
        };
        format!(
            "notice: calls to the model APIs {hosts} are read in this session{telemetry}; {kept}; credentials and system prompts are not kept{unseen}"
        )
    }
}

/// A user that started a session for another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asker {
    /// Its number.
    pub uid: u32,
    /// Its name, or the number where it has none.
    pub user: String,
}

/// Longest that a session's facts may be as they are written; a packet has room for them and what else is said beside.
pub const FACTS_MAX_BYTES: usize = 120 << 10;

impl SessionFacts {
    /// Tells how long they are as they are written.
    #[must_use]
    pub fn written_bytes(&self) -> usize {
        serde_json::to_vec(self).map_or(usize::MAX, |bytes| bytes.len())
    }

    /// Gives the user whose processes may hold the session and enter it.
    #[must_use]
    pub fn caller_uid(&self) -> u32 {
        self.caller.as_ref().map_or(self.uid, |caller| caller.uid)
    }
}

/// What shows who a session acts for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// Nothing was brought: it is the host user's own.
    #[default]
    Absent,
    /// A token that nobody has verified yet.
    Token(HandedToken),
    /// The token of the user's `icecore login`, which shows several sessions of theirs.
    Kept(HandedToken),
    /// What a proxy made of the token, which only a proxy of this host can take back.
    Sealed(String),
}

/// What a proxy found out about who a new session acts for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What every proxy knows the principal by from here on, if a token showed it.
    pub sealed: Option<String>,
    /// Whether it acts by a job's token though its command can read what its caller has.
    pub same_uid: bool,
    /// What of its model calls is to be read, if anything is.
    #[serde(default)]
    pub models: Option<ModelsRead>,
}

/// A token that a session was shown after it opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreshToken {
    /// Names the session.
    pub id: SessionId,
    /// The token, which nobody has verified yet.
    pub token: HandedToken,
}

/// How a session's login stands, for the next proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptLogin {
    /// The login's session.
    pub session: SessionId,
    /// Names the login.
    pub login: LoginId,
    /// What only a proxy of this host can read and go on with; none once the login is over.
    pub sealed: Option<String>,
}

/// Longest sealed login that is handed on: its principal may have the groups of a long token.
pub const SEALED_LOGIN_MAX_BYTES: usize = 64 << 10;

/// Longest text of a token that is handed on; SAML assertions are the longest.
pub const TOKEN_TEXT_MAX_BYTES: usize = 64 << 10;

/// A token on its way from `icecore run` to the proxy: a secret that is written down nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HandedToken(#[serde(with = "revealed")] Secret);

impl HandedToken {
    /// Takes a token's text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Secret::new(text))
    }

    /// Gives the text out, for the one place that verifies it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.reveal()
    }
}

/// Whether a session's processes are held by more than their own good will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Enforcement {
    /// They have no known way around the redirection.
    Enforced,
    /// Their user is root or can become root, and root can take the redirection away; or processes outside have their uid, and
    /// what can be taken over outside is not held.
    Advisory,
}

impl Enforcement {
    /// Gives the word that the record uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforced => "enforced",
            Self::Advisory => "advisory",
        }
    }
}

/// How much of a CI job a session holds: what runs in a job outside of it is not governed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One command, in no job.
    #[default]
    Command,
    /// One step; others of its job run outside.
    Step,
    /// The whole job.
    Job,
    /// A container, from when it was told of on.
    Container,
}

impl Scope {
    /// Gives the word that the record uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Step => "step",
            Self::Job => "job",
            Self::Container => "container",
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnd {
    /// Names the session.
    pub id: SessionId,
    /// `exited N`, `signalled N`, `control lost`, `process ended`, `container ended`, `closed` or `daemon`.
    pub reason: String,
    /// What was still running when its command was done, and was killed.
    pub leftovers: Vec<Leftover>,
    /// CPU time of its processes in microseconds; none where nobody was there to read it.
    pub cpu_us: Option<u64>,
}

/// A process that outlived its session's command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leftover {
    /// Its process id.
    pub pid: u32,
    /// Its name, which the process chose; escape it before it is shown.
    pub comm: String,
}

/// What a session did, for its summary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSummary {
    /// Statements that were asked for.
    pub statements: u64,
    /// Those that were let through.
    pub allowed: u64,
    /// Those that were refused.
    pub refused: u64,
    /// Those that were let through and then failed.
    pub failed: u64,
    /// Other things of note that the record has.
    pub events: u64,
    /// `enforce` or `observe`.
    pub mode: String,
    /// Whether all of it is in the record.
    pub recorded: bool,
    /// Whether an earlier proxy served it too, whose part of these counts is in the record alone.
    #[serde(default)]
    pub resumed: bool,
    /// What the host itself saw of it.
    #[serde(default)]
    pub seen: SessionSeen,
}

/// Why a conversation cannot go on.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The socket failed.
    #[error("control socket failed")]
    Socket(#[from] io::Error),
    /// The other end went away.
    #[error("the other end is gone")]
    Gone,
    /// A message is longer than anything this protocol says.
    #[error("expected a message of at most {limit_bytes} bytes, found a longer one")]
    TooLong {
        /// The longest message that is read.
        limit_bytes: usize,
    },
    /// A message is not one of this protocol's.
    #[error("message not understood: {0}")]
    NotUnderstood(String),
    /// The supervisor did not say in time that it keeps a login.
    #[error("the supervisor did not answer within {0:?}")]
    Late(Duration),
    /// The descriptors of a handover are not those it announced.
    #[error("expected {expected} descriptors with the handover, found {found}")]
    Descriptors {
        /// How many were announced.
        expected: usize,
        /// How many came.
        found: usize,
    },
}

/// Writes a time as nanoseconds since 1970, exactly.
mod moment {
    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    pub(super) fn serialize<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        let nanos = at
            .timestamp_nanos_opt()
            .ok_or_else(|| ser::Error::custom("a time outside of 1677 to 2262"))?;
        to.serialize_i64(nanos)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<DateTime<Utc>, D::Error> {
        i64::deserialize(from)
            .map(DateTime::from_timestamp_nanos)
            .map_err(de::Error::custom)
    }
}
