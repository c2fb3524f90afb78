//! Policies, and the config with them, reloaded: by a command, or by a hang-up.

use std::sync::{Arc, PoisonError};
use std::thread;

use tracing::{error, info, warn};

use super::session::{PROXY_PATIENCE, Refusal, told};
use super::shared::Shared;
use crate::config::{Config, Identity};
use crate::control::reload::{ConfigReload, Reload};
use crate::record::{hex, sha256};

impl Shared {
    /// Has the proxy take the policies of their folder.
    pub(super) fn reload(&self) -> Result<Reload, Refusal> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let reloaded = proxy.link.reload();
        reloaded.map_err(|failure| Refusal::Proxy(told(failure)))
    }

    /// Has the proxy take the config file and its policies, and follows.
    pub(super) fn reload_config(&self) -> Result<ConfigReload, Refusal> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let reloaded = proxy.link.reload_config();
        let reloaded = reloaded.map_err(|failure| Refusal::Proxy(told(failure)))?;
        if let ConfigReload::Taken { sha256, .. } = &reloaded {
            self.follow(sha256)?;
        }
        Ok(reloaded)
    }

    /// Takes what the supervisor needs of the config that the proxy took.
    fn follow(&self, taken: &str) -> Result<(), Refusal> {
        let config = Config::load_beside_policies(&self.config.source);
        let config = config.map_err(|errors| Refusal::Proxy(errors.to_string()))?;
        let document = config.document();
        let document = document.map_err(|error| Refusal::Proxy(error.to_string()))?;
        if hex(&sha256(&document)) != taken {
            let reason = "the config file changed while it was taken; reload it again";
            return Err(Refusal::Proxy(reason.to_owned()));
        }
        crate::log::configure(&config.log.level, config.log.format);
        let mut identity = self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *identity = Arc::new(config.identity);
        Ok(())
    }

    /// Gives the section `[identity]` that is in force.
    pub(super) fn identity(&self) -> Arc<Identity> {
        let identity = self.identity.read();
        Arc::clone(&identity.unwrap_or_else(PoisonError::into_inner))
    }

    /// Prints log lines from a level on, here and in the proxy.
    pub(super) fn set_log(&self, level: &str) -> Result<(), Refusal> {
        if !crate::log::set_level(level) {
            let areas = crate::log::AREAS.join(", ");
            return Err(Refusal::Proxy(format!(
                "expected error, warn, info, debug or trace, and behind commas AREA=LEVEL of the areas {areas}, found another word"
            )));
        }
        info!(level, "log level changed");
        let proxy = self.proxy(PROXY_PATIENCE).ok_or(Refusal::NoProxy)?;
        let set = proxy.link.set_log(level);
        set.map_err(|failure| Refusal::Proxy(told(failure)))
    }

    /// Reloads for somebody who hears no answer; what came of it is in the log.
    pub(super) fn reload_unasked(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        let work = move || match shared.reload_config() {
            Ok(ConfigReload::Taken {
                changed, policies, ..
            }) => {
                info!(
                    ?changed,
                    policies = policies.policies,
                    "config and policies reloaded"
                );
            }
            Ok(ConfigReload::NotGood { problems, .. }) => {
                for problem in problems {
                    warn!("{problem}");
                }
                error!("config or policies are not good; those in force stay");
            }
            Ok(ConfigReload::NeedsRestart { keys, .. }) => {
                error!(
                    ?keys,
                    "this needs a restart; config and policies in force stay"
                );
            }
            Err(refusal) => error!(%refusal, "config and policies were not reloaded"),
        };
        if let Err(failure) = thread::Builder::new().name("reload".to_owned()).spawn(work) {
            error!(%failure, "config and policies were not reloaded");
        }
    }
}
