//! Why a store refused, in one line: its own words are others' writing, and long.

use std::error::Error as _;

use object_store::Error;

/// Most characters of an error that are repeated.
const SHOWN: usize = 400;

/// Says what an error of the store's client comes to.
pub(super) fn told(error: &Error) -> String {
    let mut whole = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Most errors repeat their causes.
        if !whole.contains(&words) {
            whole = format!("{whole}: {words}");
        }
        cause = error.source();
    }
    // What was asked is known, and long: what came of it stands behind.
    let whole = match whole.split_once("Error performing ") {
        Some((_, asked)) => asked.split_once(" - ").map_or(asked, |(_, said)| said),
        None => &whole,
    };
    let words = match (element(whole, "Code"), element(whole, "Message")) {
        (Some(code), message) => {
            let begin = whole.split_once('<').map_or("", |(begin, _)| begin);
            let begin = begin.trim_end().trim_end_matches(':');
            format!("{begin}: {code}: {}", message.unwrap_or_default())
        }
        (None, _) => whole.to_owned(),
    };
    plain(&words)
}

/// Gives the text of an element of S3's, Google's or Azure's XML errors.
pub(super) fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0)
}

/// Makes one line of visible characters, not too long.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let visible = words.chars().filter(|letter| !letter.is_control());
    let mut shown: String = visible.clone().take(SHOWN).collect();
    if visible.count() > SHOWN {
        shown.push_str("...");
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_is_one_line_without_its_xml() {
        let said = "Error performing PUT http://127.0.0.1/x-y in 3ms - Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code><Message>not\u{1b}[2J you</Message></Error>";
        let error = Error::Generic {
            store: "S3",
            source: said.into(),
        };
        let told = told(&error);
        let expected =
            "Server returned non-2xx status code: 403 Forbidden: AccessDenied: not[2J you";
        assert_eq!(told, expected);
        let error = Error::Generic {
            store: "S3",
            source: "x".repeat(1000).into(),
        };
        assert!(super::told(&error).len() < 410);
    }
}
