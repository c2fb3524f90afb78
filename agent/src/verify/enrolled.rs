//! Enrolments: installations that an operator vouches for, beside those that the trust file pins.

use std::collections::BTreeMap;

use tracing::debug;

use super::layout::{self, Layout};
use super::objects::Objects;
use super::report::Finding;
use super::trust::Trust;
use crate::record::chain::enrolment::enrolment_key;
use crate::record::chain::problem::Code;
use crate::record::{RecordError, Store};

/// Gives whom to believe in one organisation of a store; whom nobody vouches for a check tells, not this.
pub(crate) fn enrolled_in(store: &Store, org: &str, trust: &Trust) -> Result<Trust, RecordError> {
    let mut trust = trust.clone();
    if !trust.has_operators() {
        return Ok(trust);
    }
    for (key, bytes) in store.below(&format!("{org}/v1/enrolments"))? {
        let name = layout::name(&key);
        let key_id = name.strip_suffix(".json").unwrap_or(name);
        if enrolment_key(org, key_id) == key
            && let Err(error) = trust.enrol(org, key_id, &bytes)
        {
            debug!(key, %error, "left an enrolment out");
        }
    }
    Ok(trust)
}

/// Gives whom to believe in each organisation, and tells of enrolments that make nobody believed.
pub(super) fn trusts<'l>(
    objects: &dyn Objects,
    layouts: &'l BTreeMap<String, Layout>,
    trust: Option<&Trust>,
) -> Result<(BTreeMap<&'l str, Trust>, Vec<Finding>), RecordError> {
    let mut trusts = BTreeMap::new();
    let mut findings = Vec::new();
    let Some(trust) = trust else {
        return Ok((trusts, findings));
    };
    for (org, layout) in layouts {
        let mut of_org = trust.clone();
        for named in layout.beside.get("enrolments").into_iter().flatten() {
            let bytes = objects.get(&named.key)?;
            let name = layout::name(&named.key);
            let key_id = name.strip_suffix(".json").unwrap_or(name);
            // One enrolment has one name.
            let enrolled = match enrolment_key(org, key_id) == named.key {
                true => (of_org.enrol(org, key_id, &bytes)).map_err(|error| error.to_string()),
                false => Err("one under another name".to_owned()),
            };
            if let Err(found) = enrolled {
                let expected = "an enrolment that a pinned operator vouches for";
                findings.push(Finding::new(Code::E10, ("", &named.key), expected, found));
            }
        }
        trusts.insert(org.as_str(), of_org);
    }
    Ok((trusts, findings))
}
