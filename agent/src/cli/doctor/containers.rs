//! Containers that are sessions now: whether our programs run for each of their cgroups, and no others beside.
//!
//! None is started: what an engine of the host would start, and as whom, is the host's own affair. What runs is looked at. That
//! one is enforced is the daemon's word from when it was opened; its processes are not looked at again.

use super::hooks::{self, At};
use super::line::Line;
use super::{Host, PATIENCE};
use crate::cli::failure::Failure;
use crate::cli::socket::{ask, connect, misunderstood};
use crate::control::live::{LiveAsk, LiveReply, LiveSession};
use crate::control::request::{Reply, Request};

const NAME: &str = "containers";

/// How the daemon calls a session that is a container.
const SCOPE: &str = "container";

/// How many sessions are named in a line.
const NAMED_MAX: usize = 8;

/// Looks at those that there are; where none is, there is nothing to say unless it was asked for.
pub(super) fn look(host: &Host<'_>) -> Vec<Line> {
    let found = match list(host) {
        Ok(found) => found,
        Err(failure) => return vec![Line::not_checked(NAME, failure.words())],
    };
    let links = match hooks::links(host) {
        Ok(links) => links,
        Err(why) if !found.is_empty() => return vec![Line::not_checked(NAME, why)],
        Err(_) => Vec::new(),
    };
    // One that ended meanwhile is none.
    let looked_at: Vec<(LiveSession, At)> = found
        .into_iter()
        .filter_map(|one| {
            let at = hooks::at_all(&links, &one.cgroup)?;
            Some((one, at))
        })
        .collect();
    let is_asked_for = host.args.only.iter().any(|part| part == NAME);
    if looked_at.is_empty() {
        let text = "none is a session now: start one that is to be, and look again (docs/install.md, \"Containers\")";
        let line = is_asked_for.then(|| Line::not_checked(NAME, text));
        return line.into_iter().collect();
    }
    told(&looked_at)
}

fn list(host: &Host<'_>) -> Result<Vec<LiveSession>, Failure> {
    let mut lines = connect(&host.socket)?;
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let request = Request::Live(LiveAsk::List { after });
        let reply = ask(&mut lines, &request, PATIENCE)?;
        let Reply::Live(LiveReply::Listed { sessions, more }) = reply else {
            return Err(misunderstood());
        };
        after = sessions.last().map(|session| session.session);
        found.extend(sessions.into_iter().filter(|one| one.scope == SCOPE));
        if !more || after.is_none() {
            return Ok(found);
        }
    }
}

/// Says what was found, a line for each kind of it.
fn told(looked_at: &[(LiveSession, At)]) -> Vec<Line> {
    let named = |words: &dyn Fn(&LiveSession, &At) -> Option<String>| {
        let of_each = |(one, at): &(LiveSession, At)| words(one, at);
        let names: Vec<String> = looked_at.iter().filter_map(of_each).collect();
        let more = names.len().saturating_sub(NAMED_MAX);
        let shown: Vec<String> = names.into_iter().take(NAMED_MAX).collect();
        let mut text = shown.join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    };
    let because = |one: &LiveSession, why: &[String]| {
        let first = why.first()?;
        let more = match why.len() {
            1 => String::new(),
            many => format!(" and {} more", many - 1),
        };
        Some(format!("{} ({first}{more})", one.session))
    };
    let mut lines = Vec::new();
    let ungoverned = named(&|one, at| because(one, &at.absent));
    if !ungoverned.is_empty() {
        let text = format!("our programs do not run for {ungoverned}");
        let fix = format!("end them by `icecore close`; {}", hooks::ABSENT_FIX);
        lines.push(Line::failed(NAME, text, &fix));
    }
    let unknown = named(&|one, at| because(one, &at.unknown));
    if !unknown.is_empty() {
        let text = format!("not all cgroups were asked for of {unknown}");
        lines.push(Line::not_checked(NAME, text));
    }
    let others = named(&|one, at| because(one, &at.others));
    if !others.is_empty() {
        let text = format!("programs of others run there too, for {others}");
        lines.push(Line::warning(NAME, text, hooks::OTHERS_FIX));
    }
    let advisory =
        named(&|one, _| (one.enforcement != "enforced").then(|| one.session.to_string()));
    if !advisory.is_empty() {
        lines.push(Line::warning(
            NAME,
            format!(
                "of {} that are sessions these are advisory: {advisory}",
                looked_at.len()
            ),
            "start them without capabilities and with `no-new-privileges`; `--require enforced` refuses the others",
        ));
    }
    if lines.is_empty() {
        let count = looked_at.len();
        lines.push(Line::ok(
            NAME,
            format!(
                "{count} are sessions that were enforced when they were opened, and for each of their cgroups our programs run \
                 and no others"
            ),
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::line::Outcome;
    use super::*;
    use crate::id::SessionId;

    fn session(enforcement: &str) -> LiveSession {
        LiveSession {
            session: SessionId::new(),
            cgroup: "/sys/fs/cgroup/x".into(),
            opened_at: String::new(),
            user: String::new(),
            uid: 7,
            pid: 7,
            exe: String::new(),
            enforcement: enforcement.to_owned(),
            scope: SCOPE.to_owned(),
            entered: true,
        }
    }

    #[track_caller]
    fn check(looked_at: &[(LiveSession, At)], expected: &[(Outcome, &[usize])]) {
        let lines = told(looked_at);
        let named = |line: &Line| -> Vec<usize> {
            let is_in =
                |(one, _): &(LiveSession, At)| line.found.contains(&one.session.to_string());
            let numbered = looked_at.iter().enumerate();
            numbered
                .filter(|(_, one)| is_in(one))
                .map(|(number, _)| number)
                .collect()
        };
        let found: Vec<(Outcome, Vec<usize>)> = lines
            .iter()
            .map(|line| (line.outcome, named(line)))
            .collect();
        let expected: Vec<(Outcome, Vec<usize>)> = expected
            .iter()
            .map(|(outcome, named)| (*outcome, named.to_vec()))
            .collect();
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn each_one_that_is_not_governed_or_held_is_named() {
        let why = || vec!["x".to_owned(), "y".to_owned()];
        let held = || (session("enforced"), At::default());
        let weak = || (session("advisory"), At::default());
        let absent = || At {
            absent: why(),
            ..At::default()
        };
        let others = || At {
            others: why(),
            ..At::default()
        };
        let unknown = || At {
            unknown: why(),
            ..At::default()
        };
        let enforced = |at: At| (session("enforced"), at);
        check(&[held(), held()], &[(Outcome::Ok, &[])]);
        check(&[held(), weak()], &[(Outcome::Warning, &[1])]);
        check(&[held(), enforced(others())], &[(Outcome::Warning, &[1])]);
        check(
            &[held(), enforced(unknown())],
            &[(Outcome::NotChecked, &[1])],
        );
        check(
            &[
                weak(),
                enforced(absent()),
                enforced(unknown()),
                enforced(others()),
            ],
            &[
                (Outcome::Failed, &[1]),
                (Outcome::NotChecked, &[2]),
                (Outcome::Warning, &[3]),
                (Outcome::Warning, &[0]),
            ],
        );
    }
}
