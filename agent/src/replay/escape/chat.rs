//! Text for messages of chats, where some characters give orders: mention everybody, make a link, fetch a date. Pure.

use super::is_hidden;

/// Writes a character for a code block of Slack's `mrkdwn`, where nothing is a link, a mention or the block's end.
///
/// Source: docs.slack.dev, "Formatting message text": `&`, `<` and `>` are written as entities, since `<` begins links and
/// mentions, in code too. Backticks end a code block.
pub fn push_slack(shown: &mut String, character: char) {
    match character {
        '&' => shown.push_str("&amp;"),
        '<' => shown.push_str("&lt;"),
        '>' => shown.push_str("&gt;"),
        '`' => shown.push_str("\\u{60}"),
        '\n' => shown.push('\n'),
        plain => push_visible(shown, plain),
    }
}

/// Writes a character for a `TextRun` of an Adaptive Card, which has no Markdown.
///
/// Source: adaptivecards.io, "TextRun" ("Markdown is not supported"), "Text features": `{{DATE(...)}}` is replaced.
pub fn push_card(shown: &mut String, character: char) {
    match character {
        '{' if shown.ends_with('{') => shown.push_str("\\u{7b}"),
        plain => push_visible(shown, plain),
    }
}

fn push_visible(shown: &mut String, character: char) {
    match character {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        hidden if is_hidden(hidden) => shown.push_str(&format!("\\u{{{:x}}}", u32::from(hidden))),
        plain => shown.push(plain),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str, push: fn(&mut String, char)) -> String {
        let mut shown = String::new();
        text.chars()
            .for_each(|character| push(&mut shown, character));
        shown
    }

    #[test]
    fn what_gives_orders_in_a_chat_is_text() {
        assert_eq!(
            shown("<!channel> a & b\n``` *x*\u{202e}", push_slack),
            "&lt;!channel&gt; a &amp; b\n\\u{60}\\u{60}\\u{60} *x*\\u{202e}"
        );
        assert_eq!(
            shown("{{DATE(x)}} [a](b)\n\u{200b}", push_card),
            "{\\u{7b}DATE(x)}} [a](b)\\n\\u{200b}"
        );
    }

    proptest! {
        #[test]
        fn no_text_gives_orders_in_a_chat(text in any::<String>(), odd in "[<>&`{!@#\n\t\u{202e}|]{0,40}") {
            for text in [text, odd] {
                let slack = shown(&text, push_slack);
                prop_assert!(!slack.contains(['<', '>', '`']), "{}", slack);
                prop_assert!(!slack.replace('\n', "").chars().any(is_hidden));
                // Only our own entities are left.
                let bare = slack.replace("&amp;", "").replace("&lt;", "").replace("&gt;", "");
                prop_assert!(!bare.contains('&'), "{}", slack);
                let card = shown(&text, push_card);
                prop_assert!(!card.contains("{{") && !card.chars().any(is_hidden), "{}", card);
            }
        }
    }
}
