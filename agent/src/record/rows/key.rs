//! The key of an object that holds rows of a result. Pure.

use std::fmt;

use chrono::NaiveDate;

/// How the name of such an object ends in the spool, where its folder says its chain.
pub(in crate::record) const SPOOLED: &str = ".rows";

/// How the name ends as long as it is written.
pub(in crate::record) const DRAFT: &str = ".rows.part";

/// What the key of rows says.
///
/// `<org>/v1/t2/<chain>/result_rows/dt=<day>/<chain>-<file>-<first 16 hex digits of its SHA-256>.parquet`
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowsKey {
    pub(crate) org: String,
    pub(in crate::record) chain: String,
    /// The day of the statement's start.
    pub(crate) day: NaiveDate,
    /// Tells one delivery's file from another's: a UUID in 32 digits.
    pub(in crate::record) file: String,
    pub(in crate::record) hash: String,
}

impl RowsKey {
    /// Reads a key; none where the text is not one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let [org, "v1", "t2", chain, "result_rows", day, name] =
            *text.split('/').collect::<Vec<_>>()
        else {
            return None;
        };
        let stem = name.strip_suffix(".parquet")?;
        let (file, hash) = stem
            .strip_prefix(chain)?
            .strip_prefix('-')?
            .split_once('-')?;
        let key = Self {
            org: org.to_owned(),
            chain: uuid::Uuid::try_parse(chain).ok()?.to_string(),
            day: day.strip_prefix("dt=")?.parse().ok()?,
            file: uuid::Uuid::try_parse(file).ok()?.simple().to_string(),
            hash: hash.to_owned(),
        };
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_hash = hash.len() == 16 && hash.bytes().all(is_hex);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_org = org.bytes().all(plain) && !org.starts_with('.');
        // Written back it must be the same text: one object has one key.
        (is_hash && is_org && key.to_string() == text).then_some(key)
    }

    /// Gives the name of its file in the spool's folder of its chain.
    pub(in crate::record) fn spooled(&self) -> String {
        format!("{}-{}{SPOOLED}", self.file, self.hash)
    }
}

impl fmt::Display for RowsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            org,
            chain,
            day,
            file,
            hash,
        } = self;
        let day = day.format("%Y-%m-%d");
        write!(
            f,
            "{org}/v1/t2/{chain}/result_rows/dt={day}/{chain}-{file}-{hash}.parquet"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written_and_nothing_else_is_one() {
        let key = RowsKey {
            org: "acme".to_owned(),
            chain: uuid::Uuid::now_v7().to_string(),
            day: "2026-11-26".parse().unwrap(),
            file: uuid::Uuid::now_v7().simple().to_string(),
            hash: "0123456789abcdef".to_owned(),
        };
        let text = key.to_string();
        assert_eq!(RowsKey::parse(&text), Some(key.clone()));
        for (from, to) in [
            ("acme", ".."),
            ("t2", "t0"),
            ("result_rows", "results"),
            ("0123456789abcdef", "0123456789ABCDEF"),
            ("0123456789abcdef", "../../..//x"),
            (".parquet", ""),
            (&*key.file, "x"),
        ] {
            assert_eq!(RowsKey::parse(&text.replace(from, to)), None, "{from} {to}");
        }
    }
}
