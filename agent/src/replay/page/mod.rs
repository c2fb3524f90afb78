//! One session as a page: one file that needs no network, prints, and works without its script. Pure.
//!
//! The page's own policy lets nothing run or load but the style and the script of this program, by their digests.

mod folded;
mod head;
mod markup;
mod step;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::render::began_us;
use super::rows::ShownRows;
use super::steps::{Session, Step};
use crate::record::sha256;
pub(crate) use markup::Markup;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Gives a session as a page. Without a time of its own: the same record gives the same page.
#[must_use]
pub fn page(session: &Session<'_>, rows: &ShownRows<'_>) -> String {
    let mut page = Markup::default();
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(sha256(STYLE.as_bytes())),
        STANDARD.encode(sha256(SCRIPT.as_bytes()))
    );
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta http-equiv=\"Content-Security-Policy\" content=\"")
        .attribute(&policy)
        .raw("\">\n<meta name=\"referrer\" content=\"no-referrer\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<title>Icecore session ")
        .text(session.id)
        .raw("</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#steps\">To the steps</a>\n");
    head::head(session, &mut page);
    index(session, &mut page);
    steps(session, rows, &mut page);
    page.raw("</main>\n<footer><p>Made by icecore ")
        .text(env!("CARGO_PKG_VERSION"))
        .raw(
            " from the record. Times are UTC. Characters that a reader would not see stand as their code points, \
             such as <i>U+202E</i>. This page proves nothing by itself: <code>icecore verify</code> checks the record \
             that it shows.</p></footer>\n<script>",
        )
        .raw(SCRIPT)
        .raw("</script>\n</body>\n</html>\n");
    page.finish()
}

/// Lists the statements, each with a way to its step.
fn index(session: &Session<'_>, page: &mut Markup) {
    let has_any = session
        .steps
        .iter()
        .any(|step| matches!(step, Step::Statement(..)));
    if !has_any {
        return;
    }
    page.raw("<h2 id=\"index\">Statements</h2>\n<div class=\"scroll\"><table class=\"index\"><thead><tr><th scope=\"col\" class=\"n\">Step</th>")
        .raw("<th scope=\"col\">Verdict</th><th scope=\"col\">SQL</th><th scope=\"col\">Outcome</th></tr></thead><tbody>\n");
    for (number, step) in (1_u32..).zip(&session.steps) {
        if let Step::Statement(row, text) = step {
            step::index_row(number, row, *text, page);
        }
    }
    page.raw("</tbody></table></div>\n");
}

fn steps(session: &Session<'_>, rows: &ShownRows<'_>, page: &mut Markup) {
    page.raw("<h2 id=\"steps\">Steps</h2>\n<div class=\"tools\" id=\"tools\" hidden>")
        .raw("<input type=\"search\" id=\"find\" placeholder=\"Search the steps\" aria-label=\"Search the steps\">")
        .raw("<label><input type=\"checkbox\" id=\"only\"> refused only</label>")
        .raw("<button type=\"button\" id=\"open\">Open all</button><button type=\"button\" id=\"close\">Close all</button>")
        .raw("<span id=\"count\" role=\"status\"></span></div>\n");
    let began_us = began_us(session);
    for (number, step) in (1_u32..).zip(&session.steps) {
        step::step((number, step), began_us, session, rows, page);
    }
    if session.steps.is_empty() {
        page.raw("<p>Nothing was recorded but the session itself.</p>\n");
    }
}
