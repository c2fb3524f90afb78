//! What the supervisor observes and the proxy records: what the kernel denied, and whether the programs are at work.

use serde::{Deserialize, Serialize};

use crate::connection::redirect::Seen;
use crate::id::SessionId;

/// One thing that was observed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Observed {
    /// The kernel denied a process something.
    Denied(Box<Offender>),
    /// The programs or their pins were found gone; the sessions that ran were ended.
    Tampered {
        /// What was found, a sentence each.
        found: Vec<String>,
        /// The sessions that were ended.
        sessions: Vec<SessionId>,
        /// Why they could not be brought back; none if they were.
        problem: Option<String>,
    },
    /// The proxy showed no heartbeat for so long; sessions' connects were refused meanwhile.
    HeartbeatLost {
        /// How long, in milliseconds, until it was seen to show one again.
        lasted_ms: u64,
    },
    /// Events of the kernel's that nobody was told.
    Lost {
        /// Those that found the kernel's ring, or the supervisor's queue, full.
        events: u64,
        /// Those that were over their session's rate.
        over_rate: u64,
        /// Redirected connections whose destination could not be carried to the proxy; they were reset.
        flows: u64,
    },
}

/// Who was denied something, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offender {
    /// What the kernel saw.
    pub seen: Seen,
    /// When the process started, in nanoseconds since boot; none if it was gone.
    pub start_ns: Option<i64>,
    /// Its program; none if it was gone.
    pub exe: Option<String>,
    /// Programs of its ancestors, the oldest first, itself last; as far as they were there.
    pub ancestors: Vec<String>,
    /// Names of the execs that it descends from, the latest last, where lineage is observed.
    pub execs: Vec<String>,
}
