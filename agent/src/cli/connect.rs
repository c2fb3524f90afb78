//! `icecore check --connect`: logs in with each account's credential, looks at what its user may do, and logs out; then
//! tries the store.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;

use super::tell::tell;
use super::{Exit, connect_store};
use crate::clock::Clock;
use crate::config::{self, Config};
use crate::proxy::clocks::ahead_ms;
use crate::replay::{json_escaped, terminal};
use crate::snowflake::login::LoginRequest;
use crate::supervisor::stand_beside_daemon;
use crate::upstream::{
    Account, CredentialError, CredentialUsed, Headers, Login, LoginOutcome, Resolver, Standing,
    Survey, Upstream, UpstreamError, UpstreamSettings,
};
use crate::web;

/// What became of an account's login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    LoggedIn,
    Refused,
    Unreachable,
    CredentialUnusable,
}

/// What is told of one account.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) host: String,
    account: String,
    pub(super) user: String,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) auth: Option<String>,
    credential: Option<String>,
    pub(super) role: Option<String>,
    warehouse: Option<String>,
    roles: Option<Vec<String>>,
    network_policy: Option<String>,
    access_tokens: Option<usize>,
    pub(super) warnings: Vec<String>,
    /// Those of them that say what the user has and does not need.
    #[serde(skip)]
    pub(super) excess: Vec<String>,
    /// By how much this host's clock is ahead of the account's at least.
    #[serde(skip)]
    pub(super) ahead_ms: Option<i64>,
}

/// Logs in to each account and tells what was found: as lines on standard error, or as JSON on standard output.
pub(super) fn run(config: &Config, json: bool) -> ExitCode {
    // Before any socket is made: from outside, accounts are guarded where a daemon runs.
    stand_beside_daemon(config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let told = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(ask_all(config)));
    let store = connect_store::ask(config);
    let told = match told {
        Ok(told) => told,
        Err(cause) => {
            tell(format_args!("icecore: {cause}"));
            return Exit::Config.into();
        }
    };
    if json && let Err(error) = print(&told, &store) {
        tell(format_args!("icecore: {error}"));
    }
    for one in &told {
        for line in lines(one) {
            tell(line);
        }
    }
    for line in connect_store::lines(&store) {
        tell(line);
    }
    let has = |outcome| told.iter().any(|one| one.outcome == outcome);
    if has(Outcome::Refused) || store.outcome == connect_store::Outcome::Refused {
        Exit::Refused.into()
    } else if has(Outcome::CredentialUnusable)
        || store.outcome == connect_store::Outcome::CredentialUnusable
    {
        Exit::Config.into()
    } else if has(Outcome::Unreachable) || store.outcome == connect_store::Outcome::Unreachable {
        Exit::Unreachable.into()
    } else {
        Exit::Done.into()
    }
}

fn print(told: &[Told], store: &connect_store::Told) -> io::Result<()> {
    let text = serde_json::to_string(&serde_json::json!({ "accounts": told, "store": store }))?;
    writeln!(io::stdout().lock(), "{}", json_escaped(&text))
}

/// Logs in to each account and looks at what its user may do.
///
/// # Errors
/// When nobody can be trusted.
pub(super) async fn ask_all(config: &Config) -> Result<Vec<Told>, String> {
    let trusted = web::trust(config.upstream.ca_file.as_deref());
    let trusted = trusted.map_err(|error| error.to_string())?;
    let web = web::Client::new(Arc::clone(&trusted));
    let upstream = Upstream::new(UpstreamSettings {
        tls: trusted,
        connect_timeout: config.upstream.connect_timeout,
        resolver: Arc::new(Resolver::new(config.upstream.resolve.clone())),
    });
    let mut told = Vec::new();
    for account in &config.accounts {
        match Account::of(account, &web).map(Arc::new) {
            Ok(open) => {
                let ways = open.ways();
                for place in different(account) {
                    if let Some(way) = ways.get(place) {
                        told.push(ask(&upstream, way, &needed(way, &ways)).await);
                    }
                }
            }
            Err(cause) => {
                let mut one = untold(&account.host, &account.name, &account.user);
                unusable(&mut one, &cause);
                told.push(one);
            }
        }
    }
    Ok(told)
}

/// Finds the ways into an account that differ in user, role or credential; where there are no grants there is one.
fn different(account: &config::Account) -> Vec<usize> {
    if account.grants.is_empty() {
        return vec![0];
    }
    let by = |grant: &config::Grant| {
        let credential = account.credential_of(grant).clone();
        (grant.user.clone(), grant.role.clone(), credential)
    };
    let mut seen = Vec::new();
    let grants = account.grants.iter().map(by).enumerate();
    grants
        .filter_map(|(place, way)| {
            let is_seen = seen.contains(&way);
            seen.push(way);
            (!is_seen).then_some(place)
        })
        .collect()
}

