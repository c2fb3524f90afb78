//! One step of a session on a page. Pure.

use serde_json::Value as Json;

use super::folded::{cut, long, result};
use super::head::maybe;
use super::markup::Markup;
use crate::record::entry::Entry;
use crate::replay::beside::Came;
use crate::replay::json::time;
use crate::replay::render::event::{refusal, severity_word};
use crate::replay::render::statement::{STEPS, after, masks, outcome, rules};
use crate::replay::rows::ShownRows;
use crate::replay::steps::{Session, Step};

/// Longest beginning of a statement in the list of them, in characters.
const BEGIN_MAX_CHARS: usize = 120;

/// Writes a statement's line in the list of them.
pub(super) fn index_row(number: u32, row: &Entry, text: Option<&Entry>, page: &mut Markup) {
    page.raw("<tr><td class=\"n\"><a href=\"#s")
        .number(number)
        .raw("\">")
        .number(number);
    page.raw("</a></td><td>");
    badge(row, page);
    let sql = text
        .and_then(|text| text.text("sql_text"))
        .unwrap_or("(text not in this store)");
    let begin: String = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    let (begin, rest) = cut(&begin, BEGIN_MAX_CHARS);
    page.element("</td><td class=\"q\">", begin, "");
    if !rest.is_empty() {
        page.raw("\u{2026}");
    }
    page.element("</td><td>", row.text("status").unwrap_or("?"), "")
        .element("", &outcome(row), "</td></tr>\n");
}

