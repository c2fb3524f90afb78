//! Which model APIs are read, as the config in force says it.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use crate::config::{ModelHost, OnUntrusted, PromptCapture, Prompts};
use crate::control::{ModelsRead, SessionFacts};
use crate::identity::Principal;
use crate::web::{self, RootsError};

/// A day, in seconds.
const DAY_S: u64 = 86_400;

/// The model APIs that are read.
pub(in crate::proxy) struct Models {
    section: Prompts,
    /// How their certificates are judged; none where there are no such hosts.
    upstream: Option<Arc<ClientConfig>>,
    /// Names the CA that new sessions trust for them, once it is made.
    ca: OnceLock<Option<String>>,
}

impl Models {
    /// Takes the config's section.
    ///
    /// # Errors
    /// A file of roots cannot be used.
    pub(in crate::proxy) fn new(section: &Prompts) -> Result<Self, RootsError> {
        let trust = || web::trust(section.ca_file.as_deref());
        let has_tls = section.hosts.iter().any(|host| !host.plain);
        Ok(Self {
            upstream: has_tls.then(trust).transpose()?,
            section: section.clone(),
            ca: OnceLock::new(),
        })
    }

    /// Tells whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.section.hosts.is_empty()
    }

    /// Lists the names that their CA is good for.
    pub(super) fn names(&self) -> BTreeSet<String> {
        let hosts = self.section.hosts.iter().filter(|host| !host.plain);
        hosts.map(|host| host.name.clone()).collect()
    }

    /// Learns of the CA, if they need one, once.
    pub(super) fn set_ca(&self, id: Option<String>) {
        // The same list has the same one.
        let _again = self.ca.set(id);
    }

    /// Says what is to be read of a new session of this repository, if anything is.
    pub(in crate::proxy) fn to_read(&self, repository: Option<&str>) -> Option<ModelsRead> {
        if self.is_empty() || self.keeps_out(repository) {
            return None;
        }
        let ca = self.ca.get()?.clone();
        Some(ModelsRead {
            ca,
            hosts: self.section.hosts.iter().map(ModelHost::shown).collect(),
            capture: self.section.capture.as_str().to_owned(),
            days: self.section.retention.as_secs().div_ceil(DAY_S),
            telemetry: self.section.telemetry,
            lineage_unseen: false,
        })
    }

    /// Tells whether a repository is kept out.
    pub(super) fn keeps_out(&self, repository: Option<&str>) -> bool {
        let out = &self.section.repositories_opt_out;
        // GitHub's and GitLab's names of repositories are the same in upper and lower case.
        let is_out = |name: &str| out.iter().any(|one| one.eq_ignore_ascii_case(name));
        repository.is_some_and(is_out)
    }

    /// Finds the host that a connection goes to, if the config has it and the session's people were told of it.
    pub(super) fn host(
        &self,
        name: &str,
        port: u16,
        plain: bool,
        told: &ModelsRead,
    ) -> Option<&ModelHost> {
        let fits = |host: &&ModelHost| {
            host.plain == plain && host.ports.contains(&port) && host.has_name(name)
        };
        let host = self.section.hosts.iter().find(fits)?;
        told.hosts.contains(&host.shown()).then_some(host)
    }

    /// Gives what may be kept of a session of this repository: no more than its people were told, nor than the config in force
    /// says. Where that reads no session any more, those that still run keep no words.
    pub(super) fn capture(&self, told: &ModelsRead, repository: Option<&str>) -> PromptCapture {
        if self.is_empty() || self.keeps_out(repository) {
            return PromptCapture::None;
        }
        let told = PromptCapture::read(&told.capture).unwrap_or(PromptCapture::None);
        let all = [
            PromptCapture::None,
            PromptCapture::LinkOnly,
            PromptCapture::All,
        ];
        let is_either = |one: &PromptCapture| *one == told || *one == self.section.capture;
        // The first of the two, from the one that keeps least on.
        all.into_iter()
            .find(is_either)
            .unwrap_or(PromptCapture::None)
    }

    pub(super) fn on_untrusted(&self) -> OnUntrusted {
        self.section.on_untrusted
    }

    /// Gives the TLS to a host, with the protocols that its client offers.
    pub(super) fn tls(&self, offered: Vec<Vec<u8>>) -> Option<Arc<ClientConfig>> {
        let mut config = ClientConfig::clone(self.upstream.as_deref()?);
        config.alpn_protocols = offered;
        Some(Arc::new(config))
    }
}

