//! Secrets in files, read as a login will: what is wrong with them is told before anything is served.

use chrono::DateTime;

use super::{Credential, CredentialError, Flaw, Kind};
use crate::config;
use crate::web;

/// Tells what is wrong with a credential whose secrets are all in files; other sources are asked at a login.
///
/// Systemd's credentials and the daemon's environment are there only in the daemon, and a store may be down while the
/// daemon starts: logins are refused until it is back.
#[must_use]
pub fn flaws(config: &config::Credential) -> Vec<Flaw> {
    if !config
        .secrets()
        .all(|at| matches!(at.source, config::Source::File(_)))
    {
        return Vec::new();
    }
    match present(config) {
        Ok(()) => Vec::new(),
        Err(CredentialError::Flaws(flaws)) => flaws,
        Err(error @ (CredentialError::Unsigned | CredentialError::Slow)) => vec![unusable(error)],
    }
}

fn present(config: &config::Credential) -> Result<(), CredentialError> {
    let failed = |cause: String| CredentialError::Flaws(vec![unusable(cause)]);
    let web = web::Client::offline().map_err(|error| failed(error.to_string()))?;
    let credential = Credential::new(config, &web)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let reading = async {
        match &credential.kind {
            // Whoever gives these their tokens is asked at a login, not by a look at the config.
            Kind::Grant(endpoint) => endpoint.check().await,
            Kind::WorkloadAws { .. } => Ok(()),
            Kind::KeyPair { .. }
            | Kind::Pat(_)
            | Kind::OAuth(_)
            | Kind::Password(_)
            | Kind::WorkloadOidc(_) => {
                let presenting = credential.present("", "", DateTime::UNIX_EPOCH);
                presenting.await.map(|_| ())
            }
        }
    };
    runtime.block_on(reading)
}

fn unusable(found: impl ToString) -> Flaw {
    Flaw {
        setting: "kind",
        expected: "a credential that can be used".to_owned(),
        found: found.to_string(),
    }
}
