//! All requests. Pure.

use chrono::{DateTime, Utc};

use super::{Looks, header, page};
use crate::approval::Request;
use crate::inbox::card::Card;
use crate::inbox::item::{Item, Standing, span};
use crate::record::{hex, sha256};
use crate::replay::Markup;

/// Writes the page of all requests, those that wait first; what is not believed stands apart and leads nowhere.
pub(in crate::inbox) fn list(items: &[Item], now: DateTime<Utc>) -> String {
    let believed = || {
        let all = items.iter();
        all.filter_map(|item| item.believed().map(|request| (item, request)))
    };
    let stands = |(item, request): &(&Item, &Request)| item.standing(request, now);
    let open: Vec<_> = believed().filter(|one| stands(one).is_open()).collect();
    let ended: Vec<_> = believed().filter(|one| !stands(one).is_open()).collect();
    let title = match open.len() {
        0 => "Nothing waits".to_owned(),
        1 => "1 request waits".to_owned(),
        count => format!("{count} requests wait"),
    };
    // What is said of a change is said once, and ages change all the time.
    let told: Vec<String> = believed()
        .map(|one| format!("{} {}\n", one.1.id, stands(&one).told()))
        .collect();
    let stand = hex(&sha256(told.concat().as_bytes()));
    page(&title, Looks::Again, |page| {
        header(page, "Icecore approvals", &title);
        page.raw("<div id=\"live\" data-stand=\"")
            .attribute(&stand)
            .raw("\">\n");
        if open.is_empty() {
            page.raw(
                "<p>No statement waits for a yes. New requests show up here by themselves.</p>\n",
            );
        } else {
            table("Requests that wait", &open, now, page);
        }
        if !ended.is_empty() {
            page.raw("<h2>Ended</h2>\n");
            table("Requests that have ended", &ended, now, page);
        }
        unbelieved(items, page);
        page.raw("</div>\n");
    })
}

fn table(caption: &'static str, rows: &[(&Item, &Request)], now: DateTime<Utc>, page: &mut Markup) {
    page.element("<div class=\"scroll\"><table class=\"requests\"><caption class=\"hidden\">", caption, "</caption>\n<thead><tr>")
        .raw("<th scope=\"col\">What</th><th scope=\"col\">Who asks</th><th scope=\"col\">Rule</th>")
        .raw("<th scope=\"col\">Asked</th><th scope=\"col\">Expires</th><th scope=\"col\">Stands</th></tr></thead>\n<tbody>\n");
    for (item, request) in rows {
        let standing = item.standing(request, now);
        page.raw("<tr><th scope=\"row\"><a href=\"r/")
            .attribute(&request.id.to_string())
            .raw("\">");
        match Card::of(request) {
            Ok(card) => page.text(&card.title),
            Err(error) => page.text(&error.to_string()),
        };
        let rules: Vec<&str> = request.asks.iter().map(|ask| ask.rule.as_str()).collect();
        page.element("</a></th><td>", &request.requester.principal, "</td>")
            .element("<td>", &rules.join(", "), "</td>")
            .element("<td>", &span(now - request.requested_at), " ago</td>");
        match standing {
            Standing::Waiting { .. } => {
                page.element("<td>in ", &span(request.expires_at - now), "</td>")
            }
            Standing::Over | Standing::Ended(_) => page.raw("<td>-</td>"),
        };
        page.raw("<td>");
        badge(standing, page);
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody></table></div>\n");
}

/// Writes how a request stands.
pub(super) fn badge(standing: Standing, page: &mut Markup) {
    use crate::approval::State;
    let open = match standing {
        Standing::Waiting { .. } => "<span class=\"badge mask\">",
        Standing::Ended(State::Approved) => "<span class=\"badge allow\">",
        Standing::Ended(State::Denied | State::Void) => "<span class=\"badge block\">",
        Standing::Over | Standing::Ended(State::Requested | State::Expired | State::Withdrawn) => {
            "<span class=\"badge\">"
        }
    };
    page.element(open, &standing.told(), "</span>");
}

fn unbelieved(items: &[Item], page: &mut Markup) {
    let all = items.iter().filter_map(|item| item.request.as_ref().err());
    let mut all = all.peekable();
    if all.peek().is_none() {
        return;
    }
    page.raw("<h2>Not believed</h2>\n<p>Somebody put these there. No host of your trust file signed them, so nothing of them is shown, ")
        .raw("and nobody can say yes to them.</p>\n<ul class=\"plain\">");
    for unbelieved in all {
        page.element("<li><code>", &unbelieved.place, "</code>: ")
            .element("", &unbelieved.why, "</li>\n");
    }
    page.raw("</ul>\n");
}
