//! The config file: what was typed, then what is meant.
//!
//! Reading has two steps. `typed` turns text into values and looks at nothing else; `files` looks at every file and
//! folder that the values name. Both go on after a problem, so that a user sees all of them at once.

mod account;
mod approvals;
mod approver;
mod capture;
mod changes;
mod command;
mod credential;
mod document;
mod export;
mod files;
mod grant;
mod host;
mod identity;
mod log;
mod metrics;
mod mount;
mod named;
mod notify;
mod owner;
mod problem;
mod prompts;
mod recipient;
mod result_rows;
mod saml;
mod section;
mod sign_in;
mod source;
mod stamp;
mod store;
mod text;
mod trust;
mod trusted;
mod typed;
pub(crate) mod unit;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

pub use approvals::Approvals;
pub(crate) use approver::is_store_url;
pub use approver::{APPROVER_FILE, Approver, ApproverIssuer};
pub use capture::{Capture, ContainerIoUring, Guard};
pub use changes::Changes;
pub use export::{Export, ExportTo};
pub use files::policy_files;
pub(crate) use files::{read_metadata, read_policies, read_public_keys};
pub use grant::Grant;
pub use identity::{Identity, TokenUse, WithoutToken};
pub use log::Log;
pub use metrics::Metrics;
pub(crate) use named::{Named, SYSTEMD_FOLDER};
pub use notify::{Notify, NotifyTo};
pub use owner::Owner;
pub use problem::{ConfigErrors, Problem};
pub(crate) use problem::{line_and_column, nearest};
pub use prompts::{ModelApi, ModelHost, OnUntrusted, PromptCapture, Prompts};
pub use recipient::Recipient;
pub use result_rows::ResultRows;
pub use sign_in::SignIn;
pub use source::{AwsSource, CommandSource, Freshness, SecretAt, Source, VaultAuth, VaultSource};
pub use stamp::Stamp;
pub use store::{Addressing, StoreIdentity, StoreOptions};
pub(crate) use store::{Place, STORE_URL, StoreUrl};
pub(crate) use text::read_text;
pub(crate) use trust::{
    Opening, Untrusted, check_program, open_by, open_file, open_folder, read_public_file,
    read_secret_file,
};
pub use trusted::{BoundKey, Operator, PinnedKey, TrustFile};

use problem::Problems;
#[cfg(test)]
pub(crate) use typed::tests::read_for_tests;

/// Where the config is unless the command line says otherwise.
pub const DEFAULT_PATH: &str = "/etc/icecore/icecore.toml";

/// All that a daemon is told by its config file; every value is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// Section `[daemon]`.
    pub daemon: Daemon,
    /// Section `[capture]`.
    pub capture: Capture,
    /// Section `[upstream]`.
    pub upstream: Upstream,
    /// The `[[account]]` tables; at least one.
    pub accounts: Vec<Account>,
    /// Section `[identity]`.
    pub identity: Identity,
    /// Section `[approvals]`; without one nobody can say yes to what policies hold.
    pub approvals: Option<Approvals>,
    /// Section `[policy]`.
    pub policy: Policy,
    /// Section `[catalogue]`.
    pub catalogue: Catalogue,
    /// Section `[prompts]`.
    pub prompts: Prompts,
    /// Section `[stamp]`.
    pub stamp: Stamp,
    /// Section `[record]`.
    pub record: Record,
    /// Section `[limits]`.
    pub limits: Limits,
    /// Section `[log]`.
    pub log: Log,
    /// Section `[metrics]`.
    pub metrics: Metrics,
    /// The `[[export]]` tables.
    pub exports: Vec<Export>,
    /// The file all this was read from.
    pub source: PathBuf,
}

/// Where the daemon keeps what it makes, and how strict it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Daemon {
    /// Holds the control socket and the list of live sessions.
    pub run_dir: PathBuf,
    /// Holds the CA, the spool and the digest key.
    pub state_dir: PathBuf,
    /// Names the organisation in the record's layout.
    pub org: String,
    /// Whether refusals are carried out.
    pub mode: Mode,
    /// How long open statements may take when the daemon stops.
    pub shutdown_grace: Duration,
    /// The user that the proxy runs as, by name or number.
    pub user: Option<String>,
}

/// Whether refusals are carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Mode {
    /// A forbidden statement is refused.
    Enforce,
    /// Everything is let through, and the record says what would have been refused.
    Observe,
}

impl Mode {
    /// Gives the word that the config, the record and the summary use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
        }
    }
}

/// How Snowflake is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upstream {
    /// Roots trusted in addition to the host's own.
    pub ca_file: Option<PathBuf>,
    /// How long one connect may take.
    pub connect_timeout: Duration,
    /// Hosts that are dialled at a fixed address.
    pub resolve: BTreeMap<String, SocketAddr>,
}

