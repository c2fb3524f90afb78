//! What stands around a name: whether it is called or only named, and what it is set to.

use super::super::source::Token;

fn name(tokens: &[Token], at: Option<usize>) -> Option<&str> {
    match tokens.get(at?) {
        Some(Token::Name(name)) => Some(name),
        Some(Token::Text(_) | Token::Sign(_) | Token::Line(_)) | None => None,
    }
}

fn sign(tokens: &[Token], at: Option<usize>) -> Option<char> {
    match tokens.get(at?) {
        Some(Token::Sign(sign)) => Some(*sign),
        Some(Token::Text(_) | Token::Name(_) | Token::Line(_)) | None => None,
    }
}

/// Tells whether a name stands where nothing calls what it names: `typeof f`, `print(f)`, `callable(f)`.
pub(super) fn is_only_named(tokens: &[Token], at: usize) -> bool {
    let next = sign(tokens, at.checked_add(1));
    if next == Some('(') {
        return false;
    }
    if name(tokens, at.checked_sub(1)) == Some("typeof") {
        return true;
    }
    let shows = [
        "print", "log", "puts", "repr", "callable", "type", "id", "dir", "help", "info", "debug",
        "warn",
    ];
    let is_shown = sign(tokens, at.checked_sub(1)) == Some('(')
        && name(tokens, at.checked_sub(2)).is_some_and(|name| shows.contains(&name));
    is_shown
        && (next == Some(')')
            || matches!(name(tokens, at.checked_add(1)), Some("is" | "instanceof")))
}

/// Tells whether a name may get a value here: none where it does not, and none within where the value is neither true nor
/// false, or may be.
pub(super) fn set_here(tokens: &[Token], at: usize) -> Option<Option<bool>> {
    let next = |more: usize| sign(tokens, at.checked_add(more));
    let before = name(tokens, at.checked_sub(1));
    if matches!(before, Some("for" | "as" | "in" | "global" | "nonlocal")) {
        return (before != Some("in")).then_some(None);
    }
    // A parameter, or one of several.
    if matches!(sign(tokens, at.checked_sub(1)), Some('(' | ',' | '{' | '['))
        && matches!(next(1), Some(',' | ')' | '=' | ':' | '}' | ']'))
    {
        return Some(None);
    }
    match next(1) {
        Some('=') if matches!(next(2), Some('>')) => Some(None),
        Some('=') if next(2) == Some('=') => None,
        Some('=') => {
            let ends = matches!(
                tokens.get(at + 3),
                Some(Token::Line(_) | Token::Sign(';')) | None
            );
            Some(match name(tokens, at.checked_add(2)) {
                Some("True" | "true") if ends => Some(true),
                Some("False" | "false") if ends => Some(false),
                Some(_) | None => None,
            })
        }
        Some(',' | '[' | '.') => Some(None),
        Some('+' | '-' | '|' | '&' | '^' | '?' | ':' | '*' | '<')
            if next(2) == Some('=') || next(3) == Some('=') =>
        {
            Some(None)
        }
        Some(_) | None => None,
    }
}
