//! Prompts whose time is over: a store's rule may have removed them, and no chain is broken by it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::objects::{Named, Objects};
use crate::record::chain::documents::{Genesis, Listed, Manifest};
use crate::record::schema::{Table, Tier};
use crate::record::{RecordError, hex, sha256};
use std::collections::BTreeMap;

/// Until when prompts were signed whose time is over by now.
///
/// For how long they are kept is the chain's own signed word: its genesis names the config. Who may delete in the store can
/// change neither that nor what a manifest says of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expired(Option<DateTime<Utc>>);

impl Expired {
    /// For whom what is gone matters only as far as its leaves are.
    pub(super) const ALL: Self = Self(Some(DateTime::<Utc>::MAX_UTC));

    /// Reads the time of a chain's prompts from its config; without one nothing may be gone.
    pub(super) fn of(
        objects: &dyn Objects,
        evidence: &BTreeMap<String, Named>,
        genesis: Option<&Genesis>,
        now: DateTime<Utc>,
    ) -> Result<Self, RecordError> {
        let named = genesis.and_then(|genesis| evidence.get_key_value(&genesis.config_sha256));
        let Some((name, document)) = named else {
            return Ok(Self(None));
        };
        let bytes = objects.get(&document.key)?;
        let is_named = hex(&sha256(&bytes)) == *name;
        let retention = is_named.then(|| retention(&bytes)).flatten();
        Ok(Self(
            retention.and_then(|retention| now.checked_sub_signed(retention)),
        ))
    }

    /// Tells whether an object that a manifest lists may be gone.
    pub(super) fn has(self, manifest: &Manifest, object: &Listed) -> bool {
        let tier = Tier::Prompts;
        object.tier == tier.as_str()
            && Table::by_name(&object.table).is_some_and(|table| table.tier == tier)
            && self.0.is_some_and(|until| manifest.created_at <= until)
    }
}

/// Reads for how long prompts are kept from a config as evidence, where it is written as Rust writes a duration.
fn retention(config: &[u8]) -> Option<TimeDelta> {
    let document: Value = serde_json::from_slice(config).ok()?;
    let written = document.pointer("/config/prompts/retention")?.as_str()?;
    // The config's durations are of whole seconds or more; others are none of it.
    let seconds: i64 = written.strip_suffix('s')?.parse().ok()?;
    TimeDelta::try_seconds(seconds).filter(|retention| *retention > TimeDelta::zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_read_as_the_config_is_recorded() {
        let account = "[[account]]\nhost = \"acme.snowflakecomputing.com\"\nuser = \"U\"\nrole = \"R\"\n\
            credential = { kind = \"pat\", token_file = \"/keys/token\" }\n";
        let prompts = "[prompts]\nretention = \"90d\"\n";
        let config = crate::config::read_for_tests(&format!("{account}{prompts}"));
        let read = retention(&config.document().unwrap());
        assert_eq!(read, Some(TimeDelta::days(90)));
        for other in ["{}", "", r#"{"config":{"prompts":{"retention":"-1s"}}}"#] {
            assert_eq!(retention(other.as_bytes()), None, "{other}");
        }
    }
}