/// One governed Snowflake account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The host name that it is dialled at, lower case.
    pub host: String,
    /// Other host names of the same account, lower case; requests under them are governed too.
    pub aliases: Vec<String>,
    /// Its name, as Snowflake writes it.
    pub name: String,
    /// The user that the proxy logs in as.
    pub user: String,
    /// The role every login gets.
    pub role: String,
    /// The warehouse every login gets, if one is pinned.
    pub warehouse: Option<String>,
    /// Shows whether a login sees tags; without one they count as unknown.
    pub tag_canary: Option<TagCanary>,
    /// Whether SQL tools of its managed MCP servers are carried.
    pub mcp: bool,
    /// How the proxy proves who it is.
    pub credential: Credential,
    /// The `[[account.grant]]` tables. Where there are any, they alone say who is let in, and as whom.
    pub grants: Vec<Grant>,
}

impl Account {
    /// Gives all of its host names, the one that is dialled first.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.host)
            .chain(&self.aliases)
            .map(String::as_str)
    }

    /// Gives a grant's credential: its own, else the account's.
    #[must_use]
    pub fn credential_of<'a>(&'a self, grant: &'a Grant) -> &'a Credential {
        grant.credential.as_ref().unwrap_or(&self.credential)
    }
}

/// How the proxy logs in upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Credential {
    /// A JWT signed with the user's private key.
    KeyPair {
        /// The key, PKCS#8 in PEM.
        private_key: SecretAt,
        /// Its passphrase, if it is encrypted.
        passphrase: Option<SecretAt>,
    },
    /// A programmatic access token.
    Pat(SecretAt),
    /// An OAuth access token that something else keeps fresh.
    OAuth(SecretAt),
    /// The user's password.
    Password(SecretAt),
    /// OAuth access tokens that the daemon gets itself.
    OAuthGrant(OAuthGrant),
    /// The host's own identity at AWS.
    WorkloadAws {
        /// The region whose STS is to vouch for it.
        region: String,
    },
    /// An OIDC token of the host's own.
    WorkloadOidc(SecretAt),
}

/// How OAuth access tokens are had: by client credentials, or by a refresh token if one is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OAuthGrant {
    /// The token endpoint.
    pub token_url: String,
    /// The client's id, which is no secret.
    pub client_id: String,
    /// What is asked for.
    pub scope: Option<String>,
    /// The client's secret; a public client has none.
    pub client_secret: Option<SecretAt>,
    /// The refresh token.
    pub refresh_token: Option<SecretAt>,
}

/// Where the policies are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// Every `*.cedar` file in this folder counts.
    pub dir: PathBuf,
    /// Whom to ask for what is refused, in words for the agent.
    pub ask: String,
}

/// What policies rest on in a config, as far as it is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForPolicies {
    /// The folder that they are in.
    pub dir: PathBuf,
    /// The accounts' names; none where not all of them are known.
    pub accounts: Option<Vec<String>>,
    /// The issuers' names; none where not all of them are known.
    pub issuers: Option<Vec<String>>,
    /// The names of groups that say yes; none where not all of them are known.
    pub approvers: Option<Vec<String>>,
}

/// How long what accounts say of their objects is taken for true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Catalogue {
    /// That long.
    pub ttl: Duration,
}

/// A column that is known to have a tag: whoever sees that tag sees tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TagCanary {
    /// Database, schema and table, as Snowflake keeps their names.
    pub table: [String; 3],
    /// The column.
    pub column: String,
    /// The tag's name.
    pub tag: String,
}

/// How the record is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// When an answer may leave.
    pub mode: RecordMode,
    /// The store's URL.
    pub store: String,
    /// How a store that is not on this host is reached.
    pub store_options: StoreOptions,
    /// Most that unsealed frames may take on disk.
    pub spool_max_bytes: u64,
    /// What one session may put into it, and for how long the store may be away.
    pub limits: RecordLimits,
    /// How often frames are sealed to Parquet.
    pub seal_interval: Duration,
    /// Where a witness listens that signs how far the record has come.
    pub witness: Option<String>,
    /// How often the record is signed, also where nothing was recorded.
    pub heartbeat: Duration,
    /// How many of a result's rows are kept where no policy says it.
    pub result_rows: ResultRows,
    /// Who can read content and rows; where there is nobody, they are not encrypted.
    pub recipients: Vec<Recipient>,
    /// URL of the store of wrapped keys, where it is not the record's own.
    pub key_store: Option<String>,
    /// Whether secrets are taken out of texts before they are on disk.
    pub scan_secrets: bool,
}

impl Record {
    /// Most that unsealed frames may take where the config does not say it.
    pub const SPOOL_MAX_BYTES: u64 = 2 << 30;

    /// How often frames are sealed where the config does not say it.
    pub const SEAL_INTERVAL: Duration = Duration::from_secs(300);

    /// How often the record is signed where the config does not say it.
    pub const HEARTBEAT: Duration = Duration::from_secs(60);
}