/// Writes a step.
pub(super) fn step(
    (number, step): (u32, &Step<'_>),
    began_us: i64,
    session: &Session<'_>,
    rows: &ShownRows<'_>,
    page: &mut Markup,
) {
    let at = after(step.at_us(), began_us);
    match step {
        Step::Login(row) => login(row, (number, &at), page),
        Step::Event(row) => event(row, (number, &at), page),
        Step::Statement(row, text) => {
            let is_refused = matches!(row.text("decision"), Some("block" | "error"));
            page.raw(if is_refused {
                "<details class=\"step\" open data-refused=\"1\" id=\"s"
            } else {
                "<details class=\"step\" open id=\"s"
            });
            summary((number, &at), page);
            badge(row, page);
            page.element("<h3>", row.text("sql_kind").unwrap_or("?"), "</h3><span>")
                .text(row.text("status").unwrap_or("?"))
                .element(
                    "",
                    &outcome(row),
                    "</span></summary>\n<div class=\"body\">\n",
                );
            statement(row, *text, session, page);
            result(row, rows, page);
            facts(row, page);
            page.raw("</div>\n</details>\n");
        }
    }
}

/// Continues an opened step: its number, and when it was.
fn summary((number, at): (u32, &str), page: &mut Markup) {
    page.number(number)
        .raw("\"><summary><a class=\"num\" href=\"#s")
        .number(number)
        .raw("\">#")
        .number(number)
        .element("</a><span class=\"at\">", at, "</span>");
}

fn badge(row: &Entry, page: &mut Markup) {
    // A class is one of ours: a word that the record has beside is text and no class.
    let (open, word) = match row.text("decision") {
        Some("allow") => ("<span class=\"badge allow\">", "allow"),
        Some("mask") => ("<span class=\"badge mask\">", "mask"),
        Some("flag") => ("<span class=\"badge flag\">", "flag"),
        Some("approve") => ("<span class=\"badge approve\">", "approve"),
        Some("block") => ("<span class=\"badge block\">", "block"),
        Some("error") => ("<span class=\"badge error\">", "error"),
        other => ("<span class=\"badge\">", other.unwrap_or("?")),
    };
    page.element(open, word, "</span>");
}

/// Writes where a statement comes from: the prompt with its grade, and the use of a tool.
fn origin(came: &Came<'_>, page: &mut Markup) {
    page.element(
        "<p>Prompt, grade <b>",
        came.link.text("grade").unwrap_or("?"),
        "</b>",
    )
    .text(came.remark())
    .element("</p>\n<blockquote>", came.prompt_text(), "</blockquote>\n");
    if let Some(task) = came.task_text() {
        page.element(
            "<p>A model handed it on to a sub-agent:</p>\n<blockquote>",
            task,
            "</blockquote>\n",
        );
    }
    if let Some((tool, id)) = came.tool() {
        page.element("<p>Tool <b>", tool, "</b> <code>")
            .element("", id, "</code></p>\n");
        // In a box of its own stands the statement alone.
        let (open, close) = ("<blockquote><code>", "</code></blockquote>\n");
        long(came.arguments_text(), open, close, page);
    }
}

fn statement(row: &Entry, text: Option<&Entry>, session: &Session<'_>, page: &mut Markup) {
    let beside = &session.beside;
    if let Some(came) = beside.came(row) {
        origin(&came, page);
    }
    match text.and_then(|text| text.text("sql_text")) {
        Some(sql) => long(sql, "<pre><code>", "</code></pre>\n", page),
        None => drop(page.element("<p>", session.no_text(), "</p>\n")),
    }
    for (column, name) in [("rewritten_sql", "Sent instead"), ("binds", "Binds")] {
        if let Some(value) = text.and_then(|text| text.text(column)) {
            page.element("<details class=\"more\"><summary>", name, "</summary>");
            long(value, "<pre>", "</pre>", page);
            page.raw("</details>\n");
        }
    }
    let (rules, masks) = (rules(row), masks(row));
    let approvals = beside.asked(row);
    if !(rules.is_empty() && masks.is_empty() && approvals.is_empty()) {
        page.raw("<ul class=\"why\">\n");
        for (rule, reason) in rules {
            page.element("<li>rule <code>", rule, "</code>");
            if !reason.is_empty() {
                page.element(": ", reason, "");
            }
            page.raw("</li>\n");
        }
        for [name, method, rule] in masks {
            page.element("<li>column <code>", name, "</code> masked: ")
                .element("", method, " (rule <code>")
                .element("", rule, "</code>)</li>\n");
        }
        for (word, told) in approvals {
            page.element("<li>", word, ": ")
                .element("", &told, "</li>\n");
        }
        page.raw("</ul>\n");
    }
    if let Some(hidden) = beside.hidden(row).told() {
        page.element("<p>", &hidden, "</p>\n");
    }
    if let Some(error) = text.and_then(|text| text.text("error_text")) {
        long(error, "<pre class=\"err\">", "</pre>\n", page);
    }
    for file in beside.transfers(row) {
        let text = |column| file.text(column).unwrap_or("?");
        page.element("<p>file ", text("direction"), " <code>")
            .element("", text("file"), "</code>, ")
            .number(file.int("bytes_plain").unwrap_or_default())
            .raw(if !file.get("sha256").is_null() {
                " bytes</p>\n"
            } else {
                " bytes, broken off</p>\n"
            });
    }
}

fn facts(row: &Entry, page: &mut Markup) {
    page.raw("<dl>\n");
    let started_us = row.int("started_at").unwrap_or_default();
    page.fact("Started", &time(started_us));
    for (column, word) in STEPS {
        if let Some(at) = row.int(column) {
            page.fact(word, &after(at, started_us));
        }
    }
    maybe(
        row,
        page,
        &[
            ("Program", "exe"),
            ("Process", "pid"),
            ("Query id", "query_id"),
            ("Role", "role_ctx"),
            ("Database", "database_ctx"),
            ("Schema", "schema_ctx"),
            ("Not understood", "parse_error"),
            ("Statement", "statement_id"),
        ],
    );
    if row.text("policy_mode") == Some("observe") {
        page.fact("Mode", "observe: the decision was recorded and not made");
    }
    page.raw("</dl>\n");
}

fn login(row: &Entry, place: (u32, &str), page: &mut Markup) {
    page.raw("<details class=\"step login\" id=\"s");
    summary(place, page);
    let text = |column| row.text(column).unwrap_or("?");
    page.element("<span>login to <b>", text("account"), "</b> as <b>")
        .element("", text("sf_user"), "</b>, role <b>")
        .element(
            "",
            text("sf_role"),
            "</b></span></summary>\n<div class=\"body\"><dl>\n",
        );
    maybe(
        row,
        page,
        &[
            ("Principal", "principal"),
            ("Kind", "principal_type"),
            ("Credential", "auth_injected"),
            ("From", "credential_ref"),
            ("Secondary roles", "secondary_roles"),
            ("Driver", "client_app"),
            ("Driver version", "client_version"),
            ("Snowflake session", "sf_session_id"),
            ("Opened", "opened_at"),
            ("Closed", "closed_at"),
            ("Close reason", "close_reason"),
            ("Login", "login_id"),
        ],
    );
    page.raw("</dl></div>\n</details>\n");
}

fn event(row: &Entry, place: (u32, &str), page: &mut Markup) {
    page.raw("<details class=\"step event\" id=\"s");
    summary(place, page);
    let text = |column| row.text(column).unwrap_or("?");
    page.element("<span>event <b>", text("event_code"), "</b> (")
        .element("", text("category"), ", ")
        .element("", row.int("severity").map_or("?", severity_word), ")");
    let detail = row.text("detail").unwrap_or_default();
    let detail: Option<Json> = serde_json::from_str(detail).ok();
    if let Some(refusal) = detail.as_ref().and_then(refusal) {
        page.element(": ", &refusal, "");
    }
    page.raw("</span></summary>\n<div class=\"body\">");
    if let Some(detail) = &detail {
        page.element("<pre>", &format!("{detail:#}"), "</pre>");
    }
    page.raw("<dl>\n");
    maybe(
        row,
        page,
        &[("Host", "dst_host"), ("At", "ts"), ("Record", "record_id")],
    );
    page.raw("</dl></div>\n</details>\n");
}
