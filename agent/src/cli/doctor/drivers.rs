//! Whether each driver that is found on this host trusts the proxy and is redirected: it is run in a session of its own, as the
//! job's user, with a password that is worth nothing. A login that is taken shows that the proxy answered; what the session's
//! end tells of its statements shows that the proxy had them.

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
    let command = Host::probe("find", plan);
    let ended = host.session(&command, LOOK_WITHIN, |_| {});
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
            Host::probe("java", plan)
        }
        (Runtime::Other, _) => {
            let text = format!(
                "{at}: found, and not proved: it has no program of its own that could be run"
            );
            return Line::not_checked(NAME, text);
        }
    };
    match host.session(&command, DRIVE_WITHIN, |_| {}) {
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
    let (statements, refused) = ended
        .summary
        .as_ref()
        .map_or((0, 0), |summary| (summary.statements, summary.refused));
    let had_it = format!("the proxy had its statement (session {})", ended.session);
    match (said.stage.as_str(), said.error.as_deref()) {
        ("done", None) if statements > 0 => {
            Line::ok(NAME, format!("{name}: trusts the proxy, {had_it}"))
        }
        ("query", Some(_)) if refused > 0 => Line::ok(
            NAME,
            format!("{name}: trusts the proxy, {had_it}, and a policy refused it"),
        ),
        ("query", Some(error)) if statements > 0 => Line::ok(
            NAME,
            format!(
                "{name}: trusts the proxy, {had_it}, and it failed: {}",
                cut(error)
            ),
        ),
        ("done", None) => Line::failed(
            NAME,
            format!(
                "{name}: somebody answered its statement, and it was not the proxy (session {})",
                ended.session
            ),
            "look at the lines `canary` and `hooks`; see what the driver's settings file (connections.toml, HTTPS_PROXY) sends it to",
        ),
        ("import", Some(error)) => {
            Line::not_checked(NAME, format!("{name}: cannot be loaded: {error}"))
        }
        (_, Some(error)) if UNTRUSTED.iter().any(|words| error.contains(words)) => Line::failed(
            NAME,
            format!("{name}: does not trust the proxy: {}", cut(error)),
            trust_fix(runtime),
        ),
        (_, Some(error)) if error.to_lowercase().contains("icecore") => Line::warning(
            NAME,
            format!("{name}: trusts the proxy, which refused it: {}", cut(error)),
            "give the job's user a grant, or a token, and a policy that lets it read",
        ),
        (stage, error) => Line::failed(
            NAME,
            format!("{name}: {stage}: {}", cut(error.unwrap_or("no reason"))),
            "run it by `icecore run` and read its error; `icecore replay` shows whether the proxy saw it",
        ),
    }
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
    let ended = match host.session(&Host::probe("java", plan), DRIVE_WITHIN, |_| {}) {
        Ok(ended) => ended,
        Err(failure) => return Line::not_checked(name, failure.words()),
    };
    match Said::read(&ended.captured.stdout) {
        Some(Said {
            stage,
            version,
            error: None,
        }) if stage == "tls" => {
            let version = version.unwrap_or_default();
            Line::ok(name, format!("{version}: trusts the proxy"))
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
mod tests {
    use super::super::line::Outcome;
    use super::*;
    use crate::cli::run::Captured;
    use crate::control::SessionSummary;
    use crate::id::SessionId;

    #[track_caller]
    fn check(stdout: &str, statements: u64, refused: u64, expected: Outcome) {
        let summary = SessionSummary {
            statements,
            allowed: statements - refused,
            refused,
            failed: 0,
            events: 0,
            mode: "enforce".to_owned(),
            recorded: true,
        };
        let ended = Ended {
            session: SessionId::new(),
            captured: Captured {
                code: Some(0),
                is_late: false,
                stdout: stdout.to_owned(),
                stderr: String::new(),
            },
            summary: Some(summary),
            advisory: None,
        };
        let line = judge("`/venv`", Runtime::Python, &ended);
        assert_eq!(line.outcome, expected, "{line:?}");
    }

    fn said(stage: &str, error: Option<&str>) -> String {
        let said = serde_json::json!({"stage": stage, "version": "c 1", "error": error});
        format!("warning: x\n{said}\n")
    }

    #[test]
    fn a_drivers_word_is_no_proof_without_the_proxys() {
        check(&said("done", None), 1, 0, Outcome::Ok);
        check(&said("done", None), 0, 0, Outcome::Failed);
        check(
            &said("query", Some("Icecore refused it")),
            1,
            1,
            Outcome::Ok,
        );
        check(&said("query", Some("no warehouse")), 1, 0, Outcome::Ok);
        check(&said("query", Some("broken pipe")), 0, 0, Outcome::Failed);
    }

    #[test]
    fn what_is_not_trusted_fails_and_what_cannot_be_run_is_not_known() {
        let untrusted = "SSLError: certificate verify failed: unable to get local issuer";
        check(&said("login", Some(untrusted)), 0, 0, Outcome::Failed);
        check(
            &said("login", Some("Icecore: no grant")),
            0,
            0,
            Outcome::Warning,
        );
        check(
            &said("import", Some("ImportError: x")),
            0,
            0,
            Outcome::NotChecked,
        );
        check("Segmentation fault", 0, 0, Outcome::NotChecked);
        check("", 0, 0, Outcome::NotChecked);
    }

    #[test]
    fn a_driver_that_prints_a_line_of_its_own_is_heard_by_its_last() {
        let forged = format!("{}{}", said("done", None), said("login", Some("x")));
        check(&forged, 0, 0, Outcome::Failed);
    }
}
