//! How many of a result's rows are kept in the record.

use std::fmt;

use serde::Serialize;

/// How many of a result's rows are kept in the record, as they were delivered; a later variant keeps more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum ResultRows {
    /// None.
    #[default]
    None,
    /// The first ones that are delivered, this many of a statement.
    Sample(u64),
    /// All that are delivered.
    Full,
}

impl ResultRows {
    /// What `read` expects, in words.
    pub const EXPECTED: &str =
        "\"none\", \"full\" or \"sample:N\" with a number of rows from 1 to 1000000";

    /// Reads one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        match text {
            "none" => Some(Self::None),
            "full" => Some(Self::Full),
            _ => {
                let count = text.strip_prefix("sample:")?;
                let is_plain = count.bytes().all(|byte| byte.is_ascii_digit());
                let rows = count.parse().ok().filter(|_| is_plain)?;
                (1..=1_000_000)
                    .contains(&rows)
                    .then_some(Self::Sample(rows))
            }
        }
    }

    /// Gives the recorded word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Sample(_) => "sample",
            Self::Full => "full",
        }
    }
}

/// Writes it as `read` takes it.
impl fmt::Display for ResultRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None | Self::Full => f.write_str(self.word()),
            Self::Sample(rows) => write!(f, "sample:{rows}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_written_and_more_is_greater() {
        let texts = ["none", "sample:1", "sample:1000000", "full"];
        let read = texts.map(|text| ResultRows::read(text).unwrap());
        assert_eq!(read.map(|one| one.to_string()), texts);
        assert!(read.is_sorted());
        for text in [
            "",
            "all",
            "Full",
            "sample",
            "sample:",
            "sample:0",
            "sample:+1",
            "sample:1000001",
        ] {
            assert_eq!(ResultRows::read(text), None, "{text}");
        }
    }
}
