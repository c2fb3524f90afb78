//! Whom a reader believes: in each organisation what a trust file pins and whom its operators vouch for, and without a trust
//! file whoever began a chain.

use std::collections::BTreeMap;

use crate::record::chain::problem::{Code, Problem};
use crate::record::chain::read::ReadChain;
use crate::record::{RecordError, Store};
use crate::verify::{Trust, enrolled_in};

/// Whom a reader believes.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    /// By organisation; none where nothing is pinned.
    of_orgs: Option<BTreeMap<String, Trust>>,
}

impl Pinned {
    /// Reads whom the operators of a trust file vouch for in a store.
    pub(super) fn read(store: &Store, trust: Option<&Trust>) -> Result<Self, RecordError> {
        let Some(trust) = trust else {
            return Ok(Self::default());
        };
        let mut of_orgs = BTreeMap::new();
        for org in store.folders("")? {
            let of_org = enrolled_in(store, &org, trust)?;
            of_orgs.insert(org, of_org);
        }
        Ok(Self {
            of_orgs: Some(of_orgs),
        })
    }

    /// Gives whom to believe what they wrote over others' objects: without a trust file nobody.
    pub(super) fn compactors<'a>(
        &'a self,
        org: &'a str,
    ) -> Option<impl Fn(&[u8; 32]) -> bool + 'a> {
        let of_org = self.of_orgs.as_ref()?.get(org);
        Some(move |key: &[u8; 32]| {
            of_org.is_some_and(|trust| trust.installation(org, key).is_some())
        })
    }

    /// Gives what may be believed of a chain: nothing where its installation is not among those that are pinned.
    pub(super) fn believed(&self, org: &str, chain: &str, read: ReadChain) -> ReadChain {
        let (Some(of_orgs), Some(genesis)) = (&self.of_orgs, &read.genesis) else {
            return read;
        };
        let vouched = match of_orgs.get(org) {
            Some(trust) => trust.vouches(genesis).map(drop),
            None => Err("an organisation that came meanwhile".to_owned()),
        };
        let Err(found) = vouched else {
            return read;
        };
        ReadChain {
            problems: vec![Problem {
                code: Code::E10,
                chain: chain.to_owned(),
                what: "genesis.json".to_owned(),
                expected: "a signature of a pinned installation".to_owned(),
                found,
            }],
            ..ReadChain::default()
        }
    }
}
