//! Policies reloaded, by `icecore policy reload` or by a hang-up.

use std::sync::{Arc, PoisonError};
use std::thread;

use tracing::{error, info, warn};

use super::session::{PROXY_PATIENCE, Refusal, told};
use super::shared::Shared;
use crate::control::reload::Reload;

impl Shared {
    /// Has the proxy take the policies of their folder.
    pub(super) fn reload(&self) -> Result<Reload, Refusal> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let reloaded = proxy.link.reload();
        reloaded.map_err(|failure| Refusal::Proxy(told(failure)))
    }

    /// Reloads for somebody who hears no answer; what came of it is in the log.
    pub(super) fn reload_unasked(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let work = move || match shared.reload() {
            Ok(Reload::Taken { now, were, .. }) => {
                info!(
                    policies = now.policies,
                    were = were.policies,
                    "policies reloaded"
                );
            }
            Ok(Reload::NotGood { problems, .. }) => {
                for problem in problems {
                    warn!("{problem}");
                }
                error!("policies are not good; those in force stay");
            }
            Err(refusal) => error!(%refusal, "policies were not reloaded"),
        };
        if let Err(failure) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
            error!(%failure, "policies were not reloaded");
        }
    }
}
