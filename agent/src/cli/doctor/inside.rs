//! What a throw-away session can and cannot do, and what somebody outside of it cannot, as the job's user.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use super::line::Line;
use super::probe::{Attempt, Plan};
use super::{Host, host, secret_files};
use crate::cli::run::bounded;
use crate::config::Guard;
use crate::connection::redirect::{Inspection, effective};
use crate::control::request::Opened;
use crate::id::SessionId;

/// How long everything in one session may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Each check, what is said where all that was tried ended as it must, and what to do where it did not.
const CHECKS: [(&str, &str, &str); 10] = [
    (
        "canary",
        "the proxy answered a session's connection",
        "see the line `programs`; another program on our hooks, or a proxy in HTTPS_PROXY's place, takes the connection",
    ),
    (
        "guard inside",
        "governed addresses are denied on ports that are not redirected",
        "restart the daemon; look for other programs on our hooks",
    ),
    (
        "metadata",
        "addresses of metadata services are denied",
        "restart the daemon; look for other programs on our hooks",
    ),
    (
        "proxy port",
        "a session can neither dial the proxy nor take its port",
        "restart the daemon; look for other programs on our hooks",
    ),
    (
        "udp",
        "QUIC to governed addresses is denied",
        "restart the daemon; look for other programs on our hooks",
    ),
    (
        "sockets",
        "packet, raw, MPTCP, SCTP and other sockets are denied",
        "start jobs by `icecore run`, which keeps other families from them",
    ),
    (
        "cgroups",
        "a session cannot leave its cgroup",
        "take the user's right to that cgroup away: it must belong to root, as must those above it",
    ),
    (
        "privileges",
        "no capability, no new privilege, a filter of system calls",
        "start jobs by `icecore run --user`; run doctor of the daemon's own version",
    ),
    (
        "descriptors",
        "nothing is inherited",
        "run doctor of the daemon's own version",
    ),
    (
        "io_uring",
        "no ring is made unseen",
        "run doctor of the daemon's own version",
    ),
];

/// Opens a session, and tries everything from in there and from outside.
pub(super) fn look(host: &Host<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    let secrets = secret_files::of(host.config);
    let plan = match plan(host, secrets) {
        Ok(plan) => plan,
        Err(line) => return vec![line],
    };
    lines.push(outside(host, &plan));
    let while_open = RefCell::new(Vec::new());
    let command = Host::probe("inside", &plan);
    let ended = host.session(&command, WITHIN, |opened| {
        let found = in_force(host, opened).into_iter();
        while_open.replace(found.chain([at_hooks(host, opened.session)]).collect());
    });
    let ended = match ended {
        Ok(ended) => ended,
        Err(failure) => {
            lines.push(Line::failed(
                "session",
                format!("none can be opened: {}", failure.words()),
                "the daemon's log says more; where sessions need a token, give one that may open several by --identity-token-file",
            ));
            return lines;
        }
    };
    let of = format!("session {} as `{}`", ended.session, host.args.user);
    lines.push(match &ended.advisory {
        None => Line::ok("session", format!("{of}: enforced")),
        Some(why) => Line::warning(
            "session",
            format!("{of}: advisory, {why}"),
            "see the line `rights`; `icecore run --require enforced` refuses to start there",
        ),
    });
    lines.extend(while_open.take());
    match read(&ended.captured.stdout) {
        Some(attempts) => lines.extend(judge(&attempts, &plan)),
        None => lines.push(Line::failed(
            "canary",
            format!(
                "what was tried in the session gave no answer (exit code {:?}{}): {}",
                ended.captured.code,
                if ended.captured.is_late {
                    ", too late"
                } else {
                    ""
                },
                last_line(&ended.captured.stderr)
            ),
            "let the user execute the icecore binary, and see the daemon's log",
        )),
    }
    lines
}