/// Gives the roles that grants need of a user.
fn needed<'a>(way: &Account, ways: &'a [Arc<Account>]) -> Vec<&'a str> {
    let of_user = ways.iter().filter(|other| other.user == way.user);
    let mut roles: Vec<&str> = of_user.map(|other| other.role.as_str()).collect();
    roles.sort_unstable();
    roles.dedup();
    roles
}

fn unusable(told: &mut Told, cause: &CredentialError) {
    told.outcome = Outcome::CredentialUnusable;
    told.reason = Some(cause.to_string());
}

fn untold(host: &str, account: &str, user: &str) -> Told {
    Told {
        host: host.to_owned(),
        account: account.to_owned(),
        user: user.to_owned(),
        outcome: Outcome::Unreachable,
        reason: None,
        auth: None,
        credential: None,
        role: None,
        warehouse: None,
        roles: None,
        network_policy: None,
        access_tokens: None,
        warnings: Vec::new(),
        excess: Vec::new(),
        ahead_ms: None,
    }
}

async fn ask(upstream: &Upstream, account: &Account, needed: &[&str]) -> Told {
    let mut told = untold(&account.host, &account.name, &account.user);
    match log_in(upstream, account, needed, &mut told).await {
        Ok(()) => {}
        Err(UpstreamError::Credential(cause)) => unusable(&mut told, &cause),
        Err(error) => told.reason = Some(error.to_string()),
    }
    told
}

async fn log_in(
    upstream: &Upstream,
    account: &Account,
    needed: &[&str],
    told: &mut Told,
) -> Result<(), UpstreamError> {
    let request =
        LoginRequest::own(None).map_err(|error| UpstreamError::Request(error.to_string()))?;
    let now = Clock::system().now();
    let headers = Headers::own();
    match Login::open(upstream, account, &request, None, &headers, now).await? {
        LoginOutcome::Granted(login, _, standing) => {
            note(told, login.credential(), standing);
            let received = Clock::system().now();
            told.ahead_ms = login.dated().map(|date| ahead_ms(now, received, date));
            let surveyed = Survey::take(upstream, &login, account).await;
            if let Err(error) = login.close(upstream).await {
                told.warnings
                    .push(format!("the login could not be closed: {error}"));
            }
            let survey = surveyed?;
            told.outcome = Outcome::LoggedIn;
            told.warnings.extend(survey.warnings(needed));
            told.excess = survey.excess(needed);
            told.roles = survey.roles;
            told.network_policy = survey.network_policy;
            told.access_tokens = survey.access_tokens;
        }
        LoginOutcome::Unlike(unlike) => {
            told.outcome = Outcome::Refused;
            told.reason = Some(unlike.to_string());
        }
        LoginOutcome::Refused(answered) => {
            let answer = answered.answer();
            let words = answer.message().unwrap_or_else(|| "no reason".to_owned());
            told.outcome = Outcome::Refused;
            told.reason = Some(match answer.code() {
                Some(code) => format!("{words} ({code})"),
                None => words,
            });
        }
    }
    Ok(())
}

fn note(told: &mut Told, credential: &CredentialUsed, standing: Standing) {
    told.auth = Some(credential.kind.clone());
    told.credential = Some(credential.reference.clone());
    told.role = Some(standing.role);
    told.warehouse = standing.warehouse;
}

/// Tells an account in lines; what Snowflake said is shown without control characters.
fn lines(told: &Told) -> Vec<String> {
    let name = format!("{} as user {}", told.host, told.user);
    let reason = told.reason.as_deref().unwrap_or_default();
    let first = match told.outcome {
        Outcome::LoggedIn => format!(
            "{name}: logged in by {}, role {}, secondary roles off, warehouse {}",
            told.auth.as_deref().unwrap_or_default(),
            told.role.as_deref().unwrap_or_default(),
            told.warehouse.as_deref().unwrap_or("none")
        ),
        Outcome::Refused => format!("{name}: refused: {reason}"),
        Outcome::Unreachable => format!("{name}: no answer: {reason}"),
        Outcome::CredentialUnusable => format!("{name}: credential cannot be used: {reason}"),
    };
    let warnings = told.warnings.iter();
    std::iter::once(first)
        .chain(warnings.map(|warning| format!("warning: {name}: {warning}")))
        .map(|line| terminal(&line))
        .collect()
}
