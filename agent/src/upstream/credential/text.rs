//! Secrets that are one line of text: tokens, passwords and passphrases, each alone in its place.

use super::CredentialError;
use super::source::SecretSource;
use crate::snowflake::secret::Secret;

/// Longest token that is read; OAuth tokens with many claims take some kilobytes.
const TOKEN_MAX_BYTES: u64 = 32 << 10;

/// Longest password or passphrase that is read.
const PHRASE_MAX_BYTES: u64 = 4 << 10;

/// What stands in the place of one line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum TextError {
    #[error("is empty")]
    Empty,
    #[error("has more than one line")]
    Lines,
    #[error("is not UTF-8 text")]
    NotText,
    #[error("begins or ends with a blank")]
    Blanks,
    #[error("has characters that cannot be typed")]
    Controls,
    #[error("has other characters than a token's (visible ASCII)")]
    NotToken,
    #[error("has a PEM block, which is no token")]
    Pem,
}

/// Reads a token.
pub(super) async fn token(source: &SecretSource) -> Result<Secret, CredentialError> {
    let expected = "with one token of visible ASCII characters and nothing else";
    read(source, TOKEN_MAX_BYTES, expected, token_of).await
}

/// Reads a password or passphrase.
pub(super) async fn phrase(source: &SecretSource) -> Result<Secret, CredentialError> {
    let expected = "with one line of text and nothing else";
    read(source, PHRASE_MAX_BYTES, expected, phrase_of).await
}

fn token_of(text: &str) -> Result<&str, TextError> {
    let line = one_line(text)?;
    if line.starts_with("-----") {
        return Err(TextError::Pem);
    }
    if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TextError::NotToken);
    }
    Ok(line)
}

/// A final line break is an editor's; what else is odd would make a login fail in ways that are hard to find.
fn phrase_of(text: &str) -> Result<&str, TextError> {
    let line = one_line(text)?;
    if line.trim() != line {
        return Err(TextError::Blanks);
    }
    // U+FEFF is what some editors put first.
    if line
        .chars()
        .any(|one| one.is_control() || one == '\u{feff}')
    {
        return Err(TextError::Controls);
    }
    Ok(line)
}

fn one_line(text: &str) -> Result<&str, TextError> {
    let line = text
        .strip_suffix("\r\n")
        .or_else(|| text.strip_suffix('\n'))
        .unwrap_or(text);
    if line.contains(['\n', '\r']) {
        return Err(TextError::Lines);
    }
    if line.trim().is_empty() {
        return Err(TextError::Empty);
    }
    Ok(line)
}

async fn read(
    source: &SecretSource,
    limit_bytes: u64,
    expected: &str,
    rule: impl FnOnce(&str) -> Result<&str, TextError>,
) -> Result<Secret, CredentialError> {
    let bytes = source.read(limit_bytes).await?;
    let line = std::str::from_utf8(&bytes)
        .map_err(|_| TextError::NotText)
        .and_then(rule)
        .map_err(|error| source.flaw(expected, &error.to_string()))?;
    Ok(Secret::new(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_with_or_without_its_end_is_taken() {
        for text in ["pass word", "pass word\n", "pass word\r\n"] {
            assert_eq!(phrase_of(text), Ok("pass word"));
        }
        assert_eq!(phrase_of("gr\u{fc}n"), Ok("gr\u{fc}n"));
    }

    #[test]
    fn what_is_not_one_plain_line_is_refused() {
        for (text, error) in [
            ("", TextError::Empty),
            ("\n", TextError::Empty),
            ("  \n", TextError::Empty),
            ("a\nb", TextError::Lines),
            ("a\n\n", TextError::Lines),
            ("a\rb", TextError::Lines),
            (" a", TextError::Blanks),
            ("a \n", TextError::Blanks),
            ("a\tb", TextError::Controls),
            ("\u{feff}a", TextError::Controls),
            ("a\0", TextError::Controls),
        ] {
            assert_eq!(phrase_of(text), Err(error), "{text:?}");
        }
    }
}
