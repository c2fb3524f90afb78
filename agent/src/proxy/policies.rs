//! Where the policies in force come from: their folder when the daemon starts and at a reload, else what was kept.
//!
//! What is in force stays so until a reload, whatever becomes of the files. A proxy that takes another's place reads the
//! texts that that one kept, not the folder, which somebody may be editing.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::core::Shared;
use crate::config::{Config, read_policies};
use crate::control::reload::{PolicySet, Reload, bounded};
use crate::identity::Users;
use crate::policy::{Bundle, Names, PolicyProblem, Source};
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, Mode, Row, Severity};

/// Name of the file in the proxy's folder that has the texts of the policies in force.
const KEPT: &str = "policies.json";

/// Why there are no policies.
#[derive(Debug, thiserror::Error)]
pub(super) enum PoliciesError {
    #[error("policy.dir: expected {expected}, found {found}")]
    Untrusted { expected: String, found: String },
    #[error("policies: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    NotGood(Vec<PolicyProblem>),
    #[error("`{}`: policies in force: {cause}", .path.display())]
    Kept { path: PathBuf, cause: io::Error },
}

/// A policy file as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    file: String,
    text: String,
}

/// Loads what a proxy begins with, and has it kept for the next one.
pub(super) fn begin(config: &Config, is_next: bool) -> Result<Bundle, PoliciesError> {
    let kept = config.daemon.proxy_dir().join(KEPT);
    let bundle = if is_next {
        recall(&kept)?
    } else {
        let sources = sources(&config.policy.dir)?;
        let bundle = load(config, &sources)?;
        let failed = |cause| PoliciesError::Kept {
            path: kept.clone(),
            cause,
        };
        Draft::write(&kept, &sources)
            .and_then(Draft::keep)
            .map_err(failed)?;
        bundle
    };
    for warning in bundle.warnings() {
        tracing::warn!("{warning}");
    }
    Ok(bundle)
}

