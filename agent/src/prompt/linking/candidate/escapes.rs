//! What a backslash means between quotes of shell, Python and JavaScript.

use super::cursor::Cursor;
use super::template::Template;

/// Reads what stands behind `$'`, up to its end. Source: bash(1), "QUOTING".
pub(super) fn ansi_c(cursor: &mut Cursor<'_>, text: &mut Template) {
    while let Some(next) = cursor.bump() {
        match next {
            '\'' => return,
            '\\' if cursor.is_at("x") => bytes(cursor, text),
            '\\' => escape(cursor, text),
            letter => text.push(letter),
        }
    }
}

/// Reads bytes by their numbers, `\xc3\xa9`, behind the first backslash: several may be one character.
fn bytes(cursor: &mut Cursor<'_>, text: &mut Template) {
    let mut bytes = Vec::new();
    loop {
        cursor.eat("x");
        let mut digits = 0;
        let mut value = 0;
        while let Some(digit) = cursor
            .peek()
            .and_then(|letter| letter.to_digit(16))
            .filter(|_| digits < 2)
        {
            cursor.bump();
            value = value * 16 + digit;
            digits += 1;
        }
        bytes.extend(u8::try_from(value));
        if !cursor.is_at("\\x") {
            break;
        }
        cursor.bump();
    }
    text.push_str(&String::from_utf8_lossy(&bytes));
}

/// Reads what stands behind a backslash; what is not known keeps it, as Python's texts do.
///
/// The three languages agree on what is read here. Source: the Python Language Reference, 2.5.1 "Escape sequences";
/// ECMA-262, 12.9.4 "String Literals"; bash(1), "QUOTING".
pub(super) fn escape(cursor: &mut Cursor<'_>, text: &mut Template) {
    let Some(next) = cursor.bump() else {
        text.push('\\');
        return;
    };
    match next {
        'n' => text.push('\n'),
        't' => text.push('\t'),
        'r' => text.push('\r'),
        'b' => text.push('\u{8}'),
        'f' => text.push('\u{c}'),
        'v' => text.push('\u{b}'),
        '\n' => {}
        '\\' | '\'' | '"' | '`' | '$' => text.push(next),
        'x' => cursor
            .code(2, 16)
            .into_iter()
            .for_each(|letter| text.push(letter)),
        'u' if cursor.eat("{") => {
            cursor
                .code(6, 16)
                .into_iter()
                .for_each(|letter| text.push(letter));
            cursor.eat("}");
        }
        'u' => cursor
            .code(4, 16)
            .into_iter()
            .for_each(|letter| text.push(letter)),
        'U' => cursor
            .code(8, 16)
            .into_iter()
            .for_each(|letter| text.push(letter)),
        '0'..='7' => {
            let mut value = next.to_digit(8).unwrap_or_default();
            for _ in 0..2 {
                let Some(digit) = cursor.peek().and_then(|letter| letter.to_digit(8)) else {
                    break;
                };
                cursor.bump();
                value = value * 8 + digit;
            }
            char::from_u32(value)
                .into_iter()
                .for_each(|letter| text.push(letter));
        }
        other => {
            text.push('\\');
            text.push(other);
        }
    }
}
