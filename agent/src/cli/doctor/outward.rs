//! What lies outside of this host: accounts and their clocks, issuers, the store; and the policies, which say what they are for.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hyper::header::DATE;

use super::Host;
use super::line::Line;
use crate::cli::check::{load, nothing_permitted};
use crate::cli::connect::{self, Outcome, Told};
use crate::cli::connect_store;
use crate::cli::socket;
use crate::config::{Config, policy_files, read_metadata, read_public_keys};
use crate::control::request::{Reply, Request};
use crate::identity::{Algorithm, Issuer, KeySource, Keys, SamlProvider, Users};
use crate::policy::Source;
use crate::proxy::clocks::ahead_ms;
use crate::proxy::discovery::{Discovered, get};
use crate::record::{BucketLock, ProbeError, Removal, Retention};
use crate::supervisor::stand_beside_daemon;
use crate::web;

/// How far clocks may be apart before a person should know.
const SKEW_WARNED: Duration = Duration::from_secs(3);

/// How far they may be apart before what is signed stops being taken: a login's JWT is good for a minute.
const SKEW_MAX: Duration = Duration::from_secs(30);

/// How soon metadata must be renewed.
const SOON: TimeDelta = TimeDelta::days(14);

/// How long the daemon may take to hand the record to the store.
const FLUSH_WITHIN: Duration = Duration::from_secs(60);

/// Reads the policies as the daemon does.
pub(super) fn policies(file: &Path) -> Line {
    let fix = "`icecore policy check` tells what is wrong and where";
    let found = match Config::for_policies(file) {
        Ok((found, _)) => found,
        Err(errors) => return Line::failed("policies", errors.to_string(), fix),
    };
    let sources: io::Result<Vec<Source>> = policy_files(&found.dir).and_then(|files| {
        let read = |file: &std::path::PathBuf| {
            let text = fs::read_to_string(file)?;
            let file = file.display().to_string();
            Ok(Source { file, text })
        };
        files.iter().map(read).collect()
    });
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => {
            let text = format!("`{}`: {error}", found.dir.display());
            return Line::failed("policies", text, fix);
        }
    };
    let bundle = match load(&sources, &found, &Users::read()) {
        Ok(bundle) => bundle,
        Err(problems) => {
            let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Line::failed("policies", told.join("; "), fix);
        }
    };
    let dir = found.dir.display();
    if bundle.is_empty() {
        let text = format!("none in `{dir}`: every statement is refused");
        return Line::warning(
            "policies",
            text,
            "put a pack there, such as policies/read-only.cedar",
        );
    }
    if let Some(warning) = nothing_permitted(&bundle) {
        return Line::warning("policies", warning, "add a permit");
    }
    let found = format!("{} in `{dir}`, and some permit", bundle.len());
    Line::ok("policies", found)
}

/// Logs in to each account, asks each issuer for its keys, and compares clocks.
pub(super) fn accounts(host: &Host<'_>) -> Vec<Line> {
    // From outside, accounts are guarded where a daemon runs. Nothing is tried from outside after this.
    stand_beside_daemon(host.config);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return vec![Line::not_checked("account", error.to_string())],
    };
    let mut lines = Vec::new();
    match runtime.block_on(connect::ask_all(host.config)) {
        Ok(told) => {
            for one in &told {
                lines.push(account(one));
                lines.extend(one.ahead_ms.map(|ms| skew(&one.host, ms)));
            }
        }
        Err(cause) => lines.push(Line::failed(
            "account",
            cause,
            "mend upstream.ca_file; `icecore check` tells what is wrong with it",
        )),
    }
    let identity = &host.config.identity;
    match web::trust(identity.ca_file.as_deref()).map(web::Client::new) {
        Ok(web) => {
            for issuer in &identity.issuers {
                lines.extend(runtime.block_on(of_issuer(&web, issuer)));
            }
        }
        Err(error) => lines.push(Line::failed(
            "issuer",
            error.to_string(),
            "mend identity.ca_file",
        )),
    }
    let now = host.clock.now();
    lines.extend(identity.providers.iter().map(|one| provider(one, now)));
    lines
}

