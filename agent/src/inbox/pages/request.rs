//! One request: how it stands, the whole of its card, and below it the buttons. Pure.

use chrono::{DateTime, Utc};

use super::list::badge;
use super::{Looks, header, page};
use crate::approval::{Answer, Decision, Request};
use crate::inbox::card::Card;
use crate::inbox::item::{Item, span};
use crate::replay::Markup;

/// For how long a grant may be asked, in seconds and in words.
const GRANTS: [(&str, &str); 4] = [
    ("900", "15 minutes"),
    ("1800", "30 minutes"),
    ("3600", "1 hour"),
    ("14400", "4 hours"),
];

/// What a form sends back so that it is known for this page's.
pub(in crate::inbox) struct Form<'f> {
    /// Shows that the form is of this server and about this digest.
    pub token: &'f str,
    /// Where one logs in.
    pub issuer: &'f str,
}

/// What came of the last step for a request.
#[derive(Clone, Debug)]
pub(in crate::inbox) struct Notice {
    /// Whose word it was, as their issuer calls them.
    pub who: String,
    /// What they said.
    pub answer: Answer,
}

/// Writes the page of one request.
pub(in crate::inbox) fn request(
    (item, request): (&Item, &Request),
    card: &Card,
    form: &Form<'_>,
    notice: Option<&Notice>,
    now: DateTime<Utc>,
) -> String {
    let standing = item.standing(request, now);
    page(&card.title, Looks::Again, |page| {
        header(page, "Request for a yes", &card.title);
        page.raw("<p><a href=\"../\">All requests</a></p>\n<div id=\"live\" data-stand=\"")
            .attribute(&standing.told())
            .raw("\">\n<p>");
        badge(standing, page);
        if standing.is_open() {
            page.element(" expires in ", &span(request.expires_at - now), "");
        }
        page.element(
            "</p>\n<p class=\"soft\">Signed by ",
            &item.signed_by,
            ", a host of your trust file.</p>\n",
        );
        if let Some(notice) = notice {
            let said = match notice.answer {
                Answer::Approve => {
                    " said yes. The host counts it and says how the request ended.</p>\n"
                }
                Answer::Deny => {
                    " said no. The host counts it and says how the request ended.</p>\n"
                }
            };
            page.element("<p class=\"said\" role=\"status\">", &notice.who, said);
        }
        ended(item, page);
        said(&item.decisions, page);
        page.raw("</div>\n");
        card.write(page);
        if standing.is_open() {
            write_form(card, form, page);
        }
    })
}

fn ended(item: &Item, page: &mut Markup) {
    let Some(outcome) = &item.outcome else {
        return;
    };
    page.raw("<dl>\n").fact(
        "ended at",
        &outcome.at.format("%Y-%m-%d %H:%M:%S UTC").to_string(),
    );
    if !outcome.by.is_empty() {
        page.fact("by", &outcome.by.join(", "));
    }
    if let Some(reason) = &outcome.reason {
        page.fact("because", reason);
    }
    page.raw("</dl>\n");
}

/// Lists what lies there. Anybody who may write to the store can put it there, so it is called what it is.
fn said(decisions: &[Decision], page: &mut Markup) {
    if decisions.is_empty() {
        return;
    }
    page.raw("<details><summary>Words that lie there; the host says whether they count</summary>\n<ul class=\"plain\">");
    for decision in decisions {
        let said = &decision.said;
        let answer = match said.answer {
            Answer::Approve => "<li>yes, through ",
            Answer::Deny => "<li>no, through ",
        };
        page.raw(answer)
            .text(&said.face)
            .text(" at ")
            .text(&said.decided_at.format("%H:%M:%S").to_string())
            .text(
                &said
                    .reason
                    .as_deref()
                    .map(|why| format!(": {why}"))
                    .unwrap_or_default(),
            )
            .raw("</li>\n");
    }
    page.raw("</ul></details>\n");
}

fn write_form(card: &Card, form: &Form<'_>, page: &mut Markup) {
    page.raw("<form id=\"decide\" method=\"post\" autocomplete=\"off\" accept-charset=\"utf-8\">\n<h2>Your word</h2>\n")
        .raw("<input type=\"hidden\" name=\"token\" value=\"")
        .attribute(form.token)
        .raw("\"><input type=\"hidden\" name=\"digest\" value=\"")
        .attribute(&card.digest)
        .raw("\">\n<p><label for=\"reason\">Why (needed for a no; the agent reads it)</label>")
        .raw("<textarea id=\"reason\" name=\"reason\" rows=\"3\" maxlength=\"2000\"></textarea></p>\n");
    let unreadable = card.unreadable();
    if let Some(why) = &unreadable {
        page.element("<p class=\"note\">No yes is taken: ", why, "</p>\n");
    } else {
        page.raw("<p><label for=\"grant\">A yes is for</label><select id=\"grant\" name=\"grant\"><option value=\"\">this statement, once</option>");
        for (seconds, words) in GRANTS {
            page.raw("<option value=\"")
                .raw(seconds)
                .raw("\">statements of this shape in this session, for ")
                .raw(words)
                .raw("</option>");
        }
        page.raw("</select></p>\n");
    }
    page.raw("<p class=\"soft\">Either button opens <code>")
        .text(form.issuer)
        .raw("</code>, where you log in for this one decision. Until then nothing is decided.</p>\n<p class=\"buttons\">");
    if unreadable.is_none() {
        page.raw("<button name=\"answer\" value=\"approve\" class=\"yes\">Approve</button> ");
    }
    page.raw("<button name=\"answer\" value=\"deny\" class=\"no\">Deny</button></p>\n</form>\n");
}
