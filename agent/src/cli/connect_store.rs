//! `icecore check --connect`, of the record's store: an object of no worth is put, and put again.

use serde::Serialize;

use crate::config::Config;
use crate::record::{ProbeError, StoreAt};
use crate::replay::terminal;
use crate::upstream::store_of;
use crate::web;

/// What became of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// It took the first object and refused the second.
    Taken,
    /// It is a folder of this host, which nothing was put into.
    Local,
    /// It refused the first object, or took the second.
    Refused,
    /// It gave no answer.
    Unreachable,
    /// The config's credential cannot be used.
    CredentialUnusable,
}

/// What is told of the store.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    store: String,
    pub(super) outcome: Outcome,
    pub(super) reason: Option<String>,
    pub(super) hint: Option<&'static str>,
}

/// Tries the store.
pub(super) fn ask(config: &Config) -> Told {
    let mut told = Told {
        store: config.record.store.clone(),
        outcome: Outcome::Local,
        reason: None,
        hint: None,
    };
    match open(config).map(|store| store.probe()) {
        Ok(Ok(true)) => told.outcome = Outcome::Taken,
        Ok(Ok(false)) => {}
        Ok(Err(error)) => {
            told.outcome = match error {
                ProbeError::Denied(_) | ProbeError::Absent(_) | ProbeError::Rewritten => {
                    Outcome::Refused
                }
                ProbeError::Unreachable(_) => Outcome::Unreachable,
            };
            told.reason = Some(error.to_string());
            told.hint = Some(error.hint());
        }
        Err(cause) => {
            told.outcome = Outcome::CredentialUnusable;
            told.reason = Some(cause);
        }
    }
    told
}

/// Opens the record's store by the config's credential.
pub(super) fn open(config: &Config) -> Result<StoreAt, String> {
    let trusted = web::trust(config.upstream.ca_file.as_deref()).map(web::Client::new);
    trusted
        .map_err(|error| error.to_string())
        .and_then(|web| store_of(&config.record, &web).map_err(|error| error.to_string()))
}

/// Tells it in lines; what the store said is shown without control characters.
pub(super) fn lines(told: &Told) -> Vec<String> {
    let reason = told.reason.as_deref().unwrap_or_default();
    let found = match told.outcome {
        Outcome::Local => return Vec::new(),
        Outcome::Taken => "takes an object, and no other under its key".to_owned(),
        Outcome::Refused => format!("refused: {reason}"),
        Outcome::Unreachable => format!("no answer: {reason}"),
        Outcome::CredentialUnusable => format!("cannot be used: {reason}"),
    };
    let line = terminal(&format!("store {}: {found}", told.store));
    let hint = told.hint.map(|hint| format!("  hint: {hint}"));
    std::iter::once(line).chain(hint).collect()
}
