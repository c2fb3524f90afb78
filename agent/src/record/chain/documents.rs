//! What a chain signs: its genesis, and a manifest for each segment. Pure.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use super::envelope::Signed;

/// Version of what a chain and an installation sign: genesis, manifests, enrolments; a reader refuses a later one.
///
/// The tables have their own, [`crate::record::schema::FORMAT_VERSION`]: a column may change where no document does.
pub const FORMAT_VERSION: u32 = 1;

/// 32 bytes as lower-case hexadecimal digits.
pub type Hex = String;

/// Gives the name under which a chain signs checkpoints.
#[must_use]
pub fn origin(org: &str, chain: &str) -> String {
    format!("icecore/{org}/{chain}")
}

/// Gives the name under which an installation signs checkpoints for a witness.
#[must_use]
pub fn installation_name(key_id: &str) -> String {
    format!("icecore/installation/{key_id}")
}

/// Begins a chain; signed by the installation key.
///
/// Its key has no hash of its bytes, since it is where a reader begins. Whoever replaces it needs the installation key, which
/// a reader has pinned; what it replaced was named by manifest 0 (`prev_sha256`). A chain without manifests vouches for no
/// row, so that there its genesis says nothing that counts.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Organisation that is recorded for.
    pub org: String,
    /// The chain.
    pub chain: String,
    /// When it began.
    #[serde(with = "time")]
    pub created_at: DateTime<Utc>,
    /// Names the host.
    pub host_id: String,
    /// Names the host's boot.
    pub boot_id: Option<String>,
    /// The installation's public key, in base64.
    pub installation: String,
    /// The chain's first public key, in base64.
    pub key: String,
    /// The public key, in base64, that signs requests for approvals and what came of them; none where a chain makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvals_key: Option<String>,
    /// The chain of the same spool that reached the store before; one that ended before its first manifest did not.
    pub previous: Option<Before>,
    /// What a commit promises.
    pub recording_mode: String,
    /// Version of icecore.
    pub writer_build: String,
    /// SHA-256 of the config without secrets; stored under `evidence/`.
    pub config_sha256: Hex,
    /// SHA-256 of the policies.
    pub policy_bundle_sha256: Hex,
    /// More facts of the build, such as the digest of the kernel programs.
    pub build: BTreeMap<String, String>,
}

impl Signed for Genesis {
    const TYPE: &'static str = "application/vnd.icecore.genesis.v1+json";
}

/// How far a chain had come when the next one began.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// The chain.
    pub chain: String,
    /// Its last manifest; none where it had none yet.
    pub manifest: Option<BeforeManifest>,
}

/// The last manifest of a chain.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BeforeManifest {
    /// Its number.
    pub n: u64,
    /// SHA-256 of its file.
    pub sha256: Hex,
    /// How many leaves its tree has.
    pub tree_size: u64,
    /// The tree's root.
    pub root: Hex,
}

/// What a segment came to; signed by the key that the chain had then.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// See [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Organisation that is recorded for.
    pub org: String,
    /// The chain.
    pub chain: String,
    /// Place among the chain's manifests, dense from 0.
    pub n: u64,
    /// SHA-256 of the whole file before: the manifest before, or the genesis.
    pub prev_sha256: Hex,
    /// Place of the segment's first row; how many leaves the tree had before.
    pub first_seq: u64,
    /// How many leaves the tree has with the segment.
    pub tree_size: u64,
    /// The tree's root with the segment.
    pub root: Hex,
    /// When it was signed.
    #[serde(with = "time")]
    pub created_at: DateTime<Utc>,
    /// The segment's objects.
    pub objects: Vec<Listed>,
    /// Whether it only says that the chain is alive.
    pub heartbeat: bool,
    /// Whether the chain ends with it.
    pub closed: bool,
    /// Bytes that still waited in the spool.
    pub spool_backlog: u64,
    /// SHA-256 of the policies.
    pub policy_bundle_sha256: Hex,
    /// Version of icecore.
    pub writer_build: String,
    /// SHA-256 of documents under `evidence/` that came to be used since the manifest before.
    pub evidence: Vec<Hex>,
    /// The public key, in base64, that signs from the next manifest on, where it changes.
    pub next_key: Option<String>,
    /// The signed checkpoint of this tree (C2SP).
    pub checkpoint: String,
}

impl Signed for Manifest {
    const TYPE: &'static str = "application/vnd.icecore.manifest.v1+json";
}

/// One object that a manifest vouches for.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Its key in the store.
    pub key: String,
    /// SHA-256 of its bytes.
    pub sha256: Hex,
    /// How many bytes it has.
    pub size: u64,
    /// What is in it: a table, `result_rows` or `leaves`.
    pub table: String,
    /// How sensitive it is: `t0`, `t1`, `t2`, `t3`; `leaves` are `t0`.
    pub tier: String,
    /// Place of its first row; none of rows of results.
    pub seq_min: Option<u64>,
    /// Place of its last row.
    pub seq_max: Option<u64>,
    /// How many rows it has; none of rows of results.
    pub rows: Option<u64>,
    /// The key that it is encrypted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The least and the greatest session that its rows are about, as UUIDs; the nil one twice where all are about the host.
    /// None of rows of results, and where an earlier version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<(String, String)>,
    /// What tells its columns from others of its table; objects of one table that have the same have the same columns. None
    /// of what is no table, and where an earlier version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<String>,
}

impl Listed {
    /// Tells whether its rows can be about a session whose id begins so.
    #[must_use]
    pub fn may_tell_of(&self, begin: &str) -> bool {
        let Some((least, greatest)) = &self.sessions else {
            return true;
        };
        let is_after = greatest.as_str() >= begin;
        is_after && (least.as_str() <= begin || least.starts_with(begin))
    }
}

/// Points in time as RFC 3339 tells them, in microseconds.
pub mod time {
    use chrono::{DateTime, SecondsFormat, Utc};
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    /// Writes a point in time.
    ///
    /// # Errors
    /// The writer's.
    pub fn serialize<S: Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }

    /// Reads a point in time.
    ///
    /// # Errors
    /// The text is not one.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<DateTime<Utc>, D::Error> {
        let text = String::deserialize(from)?;
        DateTime::parse_from_rfc3339(&text)
            .map(|time| time.with_timezone(&Utc))
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(sessions: Option<(String, String)>) -> Listed {
        Listed {
            key: String::new(),
            sha256: String::new(),
            size: 0,
            table: "statements".into(),
            tier: "t0".into(),
            seq_min: None,
            seq_max: None,
            rows: None,
            key_id: None,
            sessions,
            columns: None,
        }
    }

    proptest! {
        #[test]
        fn no_beginning_of_a_session_that_is_told_is_passed_over(
            mut all in prop::collection::vec(any::<u128>(), 1..5),
            pick in any::<prop::sample::Index>(),
            len in 0..=36_usize,
        ) {
            let text = |id: u128| uuid::Uuid::from_u128(id).to_string();
            let picked = text(*pick.get(&all));
            all.sort_unstable();
            let object = told(Some((text(all[0]), text(all[all.len() - 1]))));
            prop_assert!(object.may_tell_of(picked.get(..len).unwrap_or_default()));
        }
    }

    #[test]
    fn a_session_outside_of_those_that_are_told_is_passed_over() {
        let object = told(Some(("3a".into(), "5b".into())));
        let found = ["39", "3", "3a0", "5b", "5", "5c", "6"].map(|begin| object.may_tell_of(begin));
        assert_eq!(found, [false, true, true, true, true, false, false]);
        assert!(told(None).may_tell_of("6"));
    }
}
