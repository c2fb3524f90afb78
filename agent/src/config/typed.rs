//! First step: from the file's text to values. Looks at nothing but the text.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use toml::{Table, Value};

use super::account;
use super::approvals::approvals;
use super::export::exports;
use super::host::is_dns_name;
use super::identity::identity;
use super::log::log;
use super::metrics::metrics;
use super::owner;
use super::problem::{Problems, line_and_column};
use super::prompts::prompts;
use super::section::{List, Section, shown};
use super::stamp::stamp;
use super::store;
use super::unit;
use super::{
    Capture, Catalogue, Config, ContainerIoUring, Daemon, Guard, Limits, Mode, Policy, Recipient,
    Record, RecordLimits, RecordMode, ResultRows, Upstream,
};

/// What is read, apart from the text itself.
pub(super) struct Source<'s> {
    /// The file the text is from.
    pub(super) file: &'s Path,
    /// Where cgroup v2 is mounted, if it is.
    pub(super) cgroup2: Option<PathBuf>,
}

/// Reads a config text; where a problem is noted the value is a placeholder, and none if it is not TOML at all.
pub(super) fn read(text: &str, source: Source<'_>, problems: &Problems) -> Option<Config> {
    let mut root = Section::root(parse(text, problems)?, problems);
    let daemon = daemon(root.section("daemon"));
    let capture = capture(root.section("capture"), source.cgroup2);
    let upstream = upstream(root.section("upstream"));
    let (of_accounts, of_identity) = (root.sections("account"), root.section("identity"));
    let identity = identity(of_identity, problems);
    let approvals = approvals(root.section("approvals"), &identity, problems);
    let issuers: Vec<String> = identity.issuer_names().map(str::to_owned).collect();
    let accounts = account::accounts(of_accounts, &issuers, problems);
    let policy = policy(root.section("policy"));
    let catalogue = catalogue(root.section("catalogue"));
    let prompts = prompts(root.section("prompts"), &capture.redirect_ports);
    let stamp = stamp(root.section("stamp"));
    let record = record(root.section("record"));
    let limits = limits(root.section("limits"));
    let log = log(root.section("log"));
    let metrics = metrics(root.section("metrics"), capture.port);
    let exports = exports(root.sections("export"), problems);
    root.finish();
    Some(Config {
        daemon,
        capture,
        upstream,
        accounts,
        identity,
        approvals,
        policy,
        catalogue,
        prompts,
        stamp,
        record,
        limits,
        log,
        metrics,
        exports,
        source: source.file.to_owned(),
    })
}

/// Reads `daemon.run_dir` alone.
pub(super) fn run_dir(text: &str, problems: &Problems) -> PathBuf {
    let table = parse(text, problems).unwrap_or_default();
    run_dir_of(&mut Section::root(table, problems).section("daemon"))
}

fn parse(text: &str, problems: &Problems) -> Option<Table> {
    match text.parse::<Table>() {
        Ok(table) => Some(table),
        Err(error) => {
            let at = error.span().map_or(0, |span| span.start);
            let (line, column) = line_and_column(text, at);
            let message = error.message().replace('\n', ", ");
            problems.add(
                format!("line {line}, column {column}"),
                "TOML",
                format!("a syntax error: {message}"),
            );
            None
        }
    }
}

fn daemon(mut section: Section<'_>) -> Daemon {
    let daemon = Daemon {
        run_dir: run_dir_of(&mut section),
        state_dir: section
            .optional("state_dir", ABSOLUTE_PATH, absolute_path)
            .unwrap_or_else(|| PathBuf::from("/var/lib/icecore")),
        org: section
            .optional(
                "org",
                "letters, digits, `-` and `_`, at most 64, the first a letter or digit",
                organisation,
            )
            .unwrap_or_else(|| "default".to_owned()),
        mode: section
            .optional("mode", "\"enforce\" or \"observe\"", |value| {
                match value.as_str()? {
                    "enforce" => Some(Mode::Enforce),
                    "observe" => Some(Mode::Observe),
                    _ => None,
                }
            })
            .unwrap_or(Mode::Enforce),
        shutdown_grace: duration(&mut section, "shutdown_grace", 20, 0..=600),
        user: section.optional("user", owner::USER, owner::user),
    };
    section.finish();
    daemon
}