/// Names the repository that a session is of, by its token or else by its caller's word.
pub(in crate::proxy) fn repository<'a>(
    facts: &'a SessionFacts,
    principal: Option<&'a Principal>,
) -> Option<&'a str> {
    let shown = principal.and_then(|one| one.identity().ci().repository.as_deref());
    let claimed = facts.claimed_job.as_ref();
    shown.or_else(|| claimed.and_then(|job| job.repository.as_deref()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::ModelApi;

    fn models(names: &[(&str, bool)], capture: PromptCapture) -> Models {
        models_but(names, capture, &["acme/private"])
    }

    pub(in super::super) fn models_but(
        names: &[(&str, bool)],
        capture: PromptCapture,
        out: &[&str],
    ) -> Models {
        let host = |(name, below): &(&str, bool)| ModelHost {
            name: (*name).to_owned(),
            below: *below,
            api: ModelApi::Messages,
            ports: vec![443],
            plain: true,
        };
        let models = Models::new(&Prompts {
            hosts: names.iter().map(host).collect(),
            capture,
            retention: Duration::from_secs(2 * DAY_S + 1),
            repositories_opt_out: out.iter().map(|name| (*name).to_owned()).collect(),
            on_untrusted: OnUntrusted::Splice,
            ca_file: None,
            telemetry: false,
        })
        .unwrap();
        models.set_ca(Some("0123456789abcdef".to_owned()));
        models
    }

    #[test]
    fn a_repository_may_be_kept_out() {
        let models = models(&[("a.example", false)], PromptCapture::All);
        let read = models.to_read(Some("acme/app")).unwrap();
        assert_eq!((read.days, read.capture.as_str()), (3, "all"));
        assert_eq!(models.to_read(None), Some(read));
        assert_eq!(models.to_read(Some("Acme/Private")), None);
        let seen = models.to_read(None).unwrap();
        assert!(!seen.notice().contains("tracefs"), "{}", seen.notice());
        let unseen = ModelsRead {
            lineage_unseen: true,
            ..seen
        };
        let notice = unseen.notice();
        assert!(
            notice.ends_with(
                "surer than E: mount tracefs at /sys/kernel/tracing and restart the daemon"
            ),
            "{notice}"
        );
    }

    #[test]
    fn a_host_is_read_if_config_and_session_both_have_it() {
        let before = models(&[("a.example", false)], PromptCapture::All);
        let told = before.to_read(None).unwrap();
        let after = models(
            &[("a.example", false), ("b.example", true)],
            PromptCapture::All,
        );
        let found = |name: &str, port| after.host(name, port, true, &told).is_some();
        assert!(found("a.example", 443));
        assert!(!found("a.example", 8443) && !found("x.b.example", 443));
        assert!(after.host("a.example", 443, false, &told).is_none());
        let told = after.to_read(None).unwrap();
        assert!(after.host("x.b.example", 443, true, &told).is_some());
        assert!(before.host("x.b.example", 443, true, &told).is_none());
    }

    #[test]
    fn no_more_is_kept_than_was_told() {
        use PromptCapture::{All, LinkOnly, None};
        for (told, now, kept) in [
            (All, All, All),
            (All, LinkOnly, LinkOnly),
            (LinkOnly, All, LinkOnly),
            (None, All, None),
            (All, None, None),
        ] {
            let told = models(&[("a.example", false)], told)
                .to_read(Option::None)
                .unwrap();
            let now = models(&[("a.example", false)], now);
            assert_eq!(now.capture(&told, Some("acme/app")), kept);
            assert_eq!(now.capture(&told, Some("acme/Private")), None);
            let none = models(&[], All);
            assert_eq!(none.capture(&told, Some("acme/app")), None);
        }
    }
}
