//! Data keys for readers: which there are, and what DuckDB is told of them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Months, NaiveDate};
use serde_json::json;

use super::archive::{ReadError, Readers};
use crate::id::SessionId;
use crate::record::encryption::{DataKey, KeyName, Month, Purpose, Vault};

/// A key that was opened, or why it was not.
#[derive(Debug)]
pub struct FetchedKey {
    /// Organisation of the key.
    pub org: String,
    /// Its name.
    pub name: KeyName,
    key: Result<std::sync::Arc<DataKey>, String>,
}

impl FetchedKey {
    /// Says why it could not be opened.
    #[must_use]
    pub fn refusal(&self) -> Option<&str> {
        self.key.as_ref().err().map(String::as_str)
    }

    /// Gives the statement that hands DuckDB the key; none of keys of no file, and of those that could not be opened.
    #[must_use]
    pub fn pragma(&self) -> Option<String> {
        let key = self.key.as_ref().ok()?;
        let is_of_files = self.name.purpose != Purpose::Digest;
        is_of_files.then(|| {
            let (name, key) = (duckdb_name(&self.name), STANDARD.encode(key.bytes()));
            format!("PRAGMA add_parquet_key('{name}', '{key}');")
        })
    }

    /// Gives it as JSON; none of those that could not be opened.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        let key = self.key.as_ref().ok()?;
        Some(json!({
            "org": self.org,
            "name": self.name.to_string(),
            "duckdb_name": duckdb_name(&self.name),
            "key": STANDARD.encode(key.bytes()),
        }))
    }
}

/// Names a key as DuckDB knows it. A key's name holds no quote.
#[must_use]
pub fn duckdb_name(name: &KeyName) -> String {
    format!("icecore:{name}")
}

/// Tells whether a key may be of something that happened on some days: content by its month, rows by when their session
/// began, which its id tells.
#[must_use]
pub fn is_of_days(key: &KeyName, from: Option<NaiveDate>, to: Option<NaiveDate>) -> bool {
    let is_within = |first: NaiveDate, last: NaiveDate| {
        from.is_none_or(|from| from <= last) && to.is_none_or(|to| first <= to)
    };
    match key.purpose {
        Purpose::Content(month) | Purpose::Prompts(month) => {
            let (first, last) = days(month);
            is_within(first, last)
        }
        Purpose::Rows(session) => began_on(session).is_none_or(|day| is_within(day, day)),
        Purpose::Digest => false,
    }
}

/// Reads the day of a UUID version 7 (RFC 9562 section 5.7); none of other versions.
fn began_on(session: SessionId) -> Option<NaiveDate> {
    let [a, b, c, d, e, f, version, ..] = *session.as_bytes();
    let ms = i64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let at = DateTime::from_timestamp_millis(ms).filter(|_| version >> 4 == 7)?;
    Some(at.date_naive())
}

fn days(month: Month) -> (NaiveDate, NaiveDate) {
    let first: NaiveDate = format!("{month}-01").parse().unwrap_or_default();
    let next = first.checked_add_months(Months::new(1));
    (first, next.and_then(|day| day.pred_opt()).unwrap_or(first))
}

/// Opens the keys that are wanted of a store.
///
/// # Errors
/// The stores cannot be read.
pub fn fetch(
    (store, readers): (&str, Readers),
    is_wanted: impl Fn(&KeyName) -> bool,
) -> Result<Vec<FetchedKey>, ReadError> {
    let vault = Vault::open(store, readers.key_store.as_deref())?;
    let ring = readers.open(store)?;
    let mut all = Vec::new();
    for org in vault.orgs_of_keys()? {
        for name in vault.key_names(&org)? {
            if is_wanted(&name) {
                let key = ring.key(&org, &name).map_err(|closed| closed.to_string());
                all.push(FetchedKey {
                    org: org.clone(),
                    name,
                    key,
                });
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_content_is_of_the_days_of_its_month() {
        let chain = uuid::Uuid::now_v7();
        let key = KeyName::read(&format!("{chain}/t1-2026-12-01234567")).unwrap();
        let day = |text: &str| Some(text.parse().unwrap());
        for (from, to, expected) in [
            (None, None, true),
            (day("2026-12-31"), None, true),
            (day("2027-01-01"), None, false),
            (None, day("2026-12-01"), true),
            (None, day("2026-11-30"), false),
            (day("2026-11-01"), day("2027-02-01"), true),
        ] {
            assert_eq!(is_of_days(&key, from, to), expected, "{from:?} {to:?}");
        }
    }
}
