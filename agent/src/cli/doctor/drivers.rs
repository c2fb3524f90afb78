//! Whether each driver that is found on this host trusts the proxy and is redirected: it is run in a session of its own, as the
//! job's user, with a password that is worth nothing. What the session's end tells of its handshakes, requests and statements
//! shows what the proxy had of it; what the driver prints shows nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use uuid::Uuid;

use super::Host;
use super::inside::last_line;
use super::line::{Line, Report};
use super::probe::{Driver, Found, Plan, Runtime};
use crate::cli::run::Ended;

/// How long the look for drivers may take.
const LOOK_WITHIN: Duration = Duration::from_secs(60);

/// How long one driver may take.
const DRIVE_WITHIN: Duration = Duration::from_secs(90);

/// Most drivers that are run; each has its line, and what is not run is told.
const DRIVEN_MAX: usize = 24;

const NAME: &str = "driver";

const PYTHON: &str = include_str!("scripts/connector.py");
const NODE: &str = include_str!("scripts/sdk.js");

/// Words by which TLS libraries say that they do not trust a certificate: OpenSSL, Node, Java, Go, rustls.
const UNTRUSTED: [&str; 9] = [
    "CERTIFICATE_VERIFY_FAILED",
    "certificate verify failed",
    "self-signed certificate",
    "self signed certificate",
    "unable to get local issuer",
    "unable to verify the first",
    "PKIX path",
    "signed by unknown authority",
    "UnknownIssuer",
];

/// Looks for drivers and runs each.
pub(super) fn look(host: &Host<'_>, report: &mut Report) {
    let Some(account) = host.config.accounts.first() else {
        return report.add(Line::not_checked(NAME, "the config has no account"));
    };
    let mut plan = Plan {
        uid: host.uid,
        host: account.host.clone(),
        account: account.name.clone(),
        folders: folders(host),
        password: Uuid::new_v4().to_string(),
        ..Plan::default()
    };
    let found = match find(host, &plan) {
        Ok(found) => found,
        Err(line) => return report.add(line),
    };
    if found.drivers.is_empty() {
        let text = format!(
            "no driver is found in {} files; --look names other folders",
            found.entries
        );
        report.add(Line::not_checked(NAME, text));
    }
    if found.is_cut {
        let text = format!(
            "the look ended after {} files: there may be more drivers; --look names where",
            found.entries
        );
        report.add(Line::not_checked("drivers", text));
    }
    for driver in found.drivers.iter().take(DRIVEN_MAX) {
        report.add(drive(host, &mut plan, driver));
    }
    for driver in found.drivers.iter().skip(DRIVEN_MAX) {
        let text = format!("`{}`: one too many", driver.at.display());
        report.add(Line::not_checked(NAME, text));
    }
    plan.jar = None;
    report.add(virtual_machine(host, &plan));
}

/// Lists where is looked: where jobs of the user may have drivers, and where packages of the host put them.
fn folders(host: &Host<'_>) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = host.args.look.clone();
    if host.home.as_path() != Path::new("/") {
        folders.push(host.home.clone());
    }
    let of_host = ["/opt", "/srv", "/usr/local/lib", "/usr/lib/python3"];
    folders.extend(of_host.map(PathBuf::from));
    folders.push("/usr/lib/node_modules".into());
    folders.push("/usr/share/java".into());
    folders
}

fn find(host: &Host<'_>, plan: &Plan) -> Result<Found, Line> {
    let command = Host::probe("find");
    let ended = host.session(&command, Some(plan), LOOK_WITHIN, |_| {});
    let captured = ended
        .map_err(|failure| Line::not_checked(NAME, failure.words()))?
        .captured;
    serde_json::from_str(captured.stdout.trim()).map_err(|_| {
        let said = last_line(&captured.stderr);
        Line::not_checked(NAME, format!("the look for drivers gave no answer: {said}"))
    })
}

/// What a driver's script prints, on the last of its lines; it is run by what the user may have changed, and is no proof alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    stage: String,
    version: Option<String>,
    error: Option<String>,
}

impl Said {
    fn read(stdout: &str) -> Option<Self> {
        serde_json::from_str(last_line(stdout)).ok()
    }
}