fn account(told: &Told) -> Line {
    let name = format!("{} as user {}", told.host, told.user);
    let reason = told.reason.as_deref().unwrap_or_default();
    match told.outcome {
        Outcome::LoggedIn if !told.excess.is_empty() => Line::failed(
            "account",
            format!("{name}: logged in; {}", told.excess.join("; ")),
            "give the user its one role (REVOKE ROLE), a network policy that admits this host alone, and remove its access tokens",
        ),
        Outcome::LoggedIn => {
            let by = told.auth.as_deref().unwrap_or_default();
            let role = told.role.as_deref().unwrap_or_default();
            let found = format!("{name}: logged in by {by}, role {role} and no other");
            match told.warnings.is_empty() {
                true => Line::ok("account", found),
                false => Line::warning(
                    "account",
                    format!("{found}; {}", told.warnings.join("; ")),
                    "have an administrator look at the user: SHOW GRANTS TO USER, its NETWORK_POLICY, its access tokens",
                ),
            }
        }
        Outcome::Refused => Line::failed(
            "account",
            format!("{name}: refused: {reason}"),
            "compare user, role and key with Snowflake (DESC USER shows RSA_PUBLIC_KEY_FP); Snowflake's LOGIN_HISTORY says why",
        ),
        Outcome::Unreachable => Line::failed(
            "account",
            format!("{name}: no answer: {reason}"),
            "check the host's name, firewall and upstream.ca_file",
        ),
        Outcome::CredentialUnusable => Line::failed(
            "account",
            format!("{name}: its credential cannot be used: {reason}"),
            "mend `credential` of this account",
        ),
    }
}

/// Tells how far this host's clock is from another's, by the least difference that fits.
fn skew(of: &str, ahead_ms: i64) -> Line {
    let apart = Duration::from_millis(ahead_ms.unsigned_abs());
    let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let text = format!(
        "this host's clock is {:.1} s {way} that of {of}",
        apart.as_secs_f64()
    );
    let fix = "have chrony or systemd-timesyncd set the host's clock";
    if apart > SKEW_MAX {
        Line::failed("clock skew", text, fix)
    } else if apart > SKEW_WARNED {
        Line::warning("clock skew", text, fix)
    } else {
        let found = format!("none that matters against {of}");
        Line::ok("clock skew", found)
    }
}

/// Reads an issuer's keys from where its tokens will be checked by them.
async fn of_issuer(web: &web::Client, issuer: &Issuer) -> Vec<Line> {
    let name = &issuer.name;
    let read = match &issuer.keys {
        KeySource::File(path) => read_public_keys(path)
            .map(|(keys, _)| keys)
            .map_err(|flaw| format!("expected {}, found {}", flaw.expected, flaw.found)),
        KeySource::Url(url) => fetch(web, url).await,
        KeySource::Discovery => match discovered(web, &issuer.url).await {
            Ok(url) => fetch(web, &url).await,
            Err(error) => Err(error),
        },
    };
    let keys = match read {
        Ok(keys) => keys,
        Err(error) => {
            return vec![Line::failed(
                "issuer",
                format!("{name}: no keys: {error}"),
                "see that this host reaches the issuer and trusts its certificate (identity.ca_file), or set `jwks_file`",
            )];
        }
    };
    let usable: Vec<&str> = keys
        .algorithms(&issuer.algorithms)
        .into_iter()
        .map(Algorithm::name)
        .collect();
    let mut lines = vec![if usable.is_empty() {
        Line::failed(
            "issuer",
            format!(
                "{name}: none of its {} keys fits the algorithms that its tokens may be signed by",
                keys.len()
            ),
            "set `algorithms` of this issuer to what it signs by",
        )
    } else {
        Line::ok(
            "issuer",
            format!(
                "{name}: {} keys, tokens by {}",
                keys.len(),
                usable.join(", ")
            ),
        )
    }];
    if let KeySource::Url(url) = &issuer.keys {
        lines.extend(dated(web, name, url).await);
    } else if issuer.keys == KeySource::Discovery {
        lines.extend(dated(web, name, &issuer.url).await);
    }
    lines
}

async fn discovered(web: &web::Client, issuer: &str) -> Result<String, String> {
    let document = Discovered::read(web, issuer).await;
    document
        .and_then(|document| document.endpoint("jwks_uri"))
        .map_err(|error| error.to_string())
}

async fn fetch(web: &web::Client, url: &str) -> Result<Keys, String> {
    let text = get(web, url).await.map_err(|error| error.to_string())?;
    Keys::read(&text).map_err(|error| error.to_string())
}

