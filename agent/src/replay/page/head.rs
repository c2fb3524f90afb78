//! Who it was, and what it came to: the top of a page. Pure.

use super::markup::Markup;
use crate::record::entry::Entry;
use crate::record::hex;
use crate::record::schema::Type;
use crate::record::value::Value;
use crate::replay::json::time;
use crate::replay::render::head::{CI, groups};
use crate::replay::steps::{Session, Step};

/// Writes the head of a page, and begins its main part.
pub(super) fn head(session: &Session<'_>, page: &mut Markup) {
    page.raw("<header class=\"top\">\n<p class=\"kind\">Icecore record of a session</p>\n")
        .element("<h1>", &who(session), "</h1>\n<p>")
        .element("session <code>", session.id, "</code>");
    if let Some(at) = session.row.and_then(|row| row.int("opened_at")) {
        page.raw(", ").text(&time(at));
    }
    page.raw("</p>\n</header>\n<main>\n");
    sums(session, page);
    notes(session, page);
    let Some(row) = session.row else {
        return;
    };
    page.raw("<h2>Who</h2>\n<dl>\n");
    identity(session, row, page);
    page.raw("</dl>\n");
    job(row, page);
    page.raw("<h2>Where and how</h2>\n<dl>\n");
    circumstances(row, page);
    page.raw("</dl>\n");
}

/// Names whom the session acted for.
fn who(session: &Session<'_>) -> String {
    let text = |column| session.row.and_then(|row| row.text(column));
    match (text("idp_subject"), text("user")) {
        (Some(subject), _) => subject.to_owned(),
        (None, Some(user)) => format!("host user {user}"),
        (None, None) => "unknown".to_owned(),
    }
}

fn sums(session: &Session<'_>, page: &mut Markup) {
    let statements = session.steps.iter().filter_map(|step| match step {
        Step::Statement(row, _) => Some(*row),
        Step::Login(_) | Step::Event(_) => None,
    });
    let [
        mut all,
        mut allowed,
        mut masked,
        mut refused,
        mut failed,
        mut open,
    ] = [0_u32; 6];
    for row in statements {
        all += 1;
        match row.text("decision") {
            Some("block" | "error") => refused += 1,
            Some("mask") => masked += 1,
            _ => allowed += 1,
        }
        failed += u32::from(row.text("status") == Some("failed"));
        open += u32::from(!row.is("is_final") || row.text("status") == Some("abandoned"));
    }
    page.raw("<ul class=\"sum\" aria-label=\"What it came to\">");
    for (count, word) in [
        (all, "statements"),
        (allowed, "allowed"),
        (masked, "allowed, masked"),
        (refused, "refused"),
        (failed, "failed in Snowflake"),
        (open, "without an end"),
    ] {
        page.raw("<li><b>")
            .number(count)
            .element("</b><span>", word, "</span></li>");
    }
    page.raw("</ul>\n");
}

/// Says what weakens the record, before anything else is read.
fn notes(session: &Session<'_>, page: &mut Markup) {
    let Some(row) = session.row else {
        page.raw("<p class=\"note\">The session's opening was not recorded: who it was is not known.</p>\n");
        return;
    };
    let is = |column, word| row.text(column) == Some(word);
    for (holds, note) in [
        (
            is("enforcement", "advisory"),
            "<p class=\"note\"><b>Advisory:</b> the session's user could become root and take the redirection away; the record may lack what it did then.</p>\n",
        ),
        (
            is("mode", "observe"),
            "<p class=\"note\"><b>Observe mode:</b> nothing was refused; verdicts say what would have been.</p>\n",
        ),
        (
            is("recording_mode", "best_effort"),
            "<p class=\"note\"><b>Best effort:</b> rows may be missing; gaps are events.</p>\n",
        ),
        (
            is("ci_facts", "claimed"),
            "<p class=\"note\"><b>Claimed:</b> the facts of the job are what the caller's environment said; no token showed them.</p>\n",
        ),
        (
            row.is("same_uid"),
            "<p class=\"note\"><b>Same user:</b> the command could read or mint its job's tokens.</p>\n",
        ),
        (
            row.int("closed_at").is_none(),
            "<p class=\"note\"><b>Open:</b> the session's end is not in the record.</p>\n",
        ),
        (
            row.int("integrity_flags")
                .is_some_and(|flags| flags & 1 == 1),
            "<p class=\"note\"><b>Recovered:</b> rows of this session were recovered after a crash.</p>\n",
        ),
    ] {
        if holds {
            page.raw(note);
        }
    }
}

fn identity(session: &Session<'_>, row: &Entry, page: &mut Markup) {
    maybe(
        row,
        page,
        &[
            ("Subject", "idp_subject"),
            ("Issuer", "idp_issuer"),
            ("Protocol", "idp_protocol"),
            ("Kind", "principal_type"),
            ("Shown as", "user_display"),
        ],
    );
    if let Some(groups) = groups(session.shown().as_ref()) {
        page.fact("Groups", &groups.join(", "));
    }
    maybe(
        row,
        page,
        &[
            ("Host user", "user"),
            ("Host uid", "uid"),
            ("Started by", "caller_user"),
            ("Agent", "agent_name"),
            ("Agent version", "agent_version"),
            ("Agent session", "agent_session_id"),
        ],
    );
    for label in row.get("labels").as_list().unwrap_or_default() {
        let [name, value] = [0, 1].map(|part| label.member(part).as_text().unwrap_or_default());
        page.fact(&format!("Label {name}"), &format!("{value} (not verified)"));
    }
}

fn job(row: &Entry, page: &mut Markup) {
    if row.text("ci_provider").is_none() && row.text("ci_run_id").is_none() {
        return;
    }
    page.raw("<h2>CI job ");
    page.raw(match row.text("ci_facts") {
        Some("verified") => "<span class=\"badge verified\">verified</span>",
        Some("claimed") => "<span class=\"badge claimed\">claimed</span>",
        _ => "<span class=\"badge\">not said</span>",
    });
    page.raw("</h2>\n<dl>\n");
    maybe(row, page, &[("provider", "ci_provider")]);
    maybe(row, page, &CI);
    page.raw("</dl>\n");
}

fn circumstances(row: &Entry, page: &mut Markup) {
    maybe(
        row,
        page,
        &[
            ("Opened", "opened_at"),
            ("Closed", "closed_at"),
            ("Close reason", "close_reason"),
            ("Command", "root_exe"),
            ("Process", "root_pid"),
            ("Host", "host_id"),
            ("Mode", "mode"),
            ("Enforcement", "enforcement"),
            ("Recording", "recording_mode"),
            ("Icecore", "proxy_version"),
            ("Chain", "chain_id"),
            ("Policies", "policy_bundle_sha256"),
        ],
    );
}

/// Writes the columns that hold something.
pub(super) fn maybe(row: &Entry, page: &mut Markup, columns: &[(&str, &str)]) {
    for (name, column) in columns {
        let value = match row.get(column) {
            Value::Int(at) if is_time(row, column) => time(*at),
            Value::Int(number) => number.to_string(),
            Value::Text(text) => text.clone(),
            Value::Bytes(bytes) => hex(bytes),
            Value::Null | Value::Bool(_) | Value::Float(_) | Value::List(_) | Value::Struct(_) => {
                continue;
            }
        };
        page.fact(name, &value);
    }
}

fn is_time(row: &Entry, column: &str) -> bool {
    let mut columns = row.table.columns();
    columns.any(|one| one.name == column && one.kind == Type::Time)
}
