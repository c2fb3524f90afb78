//! The host's mailbox, from what the config says of approvals.

use std::sync::Arc;

use tokio::runtime::{Builder, Runtime};
use zeroize::Zeroizing;

use super::issuers::{Issuers, Keep};
use super::start::StartError;
use crate::clock::Clock;
use crate::config::{Approvals, Config};
use crate::mailbox::{Freshness, Herald, KeysOf, Mailbox, Settings};
use crate::notices::{self, Told};
use crate::policy::Bundle;
use crate::record::{Recorder, StoreAt};
use crate::upstream::secret_of;
use crate::web;

/// Opens the mailbox, if the config has approvals. Must not be called inside a runtime.
pub(super) fn open(
    config: &Config,
    store: StoreAt,
    (recorder, keep): (&Recorder, Keep),
    clock: Clock,
) -> Result<Option<Mailbox>, StartError> {
    let Some(approvals) = &config.approvals else {
        return Ok(None);
    };
    // The thread that looks for answers asks by a runtime of its own, and connections live on their runtime.
    let web = web::Client::new(web::trust(config.identity.ca_file.as_deref())?);
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(StartError::Runtime)?;
    let herald = herald(config, approvals, &web, recorder, clock)?;
    let settings = Settings {
        herald,
        store,
        rules: Arc::new(approvals.rules.clone()),
        recipients: config.record.recipients.clone(),
        slack: slack(approvals, &runtime, &web)?,
        keys: keys(config, approvals, (web, runtime), keep, clock),
    };
    Ok(Some(Mailbox::open(settings, recorder.clone(), clock)?))
}

/// Tells of rules that hold statements for groups which the config does not name: what they hold is refused.
pub(super) fn tell_unasked(config: &Config, bundle: &Bundle) {
    let approvals = config.approvals.as_ref();
    for (rule, group) in bundle.holds() {
        if !approvals.is_some_and(|approvals| approvals.rules.groups.contains_key(group)) {
            tracing::warn!(
                rule,
                group,
                "no [[approvals.group]] has this name, so that what the rule holds is refused"
            );
        }
    }
}

fn slack(
    approvals: &Approvals,
    runtime: &Runtime,
    web: &web::Client,
) -> Result<Option<Zeroizing<Vec<u8>>>, StartError> {
    let Some(at) = &approvals.slack else {
        return Ok(None);
    };
    let secret = secret_of(at, web).map_err(StartError::Slack)?;
    let read = runtime.block_on(secret.read());
    let bytes = read.map_err(StartError::Unread)?;
    // Whoever writes the file by an editor ends it with a line.
    let text = bytes.trim_ascii().to_vec();
    Ok(Some(Zeroizing::new(text)))
}

/// Starts what tells chats and programs of requests.
fn herald(
    config: &Config,
    approvals: &Approvals,
    web: &web::Client,
    recorder: &Recorder,
    clock: Clock,
) -> Result<Herald, StartError> {
    // Where the record is encrypted, no text of it is told to others unless the config says so.
    let is_open = config.record.recipients.is_empty();
    let told = approvals.notify.iter().map(|notify| {
        let secret = secret_of(notify.to.secret(), web).map_err(StartError::Notify)?;
        Ok(Told {
            shows_statement: notify.statement.unwrap_or(is_open),
            notify: notify.clone(),
            secret,
        })
    });
    let told = told.collect::<Result<Vec<_>, StartError>>()?;
    notices::start(told, web, recorder, clock).map_err(StartError::Runtime)
}

fn keys(
    config: &Config,
    approvals: &Approvals,
    (web, runtime): (web::Client, Runtime),
    keep: Keep,
    clock: Clock,
) -> KeysOf {
    let issuer = approvals.rules.issuer.clone();
    let issuers = Issuers::of(vec![issuer], config.identity.stale_keys, web, keep, clock);
    Box::new(move |freshness| {
        let is_held = freshness == Freshness::Held;
        runtime.block_on(issuers.keys_of_first(is_held))
    })
}
