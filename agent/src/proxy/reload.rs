//! A changed config, taken by a running proxy: with its policies, all of it or none.
//!
//! What is asked from here on is answered by the changed config. A login whose account is gone, or is another for whom it
//! acts, ends with its statements; so does the identity of a session whose issuer is gone. Everything else goes on.

use std::io;
use std::sync::Arc;

use futures_util::future::join_all;
use serde_json::json;

use super::closing;
use super::core::{Core, Shared};
use super::current::Current;
use super::policies::{self, Draft, PoliciesError};
use crate::config::{Changes, Config, Identity};
use crate::control::reload::{ConfigReload, bounded};
use crate::identity::Principal;
use crate::policy::{Bundle, PolicyProblem};
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, Row, Severity, hex, sha256};

/// Why a login ends that the config does not give any more.
const NOT_GIVEN: &str = "config changed";

/// A config that is good, and all that is made of it.
struct Ready {
    current: Current,
    document: Vec<u8>,
    changes: Changes,
    bundle: Bundle,
    draft: Draft,
    exports: crate::export::Prepared,
}

impl Shared {
    /// Takes the config file and the policies that it names if all is good and nothing needs a restart; records either
    /// outcome.
    ///
    /// # Errors
    /// It cannot be recorded, or not be kept for the next proxy: nothing has changed then.
    pub(super) fn reload_config(&self) -> Result<ConfigReload, String> {
        let _turn = self.reloads.turn();
        let before = self.current();
        let config = match Config::load(&before.config.source) {
            Ok(config) => config,
            Err(errors) => {
                let lines = errors.to_string();
                return Ok(self.keep_config(&before, bounded(lines_of(&lines).into_iter())));
            }
        };
        let changes = before
            .config
            .changes(&config)
            .map_err(|error| error.to_string())?;
        if !changes.at_start.is_empty() {
            return Ok(self.need_restart(&before, changes.at_start));
        }
        match self.ready(&before, config, changes)? {
            Ok(ready) => self.take_config(&before, ready),
            Err(problems) => Ok(self.keep_config(&before, problems)),
        }
    }

    /// Makes all that a config needs; inside, what is wrong with it.
    fn ready(
        &self,
        before: &Current,
        config: Config,
        changes: Changes,
    ) -> Result<Result<Ready, Vec<String>>, String> {
        let read = policies::sources(&config.policy.dir).and_then(|sources| {
            let bundle = policies::load(&config, &sources)?;
            Ok((sources, bundle))
        });
        let (sources, bundle) = match read {
            Ok(read) => read,
            Err(error) => return Ok(Err(problems(&error))),
        };
        let document = config.document().map_err(|error| error.to_string())?;
        let made = crate::web::trust(config.identity.ca_file.as_deref())
            .map_err(|error| error.to_string())
            .and_then(|trusted| {
                let web = crate::web::Client::new(trusted);
                let exports = self.operations.exports.prepare(&config.exports, &web);
                exports.map_err(|error| format!("export: {error}"))
            })
            .and_then(|exports| {
                let run_dir = config.daemon.proxy_dir();
                let current = before.next(config, sha256(&document), self)?;
                Ok((exports, current, run_dir))
            });
        let (exports, current, run_dir) = match made {
            Ok(made) => made,
            Err(problem) => return Ok(Err(vec![problem])),
        };
        let draft = Draft::of(&run_dir, &sources).map_err(|error| unkept(&error))?;
        Ok(Ok(Ready {
            current,
            document,
            changes,
            bundle,
            draft,
            exports,
        }))
    }

    fn take_config(&self, before: &Current, ready: Ready) -> Result<ConfigReload, String> {
        let Ready {
            current,
            document,
            changes,
            bundle,
            draft,
            exports,
        } = ready;
        let recorder = &self.stages.recorder;
        let unrecorded = |error| format!("the reload cannot be recorded: {error}");
        let policies_before = self.stages.policies.bundle();
        let mut rows = Vec::new();
        if current.sha256 != before.sha256 {
            let _sha256 = recorder.keep_evidence(&document).map_err(unrecorded)?;
            let detail = json!({
                "sha256": hex(&current.sha256), "were": hex(&before.sha256), "changed": changes.live,
            });
            rows.push(event(code::CONFIG_TAKEN, Severity::Informational, detail));
        }
        let _sha256 = recorder
            .keep_evidence(bundle.document())
            .map_err(unrecorded)?;
        let mode = self.stages.mode;
        rows.push(policies::loaded(&bundle, mode, Some(&policies_before)));
        let _receipt = recorder.commit_blocking(rows).map_err(unrecorded)?;
        draft.keep().map_err(|error| unkept(&error))?;
        let taken = ConfigReload::Taken {
            sha256: hex(&current.sha256),
            were: hex(&before.sha256),
            changed: changes.live,
            policies: policies::told(&bundle),
            warnings: bounded(bundle.warnings().iter().map(PolicyProblem::told)),
        };
        let log = &current.config.log;
        crate::log::configure(&log.level, log.format);
        self.stages.policies.replace(Arc::new(bundle));
        self.operations.exports.replace(exports);
        self.replace(Arc::new(current));
        self.end_identities();
        tracing::info!(?taken, "config reloaded");
        Ok(taken)
    }