/// Tells what those who try are told.
fn plan(host: &Host<'_>, secrets: Vec<std::path::PathBuf>) -> Result<Plan, Line> {
    let config = host.config;
    let path = config.daemon.state_dir.join("ca/ca.pem");
    let ca = fs::read_to_string(&path).map_err(|error| {
        let text = format!("`{}`: {error}", path.display());
        Line::failed("session", text, "restart the daemon, which makes it")
    })?;
    let Some(account) = config.accounts.first() else {
        return Err(Line::not_checked("session", "the config has no account"));
    };
    Ok(Plan {
        uid: host.uid,
        ca,
        host: account.host.clone(),
        account: account.name.clone(),
        guarded: host::places(config),
        proxy_port: config.capture.port,
        io_uring: config.capture.io_uring,
        secrets,
        ..Plan::default()
    })
}

/// Tries the guard as the job's user outside of every session.
fn outside(host: &Host<'_>, plan: &Plan) -> Line {
    let name = "guard outside";
    if host.config.capture.guard == Guard::Sessions {
        return Line::not_checked(name, "capture.guard is \"sessions\": nobody else is held");
    }
    if plan.guarded.is_empty() {
        return Line::not_checked(name, "no address is guarded that could be dialled");
    }
    let root = &host.config.capture.root;
    if host::is_below(root) != Some(true) {
        let text = format!(
            "doctor runs outside of `{}`, where nobody is held: start it from where jobs start",
            root.display()
        );
        return Line::not_checked(name, text);
    }
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["doctor-probe", "outside", "--user", &host.args.user])
        .arg(plan.written());
    let captured = match bounded(&mut command, WITHIN, host.clock) {
        Ok(captured) => captured,
        Err(error) => return Line::not_checked(name, format!("cannot be started: {error}")),
    };
    let Some(attempts) = read(&captured.stdout) else {
        let said = last_line(&captured.stderr);
        return Line::not_checked(name, format!("gave no answer: {said}"));
    };
    of_attempts(
        name,
        "governed addresses are denied to who is in no session",
        "restart the daemon; look for other programs on our hooks",
        &attempts.iter().collect::<Vec<_>>(),
    )
}

/// Compares what the daemon does with what the config says: it may have been changed since the daemon read it.
fn in_force(host: &Host<'_>, opened: &Opened) -> Option<Line> {
    let config = host.config;
    let said = (config.daemon.mode.as_str(), config.record.mode.as_str());
    let done = (opened.mode.as_str(), opened.record_mode.as_str());
    (said != done).then(|| {
        Line::failed(
            "config",
            format!(
                "it says mode {}, record {}; the daemon has mode {}, record {}",
                said.0, said.1, done.0, done.1
            ),
            "`icecore upgrade` has the daemon take the config",
        )
    })
}

/// Asks the kernel what runs at our hooks for a session that is open, in order.
fn at_hooks(host: &Host<'_>, session: SessionId) -> Line {
    let name = "hooks";
    let capture = &host.config.capture;
    let cgroup = capture.root.join("icecore").join(session.to_string());
    let links = match Inspection::of(&capture.pin_dir) {
        Ok(found) => found.links,
        Err(error) => return Line::not_checked(name, format!("{:#}", anyhow::Error::from(error))),
    };
    let (mut absent, mut others) = (Vec::new(), Vec::new());
    for link in &links {
        let running = match effective(&cgroup, link.attach_type) {
            Ok(running) => running,
            Err(error) => {
                absent.push(format!("{} ({error})", link.name));
                continue;
            }
        };
        if !running.iter().any(|one| one.id == link.program_id) {
            absent.push(link.name.clone());
        }
        if running.len() > 1 {
            let order = running.iter().map(|one| {
                if one.id == link.program_id {
                    "Icecore's".to_owned()
                } else {
                    format!("`{}` (id {})", one.name, one.id)
                }
            });
            let order: Vec<String> = order.collect();
            others.push(format!("{}: {}", link.name, order.join(", then ")));
        }
    }
    if !absent.is_empty() || links.is_empty() {
        return Line::failed(
            name,
            format!(
                "our program does not run for a session at {}",
                absent.join(", ")
            ),
            "restart the daemon; look who replaced or cut the link (`bpftool cgroup tree`)",
        );
    }
    if !others.is_empty() {
        return Line::warning(
            name,
            format!("others run there too, {}", others.join("; ")),
            "see that they leave addresses and ports as they are: one that runs after ours may send a session elsewhere (`bpftool cgroup tree`)",
        );
    }
    Line::ok(
        name,
        format!(
            "at each of {} our program runs for a session, and no other",
            links.len()
        ),
    )
}