fn run_dir_of(section: &mut Section<'_>) -> PathBuf {
    section
        .optional("run_dir", ABSOLUTE_PATH, absolute_path)
        .unwrap_or_else(|| PathBuf::from("/run/icecore"))
}

/// Longest text of whom to ask; it stands in each refusal.
const ASK_MAX_SIGNS: usize = 200;

const PORT: &str = "a port from 1 to 65535";

const REDIRECT_PORTS: List = List {
    of: "ports",
    member: PORT,
    count: 1..=16,
};

fn capture(mut section: Section<'_>, cgroup2: Option<PathBuf>) -> Capture {
    let root = section.optional("root", ABSOLUTE_PATH, absolute_path);
    if root.is_none() && cgroup2.is_none() && !section.is_told("root") {
        section.tell(
            "root",
            "a folder of a mounted cgroup v2",
            "nothing, and this host has no cgroup v2 mount",
        );
    }
    let capture = Capture {
        root: root.or(cgroup2).unwrap_or_default(),
        pin_dir: section
            .optional("pin_dir", ABSOLUTE_PATH, absolute_path)
            .unwrap_or_else(|| PathBuf::from("/sys/fs/bpf/icecore")),
        port: section.optional("port", PORT, port).unwrap_or(861),
        redirect_ports: section
            .list("redirect_ports", &REDIRECT_PORTS, port)
            .unwrap_or_else(|| vec![443, 80]),
        program_logs: section
            .optional("program_logs", "true or false", Value::as_bool)
            .unwrap_or(false),
        guard: section
            .optional("guard", "\"host\" or \"sessions\"", |value| {
                match value.as_str()? {
                    "host" => Some(Guard::Host),
                    "sessions" => Some(Guard::Sessions),
                    _ => None,
                }
            })
            .unwrap_or(Guard::Host),
        heartbeat_stale: duration_of(&mut section, "heartbeat_stale", 1..=60)
            .unwrap_or(Capture::HEARTBEAT_STALE),
        backstop: section
            .optional("backstop", "true or false", Value::as_bool)
            .unwrap_or(false),
        io_uring: section
            .optional("io_uring", "true or false", Value::as_bool)
            .unwrap_or(false),
        container_io_uring: section
            .optional(
                "container_io_uring",
                "\"unknown\" or \"denied\"",
                |value| match value.as_str()? {
                    "unknown" => Some(ContainerIoUring::Unknown),
                    "denied" => Some(ContainerIoUring::Denied),
                    _ => None,
                },
            )
            .unwrap_or(ContainerIoUring::Unknown),
    };
    if capture.redirect_ports.contains(&capture.port) {
        section.tell(
            "port",
            "a port that is not among `redirect_ports`",
            capture.port.to_string(),
        );
    }
    section.finish();
    capture
}

fn upstream(mut section: Section<'_>) -> Upstream {
    let upstream = Upstream {
        ca_file: section.optional("ca_file", ABSOLUTE_PATH, absolute_path),
        connect_timeout: duration(&mut section, "connect_timeout", 10, 1..=300),
        resolve: resolve(section.section("resolve")),
    };
    section.finish();
    upstream
}

fn resolve(mut section: Section<'_>) -> BTreeMap<String, SocketAddr> {
    let mut addresses = BTreeMap::new();
    for (host, value) in section.rest() {
        let address = value.as_str().and_then(|text| text.parse().ok());
        match address {
            Some(_) if !is_dns_name(&host) => {
                section.tell(&host, "a lower-case DNS name as key", format!("{host:?}"));
            }
            Some(address) => {
                addresses.insert(host, address);
            }
            None => section.tell(
                &host,
                "an address and port such as \"127.0.0.1:8443\"",
                shown(&value),
            ),
        }
    }
    addresses
}

