//! Text for a page: of an element, and of an attribute's value. Pure.

use super::is_hidden;

/// Gives an element's text: nothing in it is markup, and what a reader would not see, or what would reorder what is seen,
/// stands as a small element of its own that names its code point.
///
/// Line breaks and tabs stay, for elements that keep them. A character can so not be mixed up with its written escape.
#[must_use]
pub fn html_text(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + text.len() / 8);
    for character in text.chars() {
        match entity(character) {
            Some(entity) => shown.push_str(entity),
            None if matches!(character, '\n' | '\t') || !is_hidden(character) => {
                shown.push(character);
            }
            None => shown.push_str(&format!("<i>U+{:04X}</i>", u32::from(character))),
        }
    }
    shown
}

/// Gives the text of an attribute's value, which must stand between quotes.
#[must_use]
pub fn html_attribute(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match entity(character) {
            Some(entity) => shown.push_str(entity),
            None if is_hidden(character) => {
                shown.push_str(&format!("\\u{{{:x}}}", u32::from(character)));
            }
            None => shown.push(character),
        }
    }
    shown
}

/// Gives the reference for a character that could end a text or a value (HTML, section 13.1.2).
fn entity(character: char) -> Option<&'static str> {
    Some(match character {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        '`' => "&#96;",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads shown text back, as a browser would, with the small elements taken for what they name.
    fn read_back(shown: &str) -> String {
        let mut text = shown.to_owned();
        while let Some((before, rest)) = text.split_once("<i>U+") {
            let (code, after) = rest.split_once("</i>").unwrap();
            let character = char::from_u32(u32::from_str_radix(code, 16).unwrap()).unwrap();
            text = format!("{before}{character}{after}");
        }
        for character in ['<', '>', '"', '\'', '`', '&'] {
            text = text.replace(entity(character).unwrap(), &character.to_string());
        }
        text
    }

    #[test]
    fn markup_is_text() {
        let shown = html_text("</style><script>alert('x')</script>");
        assert_eq!(
            shown,
            "&lt;/style&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"
        );
        assert_eq!(
            html_text("a\u{202e}b\nc\r"),
            "a<i>U+202E</i>b\nc<i>U+000D</i>"
        );
        assert_eq!(
            html_attribute("x\" onload=`y`\n"),
            "x&quot; onload=&#96;y&#96;\\u{a}"
        );
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_markup(text in any::<String>()) {
            let shown = html_text(&text);
            prop_assert!(!shown.chars().any(|one| is_hidden(one) && one != '\n' && one != '\t'));
            let rest = shown.replace("<i>U+", "").replace("</i>", "");
            prop_assert!(!rest.contains(['<', '>', '"', '\'', '`']), "{}", rest);
            prop_assert_eq!(read_back(&shown), text);
        }

        #[test]
        fn an_attribute_stays_between_its_quotes(text in any::<String>()) {
            let shown = html_attribute(&text);
            prop_assert!(!shown.contains(['<', '>', '"', '\'', '`']), "{}", shown);
            prop_assert!(!shown.chars().any(is_hidden));
        }
    }
}
