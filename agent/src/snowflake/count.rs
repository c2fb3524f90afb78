//! How many statements a request says its text holds.

use serde_json::value::RawValue;

use super::json::Object;

/// Parameter that says how many statements a text may hold; 0 is any number.
pub const STATEMENT_COUNT: &str = "MULTI_STATEMENT_COUNT";

/// Most statements of one request. Source: far above what people write, low enough that each can be judged and recorded.
pub const STATEMENTS_MAX: usize = 1_000;

/// What a request says of the number of its statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Count {
    /// One, as in a request that says nothing; the login's own parameters do not count.
    #[default]
    One,
    /// Any number.
    Any,
    /// This many.
    Exactly(usize),
}

/// A count that is no number from 0 to `STATEMENTS_MAX`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{STATEMENT_COUNT}`: expected a whole number from 0 to {STATEMENTS_MAX}")]
pub struct CountError;

impl Count {
    /// Takes the count out of a request's `parameters`, however its letters are cased.
    ///
    /// # Errors
    /// It is no number, or a larger one than `STATEMENTS_MAX`.
    pub fn take(parameters: &mut Object) -> Result<Self, CountError> {
        let found = parameters
            .members()
            .find(|(key, _)| key.eq_ignore_ascii_case(STATEMENT_COUNT))
            .map(|(_, value)| Self::read(value))
            .transpose()?;
        parameters.remove(STATEMENT_COUNT);
        Ok(found.unwrap_or_default())
    }

    /// Reads digits, bare or in quotes; drivers send both.
    fn read(value: &RawValue) -> Result<Self, CountError> {
        let digits = value.get().trim_matches('"');
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(0) if plain => Ok(Self::Any),
            Ok(1) if plain => Ok(Self::One),
            Ok(count) if plain && count <= STATEMENTS_MAX => Ok(Self::Exactly(count)),
            Ok(_) | Err(_) => Err(CountError),
        }
    }

    /// Tells whether a text of `found` statements is what the request says.
    #[must_use]
    pub fn allows(self, found: usize) -> bool {
        match self {
            Self::One => found == 1,
            Self::Any => true,
            Self::Exactly(said) => said == found,
        }
    }

    /// Gives the number by which Snowflake knows the count.
    #[must_use]
    pub fn wire(self) -> usize {
        match self {
            Self::One => 1,
            Self::Any => 0,
            Self::Exactly(said) => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(parameters: &str, expected: Result<Count, CountError>) {
        let mut object = Object::read(parameters.as_bytes()).unwrap();
        assert_eq!(Count::take(&mut object), expected, "{parameters}");
    }

    #[test]
    fn the_count_is_a_number_bare_or_in_quotes() {
        check("{}", Ok(Count::One));
        check(r#"{"MULTI_STATEMENT_COUNT":1}"#, Ok(Count::One));
        check(r#"{"MULTI_STATEMENT_COUNT":"0"}"#, Ok(Count::Any));
        check(r#"{"multi_statement_count":3}"#, Ok(Count::Exactly(3)));
        for value in [
            "-1", "1.0", "null", "\"\"", "\"+2\"", "1001", "true", "\" 2\"", "1e1",
        ] {
            check(
                &format!(r#"{{"MULTI_STATEMENT_COUNT":{value}}}"#),
                Err(CountError),
            );
        }
    }
}