fn policy(mut section: Section<'_>) -> Policy {
    let dir = section
        .optional("dir", ABSOLUTE_PATH, absolute_path)
        .unwrap_or_else(|| PathBuf::from("/etc/icecore/policies"));
    let ask = section
        .optional("ask", "a line of 200 signs at most", |value| {
            let line = value.as_str()?;
            let is_line = !line.is_empty() && !line.chars().any(char::is_control);
            (is_line && line.chars().count() <= ASK_MAX_SIGNS).then(|| line.to_owned())
        })
        .unwrap_or_else(|| "whoever keeps this host's policies".to_owned());
    section.finish();
    Policy { dir, ask }
}

fn catalogue(mut section: Section<'_>) -> Catalogue {
    let ttl = duration(&mut section, "ttl", 60, 1..=3600);
    section.finish();
    Catalogue { ttl }
}

fn record(mut section: Section<'_>) -> Record {
    let url = store::url(&mut section);
    let spool_max_bytes = section
        .optional("spool_max", SPOOL, spool_bytes)
        .unwrap_or(Record::SPOOL_MAX_BYTES);
    let record = Record {
        limits: record_limits(&mut section, spool_max_bytes),
        spool_max_bytes,
        mode: section
            .optional(
                "mode",
                "\"strict_local\", \"strict_remote\" or \"best_effort\"",
                |value| match value.as_str()? {
                    "strict_local" => Some(RecordMode::StrictLocal),
                    "strict_remote" => Some(RecordMode::StrictRemote),
                    "best_effort" => Some(RecordMode::BestEffort),
                    _ => None,
                },
            )
            .unwrap_or(RecordMode::StrictLocal),
        store_options: store::options(section.section("store_options"), &url),
        store: url,
        seal_interval: duration(
            &mut section,
            "seal_interval",
            Record::SEAL_INTERVAL.as_secs(),
            1..=86_400,
        ),
        heartbeat: duration(
            &mut section,
            "heartbeat",
            Record::HEARTBEAT.as_secs(),
            5..=3_600,
        ),
        witness: section.optional("witness", WITNESS, |value| {
            let url = value.as_str()?;
            let is_web = url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
            is_web.then(|| url.to_owned())
        }),
        result_rows: section
            .optional("result_rows", ResultRows::EXPECTED, |value| {
                ResultRows::read(value.as_str()?)
            })
            .unwrap_or_default(),
        key_store: store::key_store(&mut section),
        scan_secrets: section
            .optional("scan_secrets", "true or false", Value::as_bool)
            .unwrap_or(true),
        recipients: recipients(&mut section),
    };
    section.finish();
    record
}

const SPOOL: &str = "a size of at least 1MiB such as \"2GiB\"";

fn spool_bytes(value: &Value) -> Option<u64> {
    unit::size_bytes(value.as_str()?).filter(|bytes| *bytes >= 1 << 20)
}

/// Reads what one session may record: by default a quarter of the spool, so that no single one fills it.
fn record_limits(section: &mut Section<'_>, spool_max_bytes: u64) -> RecordLimits {
    let rows = "a number of rows from 10 to 1000000";
    let limits = RecordLimits {
        session_spool_max_bytes: section
            .optional("session_spool_max", SPOOL, spool_bytes)
            .unwrap_or(spool_max_bytes / 4),
        session_rows_per_second: section
            .optional("session_rows_per_second", rows, |value| {
                let rows = u32::try_from(value.as_integer()?).ok()?;
                (10..=1_000_000).contains(&rows).then_some(rows)
            })
            .unwrap_or(RecordLimits::default().session_rows_per_second),
        max_unacked_age: duration_of(section, "max_unacked_age", 10..=604_800),
    };
    if limits.session_spool_max_bytes > spool_max_bytes {
        section.tell(
            "session_spool_max",
            "no more than `spool_max`",
            unit::show_bytes(limits.session_spool_max_bytes),
        );
    }
    limits
}

const WITNESS: &str = "a URL such as \"https://witness.acme.example\", or \"http://127.0.0.1:PORT\" for one on this host";

