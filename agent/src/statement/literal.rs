//! What a text in single quotes holds.
//!
//! The parser's own reading knows other escapes than Snowflake does, so that a text could name another thing than it
//! seems to. Source: Snowflake's reference, "String & binary data types", "Escape sequences in single-quoted string
//! constants".

use std::str::Chars;

use super::parse::Unreadable;

const UNSURE: Unreadable = Unreadable::Unsupported("an escape of a text that is not whole");

/// Reads what stands between the quotes of a text.
pub(super) fn unescaped(raw: &str) -> Result<String, Unreadable> {
    let mut text = String::with_capacity(raw.len());
    let mut letters = raw.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                letters.next();
                text.push('\'');
            }
            '\\' => text.push(escape(&mut letters)?),
            letter => text.push(letter),
        }
    }
    Ok(text)
}

/// Reads what stands between the quotes of a name.
pub(super) fn unquoted(raw: &str) -> String {
    raw.replace("\"\"", "\"")
}

/// Reads what stands behind a backslash.
fn escape(letters: &mut Chars<'_>) -> Result<char, Unreadable> {
    Ok(match letters.next().ok_or(UNSURE)? {
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' => number(letters, 2, 16)?,
        'u' => number(letters, 4, 16)?,
        first @ '0'..='7' => {
            let mut ahead = letters.clone();
            match ahead.next() {
                Some('0'..='7') => {
                    let high = first.to_digit(8).ok_or(UNSURE)?;
                    let low = u32::from(number(letters, 2, 8)?);
                    char::from_u32(high * 64 + low).ok_or(UNSURE)?
                }
                Some(_) | None if first == '0' => '\0',
                Some(_) | None => return Err(UNSURE),
            }
        }
        '8' | '9' => return Err(UNSURE),
        // Before any other letter the backslash means nothing.
        letter => letter,
    })
}

fn number(letters: &mut Chars<'_>, digits: usize, base: u32) -> Result<char, Unreadable> {
    let mut value = 0;
    for _ in 0..digits {
        let digit = letters.next().and_then(|letter| letter.to_digit(base));
        value = value * base + digit.ok_or(UNSURE)?;
    }
    char::from_u32(value).ok_or(UNSURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_holds_what_snowflake_reads_in_it() {
        for (raw, expected) in [
            ("it''s", "it's"),
            (r"a\'b\\", r"a'b\"),
            (r"\x65mail", "email"),
            (r"\145mail", "email"),
            (r"\u0065mail", "email"),
            (r"\0", "\0"),
            (r"\a\Z\%", "aZ%"),
            (r"\n\t", "\n\t"),
        ] {
            assert_eq!(unescaped(raw).as_deref(), Ok(expected), "{raw}");
        }
        for raw in [r"\x6", r"\u65", r"\7", r"\14", r"\8", "\\"] {
            assert!(unescaped(raw).is_err(), "{raw}");
        }
    }
}
