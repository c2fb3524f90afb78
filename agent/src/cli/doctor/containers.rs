//! Containers that are sessions now: whether our programs run for each of their cgroups, and nothing lets them get around.
//!
//! None is started: what an engine of the host would start, and as whom, is the host's own affair. What runs is looked at.

use super::inside::at_hooks;
use super::line::{Line, Outcome};
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
pub(super) fn look(host: &Host<'_>) -> Option<Line> {
    let found = match list(host) {
        Ok(found) => found,
        Err(failure) => return Some(Line::not_checked(NAME, failure.words())),
    };
    let is_asked_for = host.args.only.iter().any(|part| part == NAME);
    if found.is_empty() {
        let text = "none is a session now: start one that is to be, and look again (docs/install.md, \"Containers\")";
        return is_asked_for.then(|| Line::not_checked(NAME, text));
    }
    let looked_at = found
        .iter()
        .map(|one| (one, at_hooks(host, &one.cgroup).outcome))
        .collect::<Vec<_>>();
    Some(told(&looked_at))
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

fn told(looked_at: &[(&LiveSession, Outcome)]) -> Line {
    let named = |is_it: &dyn Fn(&LiveSession, Outcome) -> bool| {
        let all = looked_at
            .iter()
            .filter(|(one, outcome)| is_it(one, *outcome));
        let names: Vec<String> = all.map(|(one, _)| one.session.to_string()).collect();
        let more = names.len().saturating_sub(NAMED_MAX);
        let mut text = names
            .into_iter()
            .take(NAMED_MAX)
            .collect::<Vec<_>>()
            .join(", ");
        if more > 0 {
            text.push_str(&format!(" and {more} more"));
        }
        text
    };
    let ungoverned = named(&|_, outcome| outcome == Outcome::Failed);
    if !ungoverned.is_empty() {
        return Line::failed(
            NAME,
            format!("our programs do not run for {ungoverned}"),
            "end them by `icecore close`, restart the daemon; look who replaced or cut the link (`bpftool cgroup tree`)",
        );
    }
    let unknown = named(&|_, outcome| outcome == Outcome::NotChecked);
    if !unknown.is_empty() {
        return Line::not_checked(
            NAME,
            format!("the kernel does not tell what runs for {unknown}"),
        );
    }
    let advisory = named(&|one, _| one.enforcement != "enforced");
    if !advisory.is_empty() {
        return Line::warning(
            NAME,
            format!(
                "of {} that are sessions these are advisory: {advisory}",
                looked_at.len()
            ),
            "start them without capabilities and with `no-new-privileges`; `--require enforced` refuses the others",
        );
    }
    let count = looked_at.len();
    Line::ok(
        NAME,
        format!("{count} are sessions, enforced, and our programs run for each"),
    )
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn one_that_is_not_governed_or_held_is_named() {
        let (held, weak) = (session("enforced"), session("advisory"));
        let outcome = |looked_at: &[(&LiveSession, Outcome)]| told(looked_at).outcome;
        // Programs of others there are a warning of their own, in the line `hooks`.
        let good = [(&held, Outcome::Ok), (&held, Outcome::Warning)];
        assert_eq!(outcome(&good), Outcome::Ok);
        let line = told(&[(&held, Outcome::Ok), (&weak, Outcome::Ok)]);
        assert_eq!(line.outcome, Outcome::Warning);
        assert!(line.found.contains(&weak.session.to_string()), "{line:?}");
        assert!(!line.found.contains(&held.session.to_string()), "{line:?}");
        let unknown = [(&held, Outcome::NotChecked)];
        assert_eq!(outcome(&unknown), Outcome::NotChecked);
        let failed = [(&weak, Outcome::Failed), (&held, Outcome::NotChecked)];
        assert_eq!(outcome(&failed), Outcome::Failed);
    }
}