fn drive(host: &Host<'_>, plan: &mut Plan, driver: &Driver) -> Line {
    let at = format!("`{}`", driver.at.display());
    let words = |program: &Path, rest: &[&str]| -> Vec<OsString> {
        std::iter::once(program.as_os_str().to_owned())
            .chain(rest.iter().map(OsString::from))
            .collect()
    };
    let (at_account, password) = (
        (plan.host.clone(), plan.account.clone()),
        plan.password.clone(),
    );
    let (account_host, account) = (at_account.0.as_str(), at_account.1.as_str());
    let command = match (driver.runtime, &driver.program) {
        (Runtime::Python | Runtime::Adbc, None) => {
            let text = format!("{at}: found, and no interpreter whose packages these are");
            return Line::not_checked(NAME, text);
        }
        (Runtime::Python, Some(program)) => words(
            program,
            &["-c", PYTHON, account_host, account, &password, "connector"],
        ),
        (Runtime::Adbc, Some(program)) => words(
            program,
            &["-c", PYTHON, account_host, account, &password, "adbc"],
        ),
        (Runtime::Node, _) => {
            let sdk = driver.at.to_string_lossy();
            words(
                Path::new("node"),
                &["-e", NODE, &sdk, account_host, account, &password],
            )
        }
        (Runtime::Jdbc, _) => {
            plan.jar = Some(driver.at.clone());
            Host::probe("java")
        }
        (Runtime::Other, _) => {
            let text = format!(
                "{at}: found, and not proved: it has no program of its own that could be run"
            );
            return Line::not_checked(NAME, text);
        }
    };
    // What is of the host is told by its arguments.
    let told = (driver.runtime == Runtime::Jdbc).then_some(&*plan);
    match host.session(&command, told, DRIVE_WITHIN, |_| {}) {
        Ok(ended) => judge(&at, driver.runtime, &ended),
        Err(failure) => Line::not_checked(NAME, format!("{at}: {}", failure.words())),
    }
}

fn judge(at: &str, runtime: Runtime, ended: &Ended) -> Line {
    let captured = &ended.captured;
    if captured.is_late {
        let text = format!("{at}: no answer within {} s", DRIVE_WITHIN.as_secs());
        let fix = "run it by `icecore run` and look where it hangs: at a proxy of its own, a revocation server, or a name without an address";
        return Line::failed(NAME, text, fix);
    }
    let Some(said) = Said::read(&captured.stdout) else {
        let said = last_line(&captured.stderr);
        return Line::not_checked(NAME, format!("{at}: could not be run: {said}"));
    };
    let name = match &said.version {
        Some(version) => format!("{version} in {at}"),
        None => at.to_owned(),
    };
    judged(&name, runtime, &said, ended)
}

/// Judges by what the proxy had of the session; what the driver said is shown beside, and proves nothing: whoever may change its
/// folder may have it say anything.
fn judged(name: &str, runtime: Runtime, said: &Said, ended: &Ended) -> Line {
    let Some(summary) = &ended.summary else {
        let text = format!("{name}: the daemon does not tell what its proxy had of it");
        return Line::not_checked(NAME, text);
    };
    let seen = &summary.seen;
    let session = ended.session;
    let error = said.error.as_deref().map(cut);
    let error = error.as_deref();
    if summary.statements > 0 {
        let had_it =
            format!("{name}: trusts the proxy, which had its statement (session {session})");
        return Line::ok(
            NAME,
            match error {
                None => had_it,
                Some(_) if summary.refused > 0 => format!("{had_it}, and a policy refused it"),
                Some(error) => format!("{had_it}, and it failed: {error}"),
            },
        );
    }
    if summary.resumed {
        let text = format!("{name}: the proxy was replaced meanwhile, and what it had is not told");
        return Line::not_checked(NAME, text);
    }
    let reason = error.unwrap_or("no reason");
    let stage = &said.stage;
    match (stage.as_str(), error) {
        ("import", Some(error)) => {
            return Line::not_checked(NAME, format!("{name}: cannot be loaded: {error}"));
        }
        ("done", None) => {
            return Line::failed(
                NAME,
                format!(
                    "{name}: somebody answered its statement, and it was not the proxy (session {session})"
                ),
                "look at the lines `canary` and `hooks`; see what the driver's settings file (connections.toml, HTTPS_PROXY) sends it to",
            );
        }
        _ => {}
    }
    if seen.requests > 0 {
        return Line::warning(
            NAME,
            format!(
                "{name}: trusts the proxy, which had {} of its requests and no statement: {reason}",
                seen.requests
            ),
            "give the job's user a grant, or a token, and a policy that lets it read",
        );
    }
    let words = |error: &str| UNTRUSTED.iter().any(|words| error.contains(words));
    if seen.failed_handshakes > 0 && seen.handshakes == 0 || error.is_some_and(words) {
        return Line::failed(
            NAME,
            format!(
                "{name}: does not trust the proxy, which had {} handshakes that it broke off: {reason}",
                seen.failed_handshakes
            ),
            trust_fix(runtime),
        );
    }
    Line::failed(
        NAME,
        format!("{name}: {stage}, and the proxy had no request of it: {reason}"),
        "run it by `icecore run` and read its error; `icecore replay` shows whether the proxy saw it",
    )
}

