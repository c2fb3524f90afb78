//! What of the config is in force, which is replaced whole while requests are answered.

use std::sync::{Arc, PoisonError, RwLock};

use super::core::Shared;
use super::issuers::{Issuers, Keep};
use super::providers::Providers;
use super::sign_in::SignIns;
use super::tap::Models;
use crate::config::Config;
use crate::upstream::Account;
use crate::web;

/// A config, and what was made of the part of it that may change.
pub(super) struct Current {
    pub(super) config: Config,
    /// SHA-256 of its document, as the record has it.
    pub(super) sha256: [u8; 32],
    pub(super) accounts: Vec<Arc<Account>>,
    pub(super) issuers: Arc<Issuers>,
    pub(super) providers: Arc<Providers>,
    pub(super) sign_ins: Arc<SignIns>,
    /// The model APIs that are read.
    pub(super) models: Arc<Models>,
}

impl Current {
    /// Finds a governed account by one of its canonical host names.
    pub(super) fn account(&self, host: &str) -> Option<Arc<Account>> {
        self.accounts
            .iter()
            .find(|account| account.answers_to(host))
            .cloned()
    }

    /// Lists the names of all governed hosts.
    pub(super) fn hosts(&self) -> Vec<String> {
        let hosts = self.config.accounts.iter().flat_map(|one| one.hosts());
        hosts.map(str::to_owned).collect()
    }

    /// Makes what follows on this one by another config; what that says as this one did goes on as it is, so that logins
    /// and keys do. Nothing is in force yet.
    ///
    /// # Errors
    /// A text for the operator: a secret's source or a file of roots cannot be used.
    pub(super) fn next(
        &self,
        config: Config,
        sha256: [u8; 32],
        shared: &Shared,
    ) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| error.to_string();
        let trusted = web::trust(config.upstream.ca_file.as_deref()).map_err(|e| told(&e))?;
        let of_accounts = web::Client::new(trusted);
        let accounts = config.accounts.iter().map(|account| {
            let before = self.account(&account.host);
            let is_same = self.config.accounts.contains(account);
            match before {
                Some(before) if is_same => Ok(before),
                before => Account::after(account, &of_accounts, before.as_deref())
                    .map(Arc::new)
                    .map_err(|error| format!("account `{}`: {error}", account.host)),
            }
        });
        let accounts = accounts.collect::<Result<Vec<_>, String>>()?;
        let identity = &config.identity;
        let (issuers, providers, sign_ins) = if *identity == self.config.identity {
            (
                Arc::clone(&self.issuers),
                Arc::clone(&self.providers),
                Arc::clone(&self.sign_ins),
            )
        } else {
            let trusted = web::trust(identity.ca_file.as_deref()).map_err(|e| told(&e))?;
            let web = web::Client::new(trusted);
            let recorder = shared.stages.recorder.clone();
            let keep: Keep = Arc::new(move |document| recorder.keep_evidence(document));
            let clock = shared.stages.clock;
            let issuers = Issuers::new(identity, web.clone(), keep, clock);
            let issuers = Arc::new(issuers.after(&self.issuers));
            let sign_ins = SignIns::new(identity, &issuers, &web)
                .map_err(|error| format!("client of a `login`: {error}"))?;
            let providers = self.providers.again(identity.providers.clone());
            (issuers, Arc::new(providers), Arc::new(sign_ins))
        };
        let models = Arc::new(Models::new(&config.prompts).map_err(|e| told(&e))?);
        shared.tap.prepare(&models).map_err(|e| told(&e))?;
        Ok(Self {
            models,
            config,
            sha256,
            accounts,
            issuers,
            providers,
            sign_ins,
        })
    }
}

/// Where the config in force stands, for those who look at it again and again.
#[derive(Clone)]
pub(super) struct Latest(Arc<RwLock<Arc<Current>>>);

impl Latest {
    /// Begins with the first one.
    pub(super) fn new(first: Current) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// Gives what is in force. Whoever does one thing takes it once.
    pub(super) fn now(&self) -> Arc<Current> {
        let current = self.0.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    /// Gives what is in force. Whoever does one thing takes it once.
    pub(super) fn current(&self) -> Arc<Current> {
        self.current.now()
    }

    /// Puts another in its place.
    pub(super) fn replace(&self, next: Arc<Current>) {
        *(self.current.0.write()).unwrap_or_else(PoisonError::into_inner) = next;
    }
}
