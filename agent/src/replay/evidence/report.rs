//! What a verifier says of a session's chains, in the store that the pack is taken from.

use chrono::DateTime;
use serde_json::{Value as Json, json};

use super::objects::Objects;
use crate::replay::archive::{ReadError, Readers};
use crate::verify::{self, Asked, Deep, Trust};

/// What was said.
pub(super) struct Said {
    /// Whether each chain is clean.
    pub(super) is_clean: bool,
    /// The report of each chain.
    pub(super) told: Json,
}

/// Verifies each chain of a session, with its rows, as of the session's newest row: so that the same record gives the
/// same report.
pub(super) fn report(
    url: &str,
    objects: &Objects,
    trust: Option<&Trust>,
) -> Result<Said, ReadError> {
    let mut said = Said {
        is_clean: !objects.chains.is_empty(),
        told: json!({}),
    };
    for (_, chain) in &objects.chains {
        let asked = Asked {
            trust,
            from: None,
            to: None,
            chain: Some(chain),
            deep: Deep::Rows,
            witnessed: None,
            replay: false,
            now: DateTime::from_timestamp_micros(objects.newest_us).unwrap_or_default(),
            threads: 1,
            done: &|_| {},
        };
        let report = verify::check(url, Readers::default(), &asked)?;
        said.is_clean &= report.is_clean();
        if let Some(members) = said.told.as_object_mut() {
            members.insert(chain.clone(), report.to_json());
        }
    }
    Ok(said)
}
