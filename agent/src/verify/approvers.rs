//! Who may say yes to what, as the config says that a chain began with, and the keys that proved who did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value as Json;

use super::objects::Objects;
use crate::approval::{Group, Rules};
use crate::identity::{Algorithm, Issuer, KeySource, Keys, Kind, Pattern};
use crate::record::chain::documents::Genesis;
use crate::record::chain::envelope::{self, Sealed};
use crate::record::{RecordError, hex, sha256};

/// How far clocks may be apart at most, as the config's own reader says it.
const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// What approvals are judged by, as far as it was read.
pub(super) struct Approvers<'a> {
    objects: &'a dyn Objects,
    /// By organisation and chain.
    rules: BTreeMap<(String, String), Option<Arc<Rules>>>,
    keys: BTreeMap<(String, [u8; 32]), Option<Keys>>,
}

impl<'a> Approvers<'a> {
    /// Reads from a record's objects.
    pub(super) fn of(objects: &'a dyn Objects) -> Self {
        Self {
            objects,
            rules: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Gives the rules that a chain began with.
    pub(super) fn rules(
        &mut self,
        org: &str,
        chain: &str,
    ) -> Result<Option<Arc<Rules>>, RecordError> {
        let of = (org.to_owned(), chain.to_owned());
        if !self.rules.contains_key(&of) {
            let genesis = self.get(&format!("{org}/v1/chains/{chain}/genesis.json"))?;
            let named = genesis.and_then(|bytes| {
                let sealed: Sealed<Genesis> = envelope::open(&bytes).ok()?;
                Some(sealed.claimed().config_sha256.clone())
            });
            let config = match &named {
                Some(named) => self.get(&format!("{org}/v1/evidence/{named}"))?,
                None => None,
            };
            let config = config.filter(|bytes| Some(hex(&sha256(bytes))) == named);
            let rules = config.and_then(|bytes| rules(&bytes)).map(Arc::new);
            self.rules.insert(of.clone(), rules);
        }
        Ok(self.rules.get(&of).cloned().flatten())
    }

    /// Gives an issuer's keys by their digest.
    pub(super) fn keys(
        &mut self,
        org: &str,
        digest: [u8; 32],
    ) -> Result<Option<Keys>, RecordError> {
        let of = (org.to_owned(), digest);
        if !self.keys.contains_key(&of) {
            let text = self.get(&format!("{org}/v1/evidence/{}", hex(&digest)))?;
            let keys = text.filter(|text| sha256(text) == digest);
            let keys = keys.and_then(|text| Keys::read(&text).ok());
            self.keys.insert(of.clone(), keys);
        }
        Ok(self.keys.get(&of).cloned().flatten())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, RecordError> {
        let folder = key.rsplit_once('/').map_or(key, |(folder, _)| folder);
        let mut listed = self.objects.list(folder)?.into_iter();
        match listed.any(|named| named.key == key) {
            true => Ok(Some(self.objects.get(key)?.to_vec())),
            false => Ok(None),
        }
    }
}

/// The rules as evidence has them.
#[derive(Deserialize)]
struct Written {
    issuer: WrittenIssuer,
    people: BTreeMap<String, String>,
    groups: BTreeMap<String, Group>,
    explain: bool,
}

/// What of the issuer bears on who somebody is.
#[derive(Deserialize)]
struct WrittenIssuer {
    name: String,
    url: String,
    audiences: Vec<String>,
    parties: Vec<String>,
    algorithms: Vec<Json>,
    leeway: Duration,
    groups_claim: String,
    members: BTreeMap<String, Vec<String>>,
    require: BTreeMap<String, Vec<String>>,
}

/// Reads the rules from a config as evidence.
fn rules(document: &[u8]) -> Option<Rules> {
    let document: Json = serde_json::from_slice(document).ok()?;
    let written = document.pointer("/config/approvals/rules")?;
    let Written {
        issuer,
        people,
        groups,
        explain,
    } = Written::deserialize(written).ok()?;
    if issuer.leeway > LEEWAY_MAX {
        return None;
    }
    let is_taken = |one: &Algorithm| {
        serde_json::to_value(one).is_ok_and(|name| issuer.algorithms.contains(&name))
    };
    let patterns =
        |(claim, values): (String, Vec<String>)| (claim, values.into_iter().map(Pattern).collect());
    Some(Rules {
        issuer: Issuer {
            algorithms: Algorithm::ALL.iter().copied().filter(is_taken).collect(),
            name: issuer.name,
            url: issuer.url,
            audiences: issuer.audiences,
            parties: issuer.parties,
            keys: KeySource::Discovery,
            leeway: issuer.leeway,
            max_age: None,
            groups_claim: issuer.groups_claim,
            members: issuer.members,
            require: issuer.require.into_iter().map(patterns).collect(),
            ci: None,
            kind: Kind::Human,
        },
        people,
        groups,
        explain,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::approval::Hours;
    use crate::approval::fixtures::{group, rules as written};

    #[test]
    fn rules_are_read_back_as_the_config_is_recorded() {
        let mut expected = written([(
            "owners",
            Group {
                hours: Some(Hours {
                    days: vec![chrono::Weekday::Mon],
                    from_minute: 480,
                    to_minute: 1080,
                    offset_minutes: -60,
                }),
                grant_max: Some(Duration::from_secs(60)),
                acr: ["mfa".to_owned()].into(),
                break_glass: true,
                ..group(&["okta:ann"], 2)
            },
        )]);
        let person = "okta:ann".to_owned();
        expected.people = [("github:#7".to_owned(), person)].into();
        let members = [("ann".to_owned(), vec!["owners".to_owned()])];
        expected.issuer.members = members.into();
        let require = [("hd".to_owned(), vec![Pattern("acme.*".to_owned())])];
        expected.issuer.require = require.into();
        expected.issuer.algorithms = vec![Algorithm::Es256];
        let read = |expected: &Rules| {
            let document = json!({ "config": { "approvals": { "rules": expected } } });
            rules(document.to_string().as_bytes())
        };
        assert_eq!(read(&expected), Some(expected.clone()));
        expected.issuer.leeway = LEEWAY_MAX + Duration::from_secs(1);
        assert_eq!(read(&expected), None);
    }
}