/// Tells a set of policies from others.
fn told(bundle: &Bundle) -> PolicySet {
    let sha256 = bundle.sha256();
    PolicySet {
        policies: bundle.len(),
        sha256: sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// Makes the event of policies that came into force.
pub(super) fn loaded(bundle: &Bundle, mode: Mode, before: Option<&Bundle>) -> Row {
    event(
        code::POLICY_LOADED,
        Severity::Informational,
        serde_json::json!({
            "policies": bundle.len(),
            "sha256": told(bundle).sha256,
            "mode": mode.as_str(),
            "looks_at_names": bundle.looks_at_resources(),
            "were": before.map(told),
        }),
    )
}

fn event(event_code: &'static str, severity: Severity, detail: serde_json::Value) -> Row {
    Row::from(EventRow {
        session_id: Some(no_session()),
        event_code,
        severity,
        category: Category::Policy,
        detail: Some(detail),
        ..EventRow::default()
    })
}

/// Has one reload go on at a time.
#[derive(Debug, Default)]
pub(super) struct Reloads(Mutex<()>);

impl Shared {
    /// Takes the policies of their folder if all of them are good, and records either outcome. Statements under way keep
    /// those by which they were taken up.
    ///
    /// # Errors
    /// It cannot be recorded, or not be kept for the next proxy: nothing has changed then.
    pub(super) fn reload_policies(&self) -> Result<Reload, String> {
        let _turn = self
            .reloads
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let before = self.stages.policies.bundle();
        let sources = sources(&self.config.policy.dir);
        let read = sources.and_then(|sources| {
            let bundle = load(&self.config, &sources)?;
            Ok((sources, bundle))
        });
        let (sources, bundle) = match read {
            Ok(read) => read,
            Err(error) => return Ok(self.keep_policies(&before, &error)),
        };
        let kept = self.config.daemon.proxy_dir().join(KEPT);
        let unkept = |error: io::Error| format!("`{}`: {error}", kept.display());
        let draft = Draft::write(&kept, &sources).map_err(unkept)?;
        let recorder = &self.stages.recorder;
        let unrecorded = |error| format!("the reload cannot be recorded: {error}");
        let _sha256 = recorder
            .keep_evidence(bundle.document())
            .map_err(unrecorded)?;
        let _receipt = recorder
            .commit_blocking(vec![loaded(&bundle, self.stages.mode, Some(&before))])
            .map_err(unrecorded)?;
        draft.keep().map_err(unkept)?;
        let (now, were) = (told(&bundle), told(&before));
        let warnings = bounded(bundle.warnings().iter().map(PolicyProblem::told));
        self.stages.policies.replace(Arc::new(bundle));
        tracing::info!(
            policies = now.policies,
            sha256 = now.sha256,
            "policies reloaded"
        );
        Ok(Reload::Taken {
            now,
            were,
            warnings,
        })
    }

    /// Records that policies were not taken.
    fn keep_policies(&self, before: &Bundle, error: &PoliciesError) -> Reload {
        let problems = match error {
            PoliciesError::NotGood(problems) => bounded(problems.iter().map(PolicyProblem::told)),
            PoliciesError::Untrusted { .. } | PoliciesError::Kept { .. } => {
                bounded(std::iter::once(error.to_string()))
            }
        };
        let still = told(before);
        tracing::error!(
            problems = problems.len(),
            sha256 = still.sha256,
            "policies were not taken; those in force stay"
        );
        let row = event(
            code::POLICY_REFUSED,
            Severity::Medium,
            serde_json::json!({ "problems": problems, "still": still }),
        );
        if let Err(error) = self.stages.recorder.commit_blocking(vec![row]) {
            tracing::error!(%error, "that policies were not taken could not be recorded");
        }
        Reload::NotGood { problems, still }
    }
}

/// Reads the policy files of a folder, by name.
fn sources(folder: &Path) -> Result<Vec<Source>, PoliciesError> {
    let files = read_policies(folder).map_err(|untrusted| PoliciesError::Untrusted {
        expected: untrusted.expected,
        found: untrusted.found,
    })?;
    let source = |(path, text): (PathBuf, String)| Source {
        file: path.display().to_string(),
        text,
    };
    Ok(files.into_iter().map(source).collect())
}

/// Loads policies that must name what the config has.
fn load(config: &Config, sources: &[Source]) -> Result<Bundle, PoliciesError> {
    let accounts: Vec<&str> = config.account_names().collect();
    let issuers: Vec<&str> = config.identity.issuer_names().collect();
    let approvers: Vec<&str> = config.approver_groups().collect();
    let names = Names {
        accounts: Some(&accounts),
        users: &Users::read(),
        issuers: Some(&issuers),
        approvers: Some(&approvers),
    };
    Bundle::load(sources, &names).map_err(PoliciesError::NotGood)
}

/// Loads the policies that an earlier proxy kept. They named what the config had then.
fn recall(kept: &Path) -> Result<Bundle, PoliciesError> {
    let failed = |cause| PoliciesError::Kept {
        path: kept.to_owned(),
        cause,
    };
    let text = fs::read(kept).map_err(failed)?;
    let files: Vec<KeptFile> =
        serde_json::from_slice(&text).map_err(|error| failed(io::Error::from(error)))?;
    let source = |KeptFile { file, text }| Source { file, text };
    let sources: Vec<Source> = files.into_iter().map(source).collect();
    let names = Names {
        accounts: None,
        users: &Users::read(),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&sources, &names).map_err(PoliciesError::NotGood)
}

/// Texts beside the place where the next proxy looks for them.
struct Draft {
    draft: PathBuf,
    place: PathBuf,
}

impl Draft {
    fn write(place: &Path, sources: &[Source]) -> io::Result<Self> {
        let kept = |source: &Source| KeptFile {
            file: source.file.clone(),
            text: source.text.clone(),
        };
        let files: Vec<KeptFile> = sources.iter().map(kept).collect();
        let text = serde_json::to_vec(&files)?;
        let draft = place.with_extension("new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&text)?;
        let place = place.to_owned();
        Ok(Self { draft, place })
    }

    /// Moves them to their place: whoever looks there finds these whole, or those before.
    fn keep(self) -> io::Result<()> {
        fs::rename(self.draft, self.place)
    }
}

#[cfg(test)]
#[path = "policies_tests.rs"]
mod tests;
