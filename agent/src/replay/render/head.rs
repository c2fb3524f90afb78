//! What is told of a session before its steps: who asked, from where, under what. Pure.

use serde_json::Value as Json;

use super::began_us;
use super::lines::{Lines, or_unknown};
use crate::record::entry::Entry;
use crate::replay::escape::terminal;
use crate::replay::json::time;
use crate::replay::steps::Session;

/// What a token or the caller's environment said of a CI job: name and column.
pub(in crate::replay) const CI: [(&str, &str); 11] = [
    ("repository", "ci_repository"),
    ("ref", "ci_ref"),
    ("commit", "ci_sha"),
    ("workflow", "ci_workflow_ref"),
    ("job workflow", "ci_job_workflow_ref"),
    ("run", "ci_run_id"),
    ("attempt", "ci_run_attempt"),
    ("event", "ci_event"),
    ("environment", "ci_environment"),
    ("actor", "ci_actor"),
    ("runner", "runner_environment"),
];

/// Tells who a session was.
pub(super) fn head(session: &Session<'_>, lines: &mut Lines) {
    let title = format!("session {}", terminal(session.id));
    lines.push(&lines.paint.strong(&title));
    if session.acknowledged_rows > 0 {
        let rows = session.acknowledged_rows;
        let told =
            format!("{rows} rows are acknowledged by the store and not sealed: in no manifest");
        lines.put("not sealed", &told);
    }
    let Some(row) = session.row else {
        lines.push("  its opening was not recorded");
        return;
    };
    lines.put("opened", &time(began_us(session)));
    let closed = row.int("closed_at").map_or_else(
        || "not recorded".to_owned(),
        |at| format!("{}, {}", time(at), or_unknown(row, "close_reason")),
    );
    lines.put("closed", &closed);
    identity(session, row, lines);
    job(row, lines);
    host(row, lines);
    lines.put(
        "mode",
        &format!(
            "{}, {}",
            or_unknown(row, "mode"),
            or_unknown(row, "enforcement")
        ),
    );
    if row.is("same_uid") {
        lines.put(
            "same uid",
            "the command could read or mint its job's tokens",
        );
    }
    for label in row.get("labels").as_list().unwrap_or_default() {
        let [name, value] = [0, 1].map(|part| label.member(part).as_text().unwrap_or_default());
        // Each by itself: what joins two values must not make a command to a runner of them.
        lines.put(
            "label",
            &format!("{}={} (not verified)", terminal(name), terminal(value)),
        );
    }
    lines.maybe(row, "policies", "policy_bundle_sha256");
    lines.put(
        "record",
        &format!(
            "chain {}, {}, icecore {}",
            or_unknown(row, "chain_id"),
            or_unknown(row, "recording_mode"),
            or_unknown(row, "proxy_version")
        ),
    );
}

fn identity(session: &Session<'_>, row: &Entry, lines: &mut Lines) {
    if let Some(subject) = row.text("idp_subject") {
        let kind = or_unknown(row, "principal_type");
        lines.put("subject", &format!("{} ({kind})", terminal(subject)));
        let by = or_unknown(row, "idp_protocol");
        lines.put(
            "issuer",
            &format!("{}, {by}", or_unknown(row, "idp_issuer")),
        );
        if let Some(groups) = groups(session.shown().as_ref()) {
            lines.say("groups", &groups.join(", "));
        }
    }
    let uid = |column| {
        row.int(column)
            .map_or_else(String::new, |uid| format!(" (uid {uid})"))
    };
    lines.put(
        "user",
        &format!("{}{}", or_unknown(row, "user"), uid("uid")),
    );
    if let Some(caller) = row.text("caller_user")
        && row.text("user") != Some(caller)
    {
        lines.put(
            "started by",
            &format!("{}{}", terminal(caller), uid("caller_uid")),
        );
    }
    for (name, column) in [("agent", "agent_name"), ("version", "agent_version")] {
        lines.maybe(row, name, column);
    }
}

fn job(row: &Entry, lines: &mut Lines) {
    if let Some(provider) = row.text("ci_provider") {
        let facts = or_unknown(row, "ci_facts");
        lines.put("job", &format!("{}, {facts}", terminal(provider)));
    }
    for (name, column) in CI {
        lines.maybe(row, &format!("  {name}"), column);
    }
    if matches!(row.text("scope"), Some("step" | "job")) {
        lines.maybe(row, "holds a", "scope");
    }
}

fn host(row: &Entry, lines: &mut Lines) {
    let pid = row
        .int("root_pid")
        .map_or_else(String::new, |pid| format!(" (pid {pid})"));
    lines.put("command", &format!("{}{pid}", or_unknown(row, "root_exe")));
    lines.put("host", &or_unknown(row, "host_id"));
}

/// Lists the groups that a token showed.
pub(in crate::replay) fn groups(shown: Option<&Json>) -> Option<Vec<String>> {
    let groups = shown?.get("groups")?.as_array()?.iter();
    let groups: Vec<String> = groups
        .filter_map(|group| group.as_str().map(str::to_owned))
        .collect();
    (!groups.is_empty()).then_some(groups)
}