/// Reads who can read content. A section that names nobody would leave open what was meant to be closed.
fn recipients(record: &mut Section<'_>) -> Vec<Recipient> {
    let is_there = record.has("encryption");
    let mut section = record.section("encryption");
    if is_there && !section.has("recipients") {
        section.tell_missing("recipients", &RECIPIENTS.expected(), "[\"x25519:...\"]");
    }
    let read = |value: &Value| Recipient::read(value.as_str()?);
    let recipients = section.list("recipients", &RECIPIENTS, read);
    section.finish();
    recipients.unwrap_or_default()
}

const RECIPIENTS: List = List {
    of: "recipients",
    member: Recipient::EXPECTED,
    count: 1..=64,
};

fn limits(mut section: Section<'_>) -> Limits {
    let limit = "a size from 1KiB to 1GiB such as \"16MiB\"";
    let connects = "a number of connections from 10 to 1000000";
    let read = |value: &Value| {
        unit::size_bytes(value.as_str()?).filter(|bytes| (1 << 10..=1 << 30).contains(bytes))
    };
    let limits = Limits {
        request_body_max_bytes: section
            .optional("request_body_max", limit, read)
            .unwrap_or(16 << 20),
        statement_max_bytes: section
            .optional("statement_max", limit, read)
            .unwrap_or(1 << 20),
        session_connects_per_second: section
            .optional("session_connects_per_second", connects, |value| {
                let connects = u32::try_from(value.as_integer()?).ok()?;
                (10..=1_000_000).contains(&connects).then_some(connects)
            })
            .unwrap_or(200),
    };
    if limits.statement_max_bytes > limits.request_body_max_bytes {
        section.tell(
            "statement_max",
            "no more than `request_body_max`",
            unit::show_bytes(limits.statement_max_bytes),
        );
    }
    section.finish();
    limits
}

/// What an absolute path must look like; shared by all keys that name one.
pub(super) const ABSOLUTE_PATH: &str = "an absolute path without `..`";

/// Reads an absolute path.
pub(super) fn absolute_path(value: &Value) -> Option<PathBuf> {
    let path = PathBuf::from(value.as_str()?);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let text = value.as_str()?;
    (path.is_absolute() && plain && !text.contains('\0')).then_some(path)
}

/// Reads one text or a list of them, none empty.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    let one = |value: &Value| Some(value.as_str()?.to_owned()).filter(|text| !text.is_empty());
    if value.is_str() {
        return one(value).map(|text| vec![text]);
    }
    let listed = value.as_array()?;
    (1..=64)
        .contains(&listed.len())
        .then(|| listed.iter().map(one).collect())?
}

/// Reads a duration within a range, in seconds.
pub(super) fn duration(
    section: &mut Section<'_>,
    key: &'static str,
    default_seconds: u64,
    range_seconds: RangeInclusive<u64>,
) -> Duration {
    duration_of(section, key, range_seconds).unwrap_or(Duration::from_secs(default_seconds))
}

/// Reads a duration within a range that may be absent.
pub(super) fn duration_of(
    section: &mut Section<'_>,
    key: &'static str,
    range_seconds: RangeInclusive<u64>,
) -> Option<Duration> {
    let least = Duration::from_secs(*range_seconds.start());
    let most = Duration::from_secs(*range_seconds.end());
    let meant = section.optional(key, "a duration such as \"30s\"", |value| {
        unit::duration(value.as_str()?)
    })?;
    if (least..=most).contains(&meant) {
        return Some(meant);
    }
    section.tell(
        key,
        format!(
            "a duration from {}s to {}s",
            least.as_secs(),
            most.as_secs()
        ),
        format!("{meant:?}"),
    );
    None
}

fn organisation(value: &Value) -> Option<String> {
    let name = value.as_str()?;
    let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
    let first = name.chars().next()?;
    (first.is_ascii_alphanumeric() && name.len() <= 64 && name.chars().all(word))
        .then(|| name.to_owned())
}

fn port(value: &Value) -> Option<u16> {
    u16::try_from(value.as_integer()?)
        .ok()
        .filter(|port| *port != 0)
}

#[cfg(test)]
#[path = "typed_tests.rs"]
pub(crate) mod tests;
