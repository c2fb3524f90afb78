//! What is said about a replacement of the proxy or of the whole daemon: by `icecore upgrade` to the supervisor, and by
//! that to the program that is to take its place.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Form of what one supervisor hands to the next over an exec. A program of another form is refused.
pub const HANDOVER_FORMAT: u32 = 2;

/// What `icecore upgrade` asks; a part of `Request`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpgradeAsk {
    /// Replaces the proxy by one that reads the config anew.
    Proxy {
        /// How long to wait for a moment at which nothing is under way, in seconds.
        wait_s: u64,
        /// Whether what is under way by then is cut off.
        now: bool,
    },
    /// Replaces the daemon by a program that takes all over.
    Daemon {
        /// The program; the one that runs, as it is on disk by now, if none is named.
        program: Option<PathBuf>,
        /// As above.
        wait_s: u64,
        /// As above.
        now: bool,
    },
    /// Asks who answers, and what became of the last replacement.
    Which {},
}

/// What is answered; a part of `Reply`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpgradeReply {
    /// Another proxy serves.
    Replaced {
        /// How long connects waited, in milliseconds.
        paused_ms: u64,
    },
    /// The program is being started in this process's place, and this connection ends.
    Begun {},
    /// Who answers.
    Which(Which),
}

/// A running daemon, by what tells it from the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// Its version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How often a program took over in this process, tries that failed included.
    pub upgrades: u64,
    /// Why the last one did not, if it did not.
    pub failure: Option<String>,
    /// Whether its proxy serves.
    pub serves: bool,
}

/// What a program is told that is asked whether it can take over, on standard input; a later one may know more members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// The running daemon's version.
    pub version: String,
    /// Form of what it hands over.
    pub handover: u32,
    /// Where its sessions are listed and its policies kept.
    pub run_dir: PathBuf,
    /// Where its record and keys are.
    pub state_dir: PathBuf,
    /// The cgroup that its programs are attached to.
    pub root: PathBuf,
    /// Where they are pinned.
    pub pin_dir: PathBuf,
    /// The port that it listens on.
    pub port: u16,
}

/// What such a program says if it can, on standard output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incoming {
    /// Its version.
    pub version: String,
    /// Form of what it takes over.
    pub handover: u32,
}