/// Says how a driver is made to trust the proxy.
fn trust_fix(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Python => {
            "let it read REQUESTS_CA_BUNDLE and SSL_CERT_FILE: take out what sets `verify`, `cert` or a certifi of its own; `icecore run --help` says more"
        }
        Runtime::Adbc => "let it read SSL_CERT_FILE; `icecore run --help` says more",
        Runtime::Node => {
            "let it read NODE_EXTRA_CA_CERTS: take out `--use-bundled-ca`, `ca` or an agent of its own; `icecore run --help` says more"
        }
        Runtime::Jdbc => {
            "let it read JAVA_TOOL_OPTIONS, or import the CA (`ca/ca.pem` in the daemon's state_dir) into its trust store with keytool"
        }
        Runtime::Other => "`icecore run --help` says what each driver trusts by",
    }
}

/// Looks whether a Java virtual machine of the host trusts the proxy, be there a driver or none.
fn virtual_machine(host: &Host<'_>, plan: &Plan) -> Line {
    let name = "java";
    let command = Host::probe("java");
    let ended = match host.session(&command, Some(plan), DRIVE_WITHIN, |_| {}) {
        Ok(ended) => ended,
        Err(failure) => return Line::not_checked(name, failure.words()),
    };
    of_virtual_machine(name, &ended)
}

fn of_virtual_machine(name: &'static str, ended: &Ended) -> Line {
    let had = ended.summary.as_ref().map(|summary| &summary.seen);
    match Said::read(&ended.captured.stdout) {
        Some(Said {
            stage,
            version,
            error: None,
        }) if stage == "tls" => {
            let version = version.unwrap_or_default();
            let session = ended.session;
            match had {
                Some(seen) if seen.requests > 0 => Line::ok(
                    name,
                    format!(
                        "{version}: trusts the proxy, which had its request (session {session})"
                    ),
                ),
                Some(_) => Line::failed(
                    name,
                    format!(
                        "{version}: somebody answered it, and it was not the proxy (session {session})"
                    ),
                    "look at the lines `canary` and `hooks`, and at the virtual machine's proxy settings",
                ),
                None => Line::not_checked(
                    name,
                    format!("{version}: the daemon does not tell what its proxy had of it"),
                ),
            }
        }
        Some(Said {
            error: Some(error),
            version,
            ..
        }) => Line::failed(
            name,
            format!("{}: {}", version.unwrap_or_default(), cut(&error)),
            trust_fix(Runtime::Jdbc),
        ),
        Some(_) | None if ended.captured.is_late => Line::not_checked(
            name,
            format!("no answer within {} s", DRIVE_WITHIN.as_secs()),
        ),
        Some(_) | None => Line::not_checked(
            name,
            format!(
                "none that compiles one file is found: {}",
                last_line(&ended.captured.stderr)
            ),
        ),
    }
}

/// Keeps the beginning of what others wrote.
fn cut(text: &str) -> String {
    const SHOWN_MAX: usize = 300;
    let mut shown: String = text.chars().take(SHOWN_MAX).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        shown.push_str(" ...");
    }
    shown
}

#[cfg(test)]
#[path = "drivers_tests.rs"]
mod tests;
