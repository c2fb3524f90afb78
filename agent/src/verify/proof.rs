//! A proof of one statement: its rows, and what shows that they are in a chain, without the rest. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::report::Finding;
use super::trust::{Read, Trust};
use crate::record::chain::disclosed::{Disclosed, disclosed};
use crate::record::chain::envelope::key_id;
use crate::record::chain::note::{Note, NoteError};
use crate::record::chain::problem::Code;
use crate::record::chain::tree::{Hash, includes, leaf};
use crate::record::entry::Entry;
use crate::record::value::Value as Cell;
use crate::record::{commitment, hex, row};
use crate::replay::row_as_json;

/// Says by which layout a proof is written; a reader refuses a later one.
pub(super) const PROOF_VERSION: u32 = 1;

/// How a proof names a document that it does not hold: by its key, in the folder `store` beside the proof's own.
pub(super) const BESIDE_STORE: &str = "../store/";

/// Row flag: a secret was taken out of the row, so that its text is no longer what was committed to.
const REDACTED: i64 = 8;

/// A proof, as a JSON document.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The version of the form of proofs.
    pub format_version: u32,
    /// The statement.
    pub statement_id: String,
    /// Organisation that recorded it.
    pub org: String,
    /// What each chain has of it: one, or two where the first broke off.
    pub chains: Vec<ChainProof>,
}

/// What a chain has of the statement.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChainProof {
    /// The chain.
    pub chain: String,
    /// The chain's genesis, to the letter, or by its name beside the proof.
    pub genesis: String,
    /// Manifests, the same: those that name a next key, and the one with the checkpoint.
    pub manifests: Vec<String>,
    /// The checkpoint as a witness signed it.
    pub cosigned: Option<String>,
    /// The enrolment of the installation, to the letter.
    pub enrolment: Option<String>,
    /// The rows.
    pub rows: Vec<RowProof>,
}

/// A row, and what shows that it is in the tree.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RowProof {
    /// Its place in the chain.
    pub seq: u64,
    /// Its table.
    pub table: String,
    /// Its canonical bytes (CBOR), in base64: what the tree's leaf is the hash of.
    pub cbor: String,
    /// The same, for people.
    pub row: Map<String, Value>,
    /// Hashes from the leaf to the root, in base64, lowest first (RFC 6962 section 2.1.1).
    pub path: Vec<String>,
}

/// What a proof shows.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Shown {
    /// The statement.
    pub statement_id: String,
    /// The organisation.
    pub org: String,
    /// The chains.
    pub chains: Vec<ShownChain>,
    /// Whether installations were pinned.
    pub pinned: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
}

/// What a chain shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownChain {
    /// The chain.
    pub chain: String,
    /// The host.
    pub host: String,
    /// Who pins its installation.
    pub installation: Option<String>,
    /// When the checkpoint was signed, as the host says.
    pub signed_at: String,
    /// Rows that the checkpoint covers.
    pub tree_size: u64,
    /// When a pinned witness signed it, in seconds since 1970.
    pub witnessed_at_s: Option<u64>,
    /// The rows that are shown to be in it.
    pub rows: Vec<Map<String, Value>>,
}

impl Shown {
    /// Tells whether all of it holds, by a pinned key.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.pinned
            && self.findings.is_empty()
            && self.chains.iter().any(|one| !one.rows.is_empty())
    }
}

