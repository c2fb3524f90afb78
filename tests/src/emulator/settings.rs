//! What an emulator is told at its start, and what it answers when it is ready.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Everything an emulator needs to know, read from one JSON file.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the TLS listener; port 0 asks for a free one.
    pub listen: SocketAddr,
    /// Address of the plain listener that takes fault hooks; port 0 asks for a free one.
    pub admin: SocketAddr,
    /// Certificate chain, PEM.
    pub certificate_file: PathBuf,
    /// Private key of the certificate, PEM.
    pub private_key_file: PathBuf,
    /// Python with fakesnow installed.
    pub python: PathBuf,
    /// Script that serves fakesnow on a unix socket.
    pub fakesnow_script: PathBuf,
    /// Unix socket between gate and fakesnow.
    pub fakesnow_socket: PathBuf,
    /// JSON lines: everything received, executed and answered.
    pub journal_file: PathBuf,
    /// JSON lines: every secret that the gate gave or was given.
    pub canaries_file: PathBuf,
    /// The accounts that are served; a name that is no account's is the first one's unless it is under Snowflake's domain.
    pub accounts: Vec<Account>,
    /// Statements that run once before the gate opens: planted tables and values.
    pub setup: Vec<String>,
    /// Knobs that a test may turn later too.
    pub tuning: Tuning,
}

/// Who may log in, and as what; hosts that several users have, or several roles, are listed once for each.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Account label as logins and JWTs say it, upper case.
    pub name: String,
    /// The host names it is reached by, lower case.
    pub hosts: Vec<String>,
    /// User, upper case.
    pub user: String,
    /// The role a login may ask for.
    pub role: String,
    /// The one warehouse a login may ask for.
    pub warehouse: Option<String>,
    /// The one credential that opens it.
    pub credential: Credential,
    /// Whether `SECONDARY_ROLES` must be `NONE`; a driver that talks to the gate without a proxy cannot always say so.
    pub secondary_roles_none: bool,
}

/// What an account's user proves itself by.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Credential {
    /// A key pair, of which the public half is registered.
    KeyPair {
        /// SPKI, PEM.
        public_key_pem: String,
    },
    /// A programmatic access token.
    Pat {
        /// The token.
        token: String,
    },
    /// A password.
    Password {
        /// The password.
        password: String,
    },
    /// An OAuth access token.
    Oauth {
        /// The token.
        token: String,
    },
    /// An OIDC token of a workload; who issued it is not looked at.
    Workload {
        /// The token.
        token: String,
    },
}

/// Waiting times and sizes of the gate.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tuning {
    /// Life of a session token, in seconds.
    pub session_validity_seconds: u64,
    /// How long a statement is held before the POST is answered with 333333, in milliseconds.
    pub poll_after_ms: u64,
    /// How long a GET for a result is held before it is answered with 333333, in milliseconds.
    pub poll_hold_ms: u64,
    /// Results with more rows come with a third inline and the rest in chunks of this many rows; 0 keeps all inline.
    pub chunk_rows: u64,
    /// How chunks are written down in storage.
    pub chunk_coding: ChunkCoding,
    /// How long the address of a chunk is good, in seconds.
    pub chunk_url_seconds: u64,
    /// Results of the SQL API with more rows come in partitions of this many rows; 0 keeps all in one.
    pub partition_rows: u64,
    /// From how many bound values on drivers put them on a stage, as a login and each answer say.
    pub stage_binds_from: u64,
    /// Whether each request of a session must bring back its `x-snowflake-session`; drivers but JDBC do not.
    pub sticky_needed: bool,
    /// How faithfully secondary roles are switched off.
    pub secondary_roles: SecondaryRoles,
    /// Whether questions about the account's objects fail.
    pub catalogue_down: bool,
    /// Whether SHOW tells users of the account's one role and of a network policy, as an account that is set up well does.
    pub narrow_user: bool,
    /// Whether answers carry a date of long ago.
    pub clock_wrong: bool,
    /// Whether the account's users have a query tag of their own.
    pub user_tag: bool,
}

/// How chunks are written down in storage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChunkCoding {
    /// As gzip, and the answer says so.
    #[default]
    Gzip,
    /// As gzip, and only its first bytes say so.
    GzipUntold,
    /// As they are.
    Plain,
}

/// Where a session's secondary roles, which are on at first, are switched off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecondaryRoles {
    /// By the login's `SECONDARY_ROLES` and by `USE SECONDARY ROLES`.
    #[default]
    ByLogin,
    /// By the statement alone: the login's field is passed over.
    ByStatement,
    /// Nowhere, as where a session policy forces them.
    Never,
}

impl Default for Tuning {
    /// Answers like Snowflake, but sooner, so that tests see a poll within seconds.
    fn default() -> Self {
        Self {
            session_validity_seconds: 3600,
            poll_after_ms: 3000,
            poll_hold_ms: 5000,
            chunk_rows: 0,
            chunk_coding: ChunkCoding::Gzip,
            chunk_url_seconds: 21_600,
            partition_rows: 0,
            stage_binds_from: 65_280,
            sticky_needed: false,
            secondary_roles: SecondaryRoles::ByLogin,
            catalogue_down: false,
            narrow_user: false,
            clock_wrong: false,
            user_tag: false,
        }
    }
}

/// The line that an emulator prints on stdout when it takes connections.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub struct Ready {
    /// Where the TLS listener is.
    pub listen: SocketAddr,
    /// Where the admin listener is.
    pub admin: SocketAddr,
}
