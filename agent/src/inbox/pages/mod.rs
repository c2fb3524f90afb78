//! The pages of the web inbox. Pure.
//!
//! A page runs and loads nothing but the style and the script of this program, by their digests; it works without the
//! script. Nothing of a request is markup: see [`Markup`].

mod list;
mod request;

#[cfg(test)]
mod tests;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::approval::Answer;
use crate::record::sha256;
use crate::replay::Markup;

pub(super) use list::list;
pub(super) use request::{Form, Notice, request};

/// The style of recorded sessions' pages, and what the inbox adds to it.
const STYLE: &str = concat!(
    include_str!("../../replay/page/page.css"),
    include_str!("inbox.css")
);

const SCRIPT: &str = include_str!("inbox.js");

/// How often a page without its script is loaded again, in seconds.
const REFRESH_S: &str = "<noscript><meta http-equiv=\"refresh\" content=\"30\"></noscript>\n";

/// Gives the policy by which a browser lets a page of the inbox do so much and no more (CSP Level 3).
pub(super) fn policy() -> String {
    let hash = |text: &str| STANDARD.encode(sha256(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Whether a page looks by itself whether something has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    Again,
    Once,
}

fn page(title: &str, looks: Looks, main: impl FnOnce(&mut Markup)) -> String {
    let mut page = Markup::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .raw("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    if looks == Looks::Again {
        page.raw(REFRESH_S);
    }
    page.element("<title>", title, " - Icecore approvals</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body class=\"inbox\">\n<a class=\"skip\" href=\"#main\">To the content</a>\n");
    main(&mut page);
    page.raw("<p id=\"news\" role=\"status\" class=\"news\"></p>\n</main>\n")
        .raw("<footer><p>Times are UTC. Characters that a reader would not see stand as their code points, such as <i>U+202E</i>. ")
        .raw("Nothing is decided by this page: a button opens your issuer, and what that signs is your word.</p></footer>\n");
    if looks == Looks::Again {
        page.raw("<script>").raw(SCRIPT).raw("</script>\n");
    }
    page.raw("</body>\n</html>\n");
    page.finish()
}

fn header(page: &mut Markup, kind: &'static str, title: &str) {
    page.element("<header class=\"top\">\n<p class=\"kind\">", kind, "</p>\n")
        .element("<h1>", title, "</h1>\n</header>\n<main id=\"main\">\n");
}

/// Sends the browser on to the issuer: after a form, a redirect elsewhere would need a policy that allows every address on
/// the way there.
pub(super) fn onward(answer: Answer, title: &str, issuer: &str, url: &str) -> String {
    let mut page = Markup::default();
    page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"refresh\" content=\"0;url=")
        .attribute(url)
        .raw("\">\n<title>To your issuer - Icecore approvals</title>\n<style>")
        .raw(STYLE)
        .raw("</style>\n</head>\n<body class=\"inbox\">\n");
    let kind = match answer {
        Answer::Approve => "You are about to say yes",
        Answer::Deny => "You are about to say no",
    };
    header(&mut page, kind, title);
    page
        .raw("<p>Your word counts once you have logged in at <code>")
        .text(issuer)
        .raw("</code> for it. Nothing is decided yet.</p>\n<p><a href=\"")
        .attribute(url)
        .raw("\">Log in there</a>, if your browser does not go there by itself.</p>\n</main>\n</body>\n</html>\n");
    page.finish()
}

/// Says that something is refused, and what to do.
pub(super) fn refusal(why: &str, what_to_do: &str, back: Option<&str>) -> String {
    page("Refused", Looks::Once, |page| {
        header(page, "Icecore approvals", "Refused");
        page.element("<p class=\"note\">", why, "</p>\n")
            .element("<p>", what_to_do, "</p>\n");
        if let Some(back) = back {
            page.raw("<p><a href=\"")
                .attribute(back)
                .raw("\">Back to the requests</a></p>\n");
        }
    })
}