/// Compares clocks with whoever answers at an address, whatever it answers.
async fn dated(web: &web::Client, name: &str, url: &str) -> Option<Line> {
    let clock = crate::clock::Clock::system();
    let sent = clock.now();
    let answer = web.send(web::Request::of_url(url)).await.ok()?;
    let received = clock.now();
    let text = answer.headers.get(DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc);
    Some(skew(name, ahead_ms(sent, received, date)))
}

fn provider(provider: &SamlProvider, now: DateTime<Utc>) -> Line {
    let name = &provider.name;
    let metadata = match read_metadata(&provider.metadata_file) {
        Ok((metadata, _)) => metadata,
        Err(flaw) => {
            let text = format!("{name}: expected {}, found {}", flaw.expected, flaw.found);
            return Line::failed("issuer", text, "fetch the provider's metadata anew");
        }
    };
    let fix = "fetch the provider's metadata anew: its messages are refused after that";
    match metadata.valid_until() {
        Some(until) if until <= now => {
            Line::failed("issuer", format!("{name}: its metadata ended {until}"), fix)
        }
        Some(until) if until - now < SOON => {
            Line::warning("issuer", format!("{name}: its metadata ends {until}"), fix)
        }
        Some(until) => Line::ok(
            "issuer",
            format!("{name}: {}, metadata until {until}", metadata.entity_id()),
        ),
        None => Line::ok(
            "issuer",
            format!("{name}: {}, metadata without an end", metadata.entity_id()),
        ),
    }
}

/// Tries the store with this process's credential, then has the daemon hand its record there with its own.
pub(super) fn store(host: &Host<'_>, is_there: bool) -> Vec<Line> {
    stand_beside_daemon(host.config);
    let told = connect_store::ask(host.config);
    let store = &host.config.record.store;
    let reason = told.reason.as_deref().unwrap_or_default();
    let fix = told
        .hint
        .unwrap_or("mend record.store and record.store_options");
    let mut lines = match told.outcome {
        connect_store::Outcome::Local => vec![lock(host.config)],
        connect_store::Outcome::Taken => vec![
            Line::ok(
                "store",
                format!("{store}: takes an object, and no other under its key"),
            ),
            removal(host.config),
            lock(host.config),
        ],
        connect_store::Outcome::Refused => {
            vec![Line::failed(
                "store",
                format!("{store}: refused: {reason}"),
                fix,
            )]
        }
        connect_store::Outcome::Unreachable => {
            vec![Line::failed(
                "store",
                format!("{store}: no answer: {reason}"),
                fix,
            )]
        }
        connect_store::Outcome::CredentialUnusable => vec![Line::failed(
            "store",
            format!("{store}: cannot be used: {reason}"),
            fix,
        )],
    };
    let name = "record";
    if !is_there {
        lines.push(Line::not_checked(name, "no daemon answers"));
        return lines;
    }
    let flushed = socket::connect(&host.socket)
        .and_then(|mut asked| socket::ask(&mut asked, &Request::Flush {}, FLUSH_WITHIN));
    lines.push(match flushed {
        Ok(Reply::Flushed {}) => Line::ok(
            name,
            format!("the daemon has just handed all that was recorded to {store}"),
        ),
        Ok(_) => Line::not_checked(name, "the daemon answered something else"),
        Err(failure) => Line::failed(
            name,
            format!("the daemon cannot hand its record to {store}: {}", failure.words()),
            "let the daemon's own identity create objects there; its log says what the store answers",
        ),
    });
    lines
}

/// Tries to delete from the store with the daemon's credential, as who has taken it from the host would.
fn removal(config: &Config) -> Line {
    let name = "store removal";
    let tried = connect_store::open(config)
        .and_then(|store| store.try_removal().map_err(|error| error.to_string()));
    match tried {
        Ok(Some(Removal::Refused(cause))) => Line::ok(
            name,
            format!("the daemon's credential cannot delete what it wrote: {cause}"),
        ),
        Ok(Some(Removal::Done)) => Line::warning(
            name,
            "the daemon's credential may delete: who takes it from the host can remove the record, or hide it below markers",
            "give it the right to create objects alone (packaging/store has the policies), and lock the bucket",
        ),
        Ok(None) => Line::not_checked(name, "the store is a folder of this host"),
        Err(cause) => Line::not_checked(name, cause),
    }
}