    /// Lets sessions act for nobody whose issuer the config in force does not have.
    fn end_identities(&self) {
        let current = self.current();
        for session in self.sessions.all() {
            if !is_taken(&current.config.identity, &session.principal()) {
                tracing::info!(session = %session.id(), "session's issuer is gone; it acts for nobody");
                session.end_identity();
            }
        }
    }

    /// Records that a config was not taken, since it is not good.
    fn keep_config(&self, before: &Current, problems: Vec<String>) -> ConfigReload {
        let still = hex(&before.sha256);
        tracing::error!(
            problems = problems.len(),
            sha256 = still,
            "config was not taken; the one in force stays"
        );
        let detail = json!({ "problems": problems, "still": still });
        self.record_refusal(detail);
        ConfigReload::NotGood { problems, still }
    }

    /// Records that a config was not taken, since some of it needs a restart.
    fn need_restart(&self, before: &Current, keys: Vec<String>) -> ConfigReload {
        let still = hex(&before.sha256);
        tracing::error!(
            ?keys,
            sha256 = still,
            "config was not taken: this needs a restart; the one in force stays"
        );
        let detail = json!({ "needs_restart": keys, "still": still });
        self.record_refusal(detail);
        ConfigReload::NeedsRestart { keys, still }
    }

    fn record_refusal(&self, detail: serde_json::Value) {
        let row = event(code::CONFIG_REFUSED, Severity::Medium, detail);
        if let Err(error) = self.stages.recorder.commit_blocking(vec![row]) {
            tracing::error!(%error, "that a config was not taken could not be recorded");
        }
    }
}

impl Core {
    /// Ends logins that the config in force does not give, which are refused already.
    pub(super) async fn end_not_given(self: &Arc<Self>) {
        let shared = &self.shared;
        let current = shared.current();
        let identity = &current.config.identity;
        let mut gone = Vec::new();
        for login in shared.logins.all() {
            let Some(session) = shared.sessions.get(login.session) else {
                continue;
            };
            let principal = login.principal(&session);
            let given = current
                .account(&login.account.host)
                .and_then(|account| account.granted_to(principal.identity()));
            let is_given = given.is_some_and(|given| Arc::ptr_eq(&given, &login.account));
            if !is_given || !is_taken(identity, &principal) {
                gone.push(login);
            }
        }
        join_all(
            gone.iter()
                .map(|login| closing::end(self, login, NOT_GIVEN)),
        )
        .await;
    }
}

/// Tells whether the issuer that showed a principal, if one did, is still among those of the config.
fn is_taken(identity: &Identity, principal: &Principal) -> bool {
    let Some(name) = principal.identity().issuer_name() else {
        return true;
    };
    let url = principal.issuer();
    let mut issuers = identity.issuers.iter();
    let mut providers = identity.providers.iter();
    issuers.any(|one| one.name == name && Some(one.url.as_str()) == url)
        || providers.any(|one| one.name == name)
}

fn event(event_code: &'static str, severity: Severity, detail: serde_json::Value) -> Row {
    Row::from(EventRow {
        session_id: Some(no_session()),
        event_code,
        severity,
        category: Category::Admin,
        detail: Some(detail),
        ..EventRow::default()
    })
}

fn problems(error: &PoliciesError) -> Vec<String> {
    match error {
        PoliciesError::NotGood(problems) => bounded(problems.iter().map(PolicyProblem::told)),
        PoliciesError::Untrusted { .. } | PoliciesError::Kept { .. } => {
            bounded(std::iter::once(error.to_string()))
        }
    }
}

fn lines_of(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn unkept(error: &io::Error) -> String {
    format!("the policies cannot be kept for the next proxy: {error}")
}
