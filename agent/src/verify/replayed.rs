//! `--replay`: recorded decisions made again, from recorded facts and the policies that the record keeps.

use std::collections::BTreeMap;

use super::objects::{Named, Objects};
use super::report::{Finding, Report};
use super::{layout, rules};
use crate::record::RecordError;
use crate::record::chain::problem::Code;
use crate::record::entry::Entry;
use crate::record::value::Value;
use crate::replay::{Again, Archive, Records, Wanted, was_allowed};
use crate::statement::Catalogue;

/// Judges each statement again by the policies that it names; what cannot be told is counted.
pub(super) fn decisions(
    objects: &dyn Objects,
    archive: &Archive,
    wanted: Wanted<'_>,
    report: &mut Report,
) -> Result<(), RecordError> {
    let records = Records::of(archive, wanted);
    let (mut evidence, mut bundles) = (BTreeMap::new(), BTreeMap::new());
    for row in records.statements() {
        let org = row.text("org_id").unwrap_or_default().to_owned();
        let Some(sha256) = digest(row) else {
            report.checked.decisions_untold += 1;
            continue;
        };
        if !evidence.contains_key(&org) {
            evidence.insert(org.clone(), documents(objects, &org)?);
        }
        let of = (org, sha256);
        if !bundles.contains_key(&of) {
            let bundle = match evidence.get(&of.0) {
                Some(evidence) => rules::bundle(objects, evidence, &sha256)?,
                None => None,
            };
            bundles.insert(of.clone(), bundle);
        }
        let Some(bundle) = bundles.get(&of).and_then(Option::as_ref) else {
            report.checked.decisions_untold += 1;
            continue;
        };
        match records.judge(bundle, &Catalogue::default(), row) {
            Again::Same => report.checked.decisions_again += 1,
            Again::Untold(_) => report.checked.decisions_untold += 1,
            Again::Allowed(verdict) | Again::Refused(verdict) => {
                report.tell(differs(row, &verdict.told()));
            }
        }
    }
    Ok(())
}

fn digest(row: &Entry) -> Option<[u8; 32]> {
    let Value::Bytes(bytes) = row.get("policy_bundle_sha256") else {
        return None;
    };
    bytes.as_slice().try_into().ok()
}

fn documents(objects: &dyn Objects, org: &str) -> Result<BTreeMap<String, Named>, RecordError> {
    let named = objects.list(&format!("{org}/v1/evidence"))?;
    let by_name = named.into_iter();
    Ok(by_name
        .map(|named| (layout::name(&named.key).to_owned(), named))
        .collect())
}

fn differs(row: &Entry, verdict: &str) -> Finding {
    let text = |name| row.text(name).unwrap_or_default();
    let was = match was_allowed(row) {
        Some(true) => "allowed",
        Some(false) | None => "refused",
    };
    let finding = Finding::new(
        Code::E80,
        (text("chain_id"), text("statement_id")),
        format!("{was}, as it was decided"),
        verdict,
    );
    match row.int("seq").and_then(|seq| u64::try_from(seq).ok()) {
        Some(seq) => finding.at(seq),
        None => finding,
    }
}