fn judge(attempts: &[Attempt], plan: &Plan) -> Vec<Line> {
    let mut by_line: BTreeMap<&str, Vec<&Attempt>> = BTreeMap::new();
    for attempt in attempts {
        by_line.entry(&attempt.line).or_default().push(attempt);
    }
    let mut lines: Vec<Line> = CHECKS
        .into_iter()
        .map(|(name, good, fix)| match by_line.get(name) {
            Some(attempts) => of_attempts(name, good, fix, attempts),
            None => Line::not_checked(name, "there was nothing to try it with"),
        })
        .collect();
    let good = "keys, credentials and the spool cannot be opened";
    let fix = "take the others' rights to it away: root or the proxy's user alone may read it";
    lines.push(match by_line.get("secret files") {
        Some(attempts) if attempts.len() == plan.secrets.len() => {
            of_attempts("secret files", good, fix, attempts)
        }
        Some(_) | None => Line::not_checked("secret files", "there was nothing to try"),
    });
    lines
}

/// Makes a line of what was tried for it.
fn of_attempts(name: &'static str, good: &str, fix: &str, attempts: &[&Attempt]) -> Line {
    let bad: Vec<String> = attempts
        .iter()
        .filter(|attempt| !attempt.is_good)
        .map(|attempt| format!("{}: {}", attempt.what, attempt.ended))
        .collect();
    match (bad.as_slice(), attempts) {
        ([], []) => Line::not_checked(name, "there was nothing to try it with"),
        ([], [one]) => Line::ok(name, format!("{good} ({}: {})", one.what, one.ended)),
        ([], all) => Line::ok(name, format!("{good} ({} tries)", all.len())),
        (bad, _) => Line::failed(name, bad.join("; "), fix),
    }
}

fn read(stdout: &str) -> Option<Vec<Attempt>> {
    serde_json::from_str(stdout.trim()).ok()
}

/// Gives the last line that a program said.
pub(super) fn last_line(text: &str) -> &str {
    text.trim_end().lines().next_back().unwrap_or("nothing")
}

#[cfg(test)]
mod tests {
    use super::super::line::Outcome;
    use super::*;

    fn attempt(line: &str, is_good: bool) -> Attempt {
        Attempt {
            line: line.to_owned(),
            what: "x".to_owned(),
            is_good,
            ended: "y".to_owned(),
        }
    }

    #[test]
    fn one_bad_try_turns_its_line_and_no_other_red() {
        let attempts = [
            attempt("canary", true),
            attempt("metadata", true),
            attempt("metadata", false),
        ];
        let lines = judge(&attempts, &Plan::default());
        let outcome = |name: &str| lines.iter().find(|line| line.name == name).unwrap().outcome;
        assert_eq!(outcome("canary"), Outcome::Ok);
        assert_eq!(outcome("metadata"), Outcome::Failed);
        assert_eq!(outcome("udp"), Outcome::NotChecked);
        assert_eq!(outcome("secret files"), Outcome::NotChecked);
    }

    #[test]
    fn fewer_files_than_were_asked_for_prove_nothing() {
        let plan = Plan {
            secrets: vec!["/a".into(), "/b".into()],
            ..Plan::default()
        };
        let lines = judge(&[attempt("secret files", true)], &plan);
        assert_eq!(lines.last().unwrap().outcome, Outcome::NotChecked);
    }

    #[test]
    fn what_is_no_list_of_tries_is_no_answer() {
        assert_eq!(read(""), None);
        assert_eq!(read("Traceback"), None);
        assert_eq!(read("[]\n"), Some(Vec::new()));
    }
}