/// How much may wait for the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RecordLimits {
    /// Most bytes of one session that may wait in the spool before it can begin nothing more.
    pub session_spool_max_bytes: u64,
    /// Most rows a second of one session; ten seconds of them may come at once.
    pub session_rows_per_second: u32,
    /// How long the store may be without the oldest row before no statement begins; none: as long as there is room.
    pub max_unacked_age: Option<Duration>,
}

impl Default for RecordLimits {
    fn default() -> Self {
        Self {
            session_spool_max_bytes: 512 << 20,
            session_rows_per_second: 20_000,
            max_unacked_age: None,
        }
    }
}

/// When an answer may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum RecordMode {
    /// After its record is on the local disk.
    StrictLocal,
    /// After the store has its record too.
    StrictRemote,
    /// After its record was handed to the recorder.
    BestEffort,
}

impl RecordMode {
    /// Gives the word that the config and the record use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StrictLocal => "strict_local",
            Self::StrictRemote => "strict_remote",
            Self::BestEffort => "best_effort",
        }
    }

    /// Tells whether what cannot be recorded does not happen.
    #[must_use]
    pub fn is_strict(self) -> bool {
        match self {
            Self::StrictLocal | Self::StrictRemote => true,
            Self::BestEffort => false,
        }
    }
}

/// How much of what a client sends is read, and how often one comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Longest request body after inflation.
    pub request_body_max_bytes: u64,
    /// Longest statement text.
    pub statement_max_bytes: u64,
    /// Most new connections a second that a session may make for long.
    pub session_connects_per_second: u32,
}

impl Config {
    /// Reads a config file and checks all that it names.
    ///
    /// # Errors
    /// All problems at once: of the file, its keys, its values and the files they name.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_and(path, |config, problems| {
            files::check(config, problems);
            files::check_policy(&config.policy, problems);
        })
    }

    /// Reads a config file and checks all that it names but its policies: others are in force, whatever became of the files.
    ///
    /// # Errors
    /// As of `load`.
    pub fn load_beside_policies(path: &Path) -> Result<Self, ConfigErrors> {
        Self::load_and(path, files::check)
    }

    fn load_and(path: &Path, check: impl Fn(&Self, &Problems)) -> Result<Self, ConfigErrors> {
        let problems = Problems::default();
        let Some(config) = Self::read(path, &problems) else {
            return Err(problems.into_errors(path));
        };
        check(&config, &problems);
        problems.settle(&config.source.clone(), config)
    }

    /// Reads the file alone; none if it is not trusted or no TOML.
    fn read(path: &Path, problems: &Problems) -> Option<Self> {
        let read = files::read_config(path, problems)?;
        let source = typed::Source {
            file: &read.path,
            cgroup2: mount::cgroup2(),
        };
        typed::read(&read.text, source, problems)
    }

    /// Names the accounts, as policies call them.
    pub fn account_names(&self) -> impl Iterator<Item = &str> {
        self.accounts.iter().map(|account| account.name.as_str())
    }

    /// Names the groups that say yes to what policies hold.
    pub fn approver_groups(&self) -> impl Iterator<Item = &str> {
        let groups = self.approvals.iter();
        groups.flat_map(|approvals| approvals.rules.groups.keys().map(String::as_str))
    }

    /// Reads of a config file what its policies rest on, and what is wrong with the rest.
    ///
    /// # Errors
    /// All problems, where the file is not trusted, is no TOML, or is wrong about where the policies are.
    pub fn for_policies(path: &Path) -> Result<(ForPolicies, Option<ConfigErrors>), ConfigErrors> {
        let problems = Problems::default();
        let Some(config) = Self::read(path, &problems) else {
            return Err(problems.into_errors(path));
        };
        let is_whole = |section| !problems.has_within(section) && !problems.has_outside();
        let accounts = config.account_names().map(str::to_owned);
        let issuers = config.identity.issuer_names().map(str::to_owned);
        let found = ForPolicies {
            dir: config.policy.dir.clone(),
            accounts: is_whole("account").then(|| accounts.collect()),
            issuers: is_whole("identity").then(|| issuers.collect()),
            approvers: is_whole("approvals").then(|| {
                let names = config.approver_groups();
                names.map(str::to_owned).collect()
            }),
        };
        files::check(&config, &problems);
        files::check_policy(&config.policy, &problems);
        let is_found = !problems.has_within("policy");
        match problems.settle(&config.source, ()) {
            Err(errors) if !is_found => Err(errors),
            outcome => Ok((found, outcome.err())),
        }
    }

    /// Reads no more of a config file than where its daemon's control socket is; any user may.
    ///
    /// # Errors
    /// When the file is not trusted, is not TOML, or says it in a wrong way.
    pub fn run_dir(path: &Path) -> Result<PathBuf, ConfigErrors> {
        let problems = Problems::default();
        let Some(read) = files::read_config(path, &problems) else {
            return Err(problems.into_errors(path));
        };
        let run_dir = typed::run_dir(&read.text, &problems);
        problems.settle(&read.path, run_dir)
    }
}
