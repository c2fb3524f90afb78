//! What a throw-away session can and cannot do, and what somebody outside of it cannot, as the job's user.

use std::process::Command;
use std::time::Duration;

use super::held::Held;
use super::host::Places;
use super::judged::{self, Known, Shown, said};
use super::line::{Line, Outcome};
use super::probe::{Attempt, Plan, of_outsider, of_session};
use super::secret_files::SecretFiles;
use super::{Host, hooks, host, secret_files};
use crate::cli::run::{Ended, bounded};
use crate::config::Guard;
use crate::connection::redirect::{DenyReason, Inspection};
use crate::control::request::Opened;

/// How long everything in one session may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Each check, what is said where all that was tried ended as it must, and what to do where it did not.
const CHECKS: [(&str, &str, &str); 9] = [
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
pub(super) fn look(host: &Host<'_>, daemon: u32) -> Vec<Line> {
    let mut lines = Vec::new();
    let secrets = secret_files::of(host.config, daemon);
    let places = host::places(host.config);
    let plan = match plan(host, &secrets, &places) {
        Ok(plan) => plan,
        Err(line) => return vec![line],
    };
    lines.push(outside(host, &plan));
    let (mut while_open, mut is_seen) = (Vec::new(), false);
    let sessions = host.config.capture.root.join("icecore");
    let mut held = Held::new(sessions.clone());
    let command = Host::probe("inside");
    let ended = host.session(&command, Some(&plan), WITHIN, |opened| {
        if !is_seen {
            is_seen = true;
            while_open.extend(in_force(host, opened));
            while_open.push(hooks::line(
                host,
                &sessions.join(opened.session.to_string()),
            ));
        }
        held.look(opened);
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
    lines.append(&mut while_open);
    lines.push(held.line(host.uid));
    if places.left_out > 0 {
        let text = format!(
            "{} more guarded addresses than are tried: these are not dialled",
            places.left_out
        );
        lines.push(Line::not_checked("guard inside", text));
    }
    match read(&ended.captured.stdout) {
        Some(attempts) => lines.extend(judge(&attempts, &plan, &secrets, &held, &ended)),
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
fn plan(host: &Host<'_>, secrets: &SecretFiles, places: &Places) -> Result<Plan, Line> {
    let config = host.config;
    let Some(account) = config.accounts.first() else {
        return Err(Line::not_checked("session", "the config has no account"));
    };
    Ok(Plan {
        uid: host.uid,
        host: account.host.clone(),
        account: account.name.clone(),
        guarded: places.tried.clone(),
        proxy_port: config.capture.port,
        io_uring: config.capture.io_uring,
        secrets: secrets.tried.clone(),
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
    command.args(["doctor-probe", "outside", "--user", &host.args.user]);
    let counted = || Inspection::denied(&host.config.capture.pin_dir, DenyReason::Guarded).ok();
    let before = counted();
    let captured = match bounded(&mut command, &plan.written(), WITHIN, host.clock) {
        Ok(captured) => captured,
        Err(error) => return Line::not_checked(name, format!("cannot be started: {error}")),
    };
    let Some(attempts) = read(&captured.stdout) else {
        let said = last_line(&captured.stderr);
        return Line::not_checked(name, format!("gave no answer: {said}"));
    };
    let moved = match (before, counted()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => 0,
    };
    let tries = of_outsider(plan);
    // Whom the kernel gives no socket of the kind, nothing is denied.
    let counted = tries.iter().filter(|one| !one.is_absent()).count();
    let is_borne_out = usize::try_from(moved).is_ok_and(|moved| moved >= counted);
    let shown: Vec<(String, Shown)> = tries
        .iter()
        .map(|one| {
            let attempt = attempts.iter().find(|attempt| attempt.what == one.what);
            let shown = match attempt.map(said) {
                Some(Shown::Good(ended)) if !is_borne_out => Shown::Unknown(format!(
                    "{ended}, and the kernel counted {moved} denials meanwhile"
                )),
                Some(shown) => shown,
                None => Shown::Unknown("was not tried".to_owned()),
            };
            (one.what.clone(), shown)
        })
        .collect();
    judged::line(
        name,
        "governed addresses are denied to who is in no session, and the kernel counted it",
        "restart the daemon; look for other programs on our hooks",
        &shown,
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

fn judge(
    attempts: &[Attempt],
    plan: &Plan,
    secrets: &SecretFiles,
    held: &Held,
    ended: &Ended,
) -> Vec<Line> {
    // Of what an earlier proxy had of it nobody tells.
    let summary = ended.summary.as_ref().filter(|summary| !summary.resumed);
    let known = Known {
        seen: summary.map(|summary| &summary.seen),
        held,
    };
    let tries = of_session(plan);
    let mut lines: Vec<Line> = CHECKS
        .into_iter()
        .map(|(name, good, fix)| {
            let tries = tries.iter().filter(|one| one.line == name);
            let of_tries = tries.map(|one| (one.what.clone(), known.of_try(one, attempts)));
            let others = attempts.iter().filter(|attempt| attempt.line == name);
            let of_others = others.filter_map(|attempt| {
                let shown = match name {
                    "canary" => known.of_canary(attempt),
                    "cgroups" => known.of_cgroups(attempt),
                    "descriptors" | "io_uring" => said(attempt),
                    _ => return None,
                };
                Some((attempt.what.clone(), shown))
            });
            let shown: Vec<(String, Shown)> = of_tries.chain(of_others).collect();
            judged::line(name, good, fix, &shown)
        })
        .collect();
    lines.push(of_secrets(attempts, secrets));
    lines
}

fn of_secrets(attempts: &[Attempt], secrets: &SecretFiles) -> Line {
    let name = "secret files";
    let tried = attempts.iter().filter(|attempt| attempt.line == name);
    let shown: Vec<(String, Shown)> = tried
        .map(|attempt| (attempt.what.clone(), said(attempt)))
        .collect();
    let is_whole = shown.len() == secrets.tried.len();
    let line = judged::line(
        name,
        "keys, credentials and the spool cannot be opened",
        "take the others' rights to it away: root or the proxy's user alone may read it",
        &shown,
    );
    if line.outcome != Outcome::Ok {
        return line;
    }
    match (is_whole, secrets.left_out, secrets.unknown.is_empty()) {
        (false, _, _) => Line::not_checked(name, "some of them were not tried"),
        (true, 0, true) => line,
        (true, 1.., true) => Line::not_checked(
            name,
            format!(
                "{} cannot be opened, and {} more were not tried",
                shown.len(),
                secrets.left_out
            ),
        ),
        (true, _, false) => Line::not_checked(
            name,
            format!(
                "{} cannot be opened, and not all are known: {}",
                shown.len(),
                secrets.unknown.join("; ")
            ),
        ),
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
#[path = "inside_tests.rs"]
mod tests;