impl Proof {
    /// Reads a proof.
    ///
    /// # Errors
    /// The bytes are not one, or of a later version.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let proof: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if proof.format_version > PROOF_VERSION {
            return Err(format!(
                "expected format version {PROOF_VERSION} at most, found {}",
                proof.format_version
            ));
        }
        Ok(proof)
    }

    /// Takes the documents that it only names from a folder beside it, such as that of an evidence pack.
    ///
    /// # Errors
    /// A name that leads elsewhere, or a file that cannot be read.
    pub fn with_files(mut self, file_of: Read<'_>) -> Result<Self, String> {
        for chain in &mut self.chains {
            for document in std::iter::once(&mut chain.genesis).chain(&mut chain.manifests) {
                let Some(key) = document.strip_prefix(BESIDE_STORE) else {
                    continue;
                };
                let is_plain = |part: &str| !part.is_empty() && !part.bytes().all(|b| b == b'.');
                if !key.split('/').all(is_plain) {
                    return Err(format!("expected a key of a store, found `{document}`"));
                }
                let read = file_of(document).map_err(|cause| format!("`{document}`: {cause}"))?;
                *document = String::from_utf8(read)
                    .map_err(|_| format!("`{document}`: expected UTF-8 text"))?;
            }
        }
        Ok(self)
    }

    /// Checks it, with nothing else at hand.
    #[must_use]
    pub fn check(&self, trust: Option<&Trust>) -> Shown {
        let mut shown = Shown {
            statement_id: self.statement_id.clone(),
            org: self.org.clone(),
            pinned: trust.is_some(),
            ..Shown::default()
        };
        let mut rows = Vec::new();
        for chain in &self.chains {
            let read = disclosed(&self.org, &chain.chain, &chain.genesis, &chain.manifests);
            let said = match read {
                Ok(said) => said,
                Err(problem) => {
                    shown.findings.push(problem.into());
                    continue;
                }
            };
            let installation = self.pin(chain, &said, trust, &mut shown.findings);
            let witnessed = witnessed(chain, &said, trust);
            let witnessed_at_s = witnessed.unwrap_or_else(|finding| {
                shown.findings.push(finding);
                None
            });
            let mut of_chain = Vec::new();
            for row in &chain.rows {
                match self.row(chain, row, &said) {
                    Ok(entry) => {
                        of_chain.push(row_as_json(&entry));
                        rows.push((chain.chain.as_str(), row.seq, entry));
                    }
                    Err(finding) => shown.findings.push(finding),
                }
            }
            let manifest = &said.manifest;
            shown.chains.push(ShownChain {
                chain: chain.chain.clone(),
                host: said.genesis.host_id.clone(),
                installation,
                signed_at: manifest.created_at.to_rfc3339(),
                tree_size: manifest.tree_size,
                witnessed_at_s,
                rows: of_chain,
            });
        }
        shown.findings.extend(other_texts(&rows));
        shown
    }

    /// Finds who pins the installation.
    fn pin(
        &self,
        chain: &ChainProof,
        said: &Disclosed,
        trust: Option<&Trust>,
        findings: &mut Vec<Finding>,
    ) -> Option<String> {
        let mut trust = trust?.clone();
        if let Some(enrolment) = &chain.enrolment
            && let id = key_id(&said.installation)
            && let Err(error) = trust.enrol(&self.org, &id, enrolment.as_bytes())
        {
            let expected = "an enrolment that a pinned operator vouches for";
            let place = (&*chain.chain, "enrolment");
            findings.push(Finding::new(Code::E10, place, expected, error));
        }
        let found = match trust.vouches(&said.genesis) {
            Ok(name) => return Some(name.to_owned()),
            Err(found) => found,
        };
        let expected = "a signature of a pinned installation";
        let place = (&*chain.chain, "genesis.json");
        findings.push(Finding::new(Code::E10, place, expected, found));
        None
    }

    /// Checks that a row is in the tree, and is what it is said to be.
    #[expect(
        clippy::result_large_err,
        reason = "a finding is the answer, once a row"
    )]
    fn row(&self, chain: &ChainProof, told: &RowProof, said: &Disclosed) -> Result<Entry, Finding> {
        let place = (&*chain.chain, "proof");
        let differs = |code, expected: &str, found: &str| {
            Finding::new(code, place, expected, found).at(told.seq)
        };
        let unread = || differs(Code::E50, "hashes and bytes in base64", "another text");
        let cbor = STANDARD.decode(&told.cbor).map_err(|_| unread())?;
        let hash = |text: &String| STANDARD.decode(text).ok()?.try_into().ok();
        let path: Option<Vec<Hash>> = told.path.iter().map(hash).collect();
        let path = path.ok_or_else(unread)?;
        let size = said.manifest.tree_size;
        let root: Option<Hash> = self.root(said);
        let root = root.ok_or_else(unread)?;
        if !includes(&leaf(&cbor), told.seq, size, &path, &root) {
            let expected = format!("a row of the tree with the root {}", hex(&root));
            return Err(differs(
                Code::E50,
                &expected,
                "one that is not shown to be in it",
            ));
        }
        let entry = row(&cbor).map_err(|error| differs(Code::E51, "a row of a table", &error))?;
        for (column, expected) in [
            ("statement_id", &self.statement_id),
            ("chain_id", &chain.chain),
            ("org_id", &self.org),
        ] {
            if entry.text(column) != Some(expected) {
                let found = entry.text(column).unwrap_or("none").to_owned();
                return Err(differs(
                    Code::E51,
                    &format!("`{column}` {expected}"),
                    &found,
                ));
            }
        }
        if entry.int("seq").and_then(|seq| u64::try_from(seq).ok()) != Some(told.seq) {
            return Err(differs(Code::E51, "the place that the row says", "another"));
        }
        if entry.table.name != told.table || row_as_json(&entry) != told.row {
            let expected = "the row's own values beside its bytes";
            return Err(differs(Code::E51, expected, "others"));
        }
        Ok(entry)
    }

    fn root(&self, said: &Disclosed) -> Option<Hash> {
        let checkpoint = crate::record::chain::note::Checkpoint::parse(said.checkpoint.text());
        checkpoint.ok().map(|checkpoint| checkpoint.root)
    }
}

