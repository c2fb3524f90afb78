//! A page on its way: markup is what stands in this program, text is what passes its face's escaping. Pure.

use crate::replay::escape::{html_attribute, html_text};

/// A page on its way. Only a text of this program is taken as markup: `&'static str` is what no row holds.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    html: String,
}

impl Markup {
    /// Adds markup.
    pub(crate) fn raw(&mut self, html: &'static str) -> &mut Self {
        self.html.push_str(html);
        self
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.html.push_str(&html_text(text));
        self
    }

    /// Adds the value of an attribute; the markup around it has the quotes.
    pub(crate) fn attribute(&mut self, text: &str) -> &mut Self {
        self.html.push_str(&html_attribute(text));
        self
    }

    /// Adds a whole number.
    pub(crate) fn number(&mut self, number: impl Into<i128>) -> &mut Self {
        self.html.push_str(&number.into().to_string());
        self
    }

    /// Adds an element with text.
    pub(crate) fn element(
        &mut self,
        open: &'static str,
        text: &str,
        close: &'static str,
    ) -> &mut Self {
        self.raw(open).text(text).raw(close)
    }

    /// Adds a name and a value of a list of them.
    pub(crate) fn fact(&mut self, name: &str, value: &str) -> &mut Self {
        self.element("<div><dt>", name, "</dt>")
            .element("<dd>", value, "</dd></div>\n")
    }

    /// Gives the page.
    pub(crate) fn finish(self) -> String {
        self.html
    }
}