/// Asks the store whether it locks what is written to it, by which nobody who has taken this host can take the record away.
fn lock(config: &Config) -> Line {
    let asked = connect_store::open(config).map(|store| store.lock());
    match asked {
        Ok(asked) => of_lock(&config.record.store, asked),
        Err(cause) => Line::not_checked(LOCK, cause),
    }
}

const LOCK: &str = "store lock";

fn of_lock(store: &str, asked: Result<BucketLock, ProbeError>) -> Line {
    let unlocked =
        "make the bucket's default a lock in compliance mode (packaging/store/s3/object-lock.json)";
    let by_hand = format!("{store}: {BY_HAND}");
    match asked {
        Ok(BucketLock::Default(Retention { binds_all, lasts })) if binds_all => Line::ok(
            LOCK,
            format!("{store}: keeps each object for {lasts} in compliance mode, against everybody"),
        ),
        Ok(BucketLock::Default(Retention { lasts, .. })) => Line::warning(
            LOCK,
            format!(
                "{store}: keeps each object for {lasts} in governance mode: who has the right to bypass it can delete"
            ),
            unlocked,
        ),
        Ok(BucketLock::NoDefault) => Line::warning(
            LOCK,
            format!(
                "{store}: can lock objects, and locks none by default: what is written can be deleted"
            ),
            unlocked,
        ),
        Ok(BucketLock::Absent) => Line::warning(
            LOCK,
            format!("{store}: has no object lock: what is written can be deleted by its owner"),
            "keep the record in a bucket with a lock, which S3 gives when it is made (packaging/store/README.md)",
        ),
        Ok(BucketLock::Folder) => Line::warning(
            LOCK,
            format!(
                "{store}: a folder of this host has none: root can change the record, and `icecore verify` alone shows it"
            ),
            "set record.store to a bucket with a lock (packaging/store/README.md); for a first try a folder will do",
        ),
        Ok(BucketLock::NotAsked) => Line::not_checked(LOCK, by_hand),
        Err(ProbeError::Denied(cause)) => Line::not_checked(
            LOCK,
            format!(
                "{store}: the daemon's credential may not ask for it ({cause}); packaging/store/s3/lock-seen.json lets it, or ask as the bucket's owner: aws s3api get-object-lock-configuration --bucket BUCKET"
            ),
        ),
        Err(error) => Line::not_checked(LOCK, format!("{store}: {error}")),
    }
}

/// How a lock is looked at where no client asks for it.
const BY_HAND: &str = "this program cannot ask for it; ask as its owner: gcloud storage buckets describe gs://BUCKET --format='default(retention_policy)', or az storage container immutability-policy show --account-name ACCOUNT --container-name CONTAINER";

#[cfg(test)]
mod tests {
    use super::super::line::Outcome as Ended;
    use super::*;

    #[test]
    fn clocks_that_are_apart_are_warned_of_and_then_refused() {
        for (ms, expected) in [
            (0, Ended::Ok),
            (-2_900, Ended::Ok),
            (4_000, Ended::Warning),
            (-29_000, Ended::Warning),
            (31_000, Ended::Failed),
            (i64::MIN, Ended::Failed),
        ] {
            assert_eq!(skew("x", ms).outcome, expected, "{ms}");
        }
        assert!(skew("x", -31_000).found.contains("31.0 s behind"));
    }

    #[test]
    fn a_lock_that_binds_everybody_alone_is_proved() {
        let lasts = |binds_all| {
            let lasts = "30 days".to_owned();
            Ok(BucketLock::Default(Retention { binds_all, lasts }))
        };
        let denied = ProbeError::Denied("403".to_owned());
        for (asked, expected) in [
            (lasts(true), Ended::Ok),
            (lasts(false), Ended::Warning),
            (Ok(BucketLock::NoDefault), Ended::Warning),
            (Ok(BucketLock::Absent), Ended::Warning),
            (Ok(BucketLock::Folder), Ended::Warning),
            (Ok(BucketLock::NotAsked), Ended::NotChecked),
            (Err(denied), Ended::NotChecked),
            (
                Err(ProbeError::Unreachable("x".to_owned())),
                Ended::NotChecked,
            ),
        ] {
            let text = format!("{asked:?}");
            assert_eq!(of_lock("s3://b", asked).outcome, expected, "{text}");
        }
    }
}
