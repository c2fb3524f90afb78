//! What of a session's model calls is read, and by which CA: where processes ran before their session, only if they trust it.

use std::io;
use std::path::PathBuf;

use super::foreign;
use super::opening::check_length;
use super::session::{Refusal, system};
use super::shared::{CA_MAX_BYTES, Shared};
use crate::connection::ca;
use crate::control::live::ModelsTrust;
use crate::control::{ModelsRead, SessionFacts};

impl Shared {
    /// Names the CA that a session's processes must trust, and gives its certificate, with that of the CA for model APIs where
    /// its calls are read.
    pub(super) fn trusted(&self, facts: &SessionFacts) -> io::Result<(PathBuf, String)> {
        let (path, mut certificate) = self.ca()?;
        if let Some(models) = facts.models.as_ref().and_then(|models| models.ca.as_ref()) {
            certificate.push_str(&self.models_ca(models)?);
        }
        Ok((path, certificate))
    }

    /// Says what is read of a session whose processes ran before it.
    ///
    /// Nothing can be changed in them: one that does not trust the CA would lose its calls by the reading.
    pub(super) fn with_models(
        &self,
        mut facts: SessionFacts,
        models: Option<ModelsRead>,
        trust: &ModelsTrust,
    ) -> Result<SessionFacts, Refusal> {
        let Some(models) = models else {
            return Ok(facts);
        };
        if self.is_trusted(&models, trust).map_err(system)? {
            facts.models = Some(models);
        } else {
            facts.models_unread = models.hosts;
        }
        check_length(&facts)?;
        Ok(facts)
    }

    /// Tells whether processes trust the CA for model APIs, as far as is known of them.
    fn is_trusted(&self, models: &ModelsRead, trust: &ModelsTrust) -> io::Result<bool> {
        let (Some(id), ModelsTrust::Found(found)) = (&models.ca, trust) else {
            // Over plain HTTP there is nothing to trust.
            return Ok(true);
        };
        let own = ca::own_among(self.models_ca(id)?.as_bytes());
        Ok(!own.is_empty() && own.is_subset(found))
    }

    /// Gives the certificate of the CA that sessions trust for model APIs that are read.
    fn models_ca(&self, id: &str) -> io::Result<String> {
        let file = ca::models_certificate(id)
            .ok_or_else(|| io::Error::other(format!("expected a CA's id, found {id:?}")))?;
        foreign::read(
            &self.config.daemon.state_dir,
            &format!("ca/{file}"),
            CA_MAX_BYTES,
        )
        .and_then(|text| String::from_utf8(text).map_err(io::Error::other))
        .map_err(|error| {
            let text = format!("the certificate of the CA for model APIs, `ca/{file}`: {error}");
            io::Error::new(error.kind(), text)
        })
    }
}

/// Says what a session's people are to know of the reading of its model calls.
pub(super) fn notice(facts: &SessionFacts) -> Option<String> {
    let unread = || {
        let hosts = facts.models_unread.join(", ");
        (!hosts.is_empty()).then(|| {
            format!(
                "calls to the model APIs {hosts} are not read in this session: expected its first process to have the CA for them \
                 in each file of roots that its environment names, found it without; docs/install.md, \"Model APIs\""
            )
        })
    };
    facts
        .models
        .as_ref()
        .map(ModelsRead::notice)
        .or_else(unread)
}