/// Tells when a pinned witness signed the checkpoint.
#[expect(
    clippy::result_large_err,
    reason = "a finding is the answer, once a proof"
)]
fn witnessed(
    chain: &ChainProof,
    said: &Disclosed,
    trust: Option<&Trust>,
) -> Result<Option<u64>, Finding> {
    let Some(cosigned) = &chain.cosigned else {
        return Ok(None);
    };
    let place = (&*chain.chain, "cosigned");
    let differs = |expected: &str, found: &dyn ToString| {
        Finding::new(Code::E30, place, expected, found.to_string())
    };
    let note = Note::parse(cosigned).map_err(|error| differs("a signed checkpoint", &error))?;
    if note.text() != said.checkpoint.text() {
        return Err(differs("the manifest's checkpoint", &"another"));
    }
    let mut witnessed = None;
    for witness in trust.map(Trust::witnesses).unwrap_or_default() {
        match note.verify(witness) {
            Ok(time_s) => witnessed = witnessed.max(time_s),
            Err(NoteError::Unsigned) => {}
            Err(error) => {
                return Err(differs(
                    &format!("a signature of {}", witness.name()),
                    &error,
                ));
            }
        }
    }
    Ok(witnessed)
}

/// Tells of texts that are not those that the statement's rows commit to.
fn other_texts(rows: &[(&str, u64, Entry)]) -> Vec<Finding> {
    let bytes = |entry: &Entry, column: &str| {
        let Cell::Bytes(bytes) = entry.get(column) else {
            return None;
        };
        Some(bytes.clone())
    };
    let commits: Vec<Vec<u8>> = rows
        .iter()
        .filter_map(|(_, _, entry)| bytes(entry, "sql_commit"))
        .collect();
    let mut findings = Vec::new();
    for (chain, seq, entry) in rows {
        let is_redacted = entry.int("integrity_flags").unwrap_or(0) & REDACTED != 0;
        let salt = bytes(entry, "salt").and_then(|salt| <[u8; 16]>::try_from(salt).ok());
        let (Some(text), Some(salt)) = (entry.text("sql_text"), salt) else {
            continue;
        };
        let found = commitment(&salt, text).to_vec();
        if !is_redacted && !commits.is_empty() && !commits.contains(&found) {
            let place = (*chain, "proof");
            let finding = Finding::new(
                Code::E64,
                place,
                "a text that the statement's row commits to",
                "another",
            );
            findings.push(finding.at(*seq));
        }
    }
    findings
}
