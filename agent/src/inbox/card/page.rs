//! A card on a page. Pure.

use super::text::{Piece, pieces};
use super::{Card, Fact, SaidBy, Section, Value};
use crate::replay::Markup;

impl Card {
    /// Writes the card into a page; all of it stands there.
    pub(crate) fn write(&self, page: &mut Markup) {
        if !self.cautions.is_empty() {
            page.raw("<section class=\"note\" aria-labelledby=\"look\"><h2 id=\"look\">Look closely</h2>\n<ul>");
            for caution in &self.cautions {
                page.element("<li>", caution, "</li>");
            }
            page.raw("</ul></section>\n");
        }
        for section in &self.sections {
            write_section(section, page);
        }
    }
}

fn write_section(section: &Section, page: &mut Markup) {
    match section.said_by {
        SaidBy::Host => page.element("<section>\n<h2>", section.title, "</h2>\n<dl>\n"),
        SaidBy::Agent => page.element(
            "<section class=\"claimed-box\">\n<h2>",
            section.title,
            "</h2>\n<p class=\"soft\">Nobody has checked this.</p>\n<dl>\n",
        ),
    };
    for fact in &section.facts {
        write_fact(fact, page);
    }
    page.raw("</dl>\n</section>\n");
}

fn write_fact(fact: &Fact, page: &mut Markup) {
    match &fact.value {
        Value::Plain(value) => {
            page.fact(&fact.name, value);
        }
        Value::List(items) => {
            page.element(
                "<div class=\"wide\"><dt>",
                &fact.name,
                "</dt><dd><ul class=\"plain\">",
            );
            for item in items {
                page.element("<li>", item, "</li>");
            }
            page.raw("</ul></dd></div>\n");
        }
        Value::Text(text) => {
            page.element("<div class=\"text\"><dt>", &fact.name, "</dt><dd><pre>");
            write_text(text, page);
            page.raw("</pre></dd></div>\n");
        }
    }
}

/// Writes a text to the letter, long blank runs as their length.
fn write_text(text: &str, page: &mut Markup) {
    // The first line break in `pre` is dropped by browsers (HTML, section 13.1.2.5), so one stands there for it.
    page.raw("\n");
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => page.text(text),
            Piece::Blanks(count) => page
                .raw("<b class=\"run\">")
                .text(&format!("{count} blanks"))
                .raw("</b>"),
            Piece::Lines(count) => page
                .raw("<b class=\"run\">")
                .text(&format!("{count} line breaks"))
                .raw("</b>\n"),
        };
    }
}
