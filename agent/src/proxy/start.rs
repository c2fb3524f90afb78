//! From a config file to the stages: everything that can be wrong is found before a connection is taken.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::claiming::Claimant;
use super::core::Shared;
use super::host_events::HostEvents;
use super::implicit::Implicit;
use super::issuers::Issuers;
use super::kept::Keeping;
use super::logins::Logins;
use super::providers::Providers;
use super::sessions::Sessions;
use super::sign_in::SignIns;
use crate::clock::Clock;
use crate::config::{self, Account as AccountConfig, Config, ConfigErrors};
use crate::connection::ca::{Ca, CaError};
use crate::connection::redirect::{Destinations, LookUpError, object_digest};
use crate::connection::tls;
use crate::execution::{Catalogues, Chunks, Registry, Usages};
use crate::identity::Users;
use crate::policy::{Bundle, Names, PolicyProblem, Source};
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, RecordError, Recorder, Row, Settings, Severity, load_key};
use crate::session::Stages;
use crate::upstream::{Account, CredentialError, Resolver, UpstreamSettings};
use crate::web::{self, RootsError};

/// Why the stages cannot be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("`{}`: cannot read: {cause}", .path.display())]
    Read {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("policies: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Policies(Vec<PolicyProblem>),
    #[error("account `{host}`: {cause}")]
    Credential {
        host: String,
        cause: CredentialError,
    },
    #[error("client of a `login`: {0}")]
    ClientSecret(CredentialError),
    #[error("CA: {0}")]
    Ca(#[from] CaError),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("{0}")]
    Roots(#[from] RootsError),
    #[error("record: {0}")]
    Record(#[from] RecordError),
    #[error("destinations: {0}")]
    Destinations(#[from] LookUpError),
}

/// The stages, and what each core's client is made from.
pub(super) struct Started {
    pub(super) shared: Shared,
    pub(super) upstream: UpstreamSettings,
}

/// Builds everything; nothing is served yet.
pub(super) fn start(config: &Path, destinations: OwnedFd) -> Result<Started, StartError> {
    let clock = Clock::system();
    let config = Config::load(config)?;
    let accounts: Vec<&str> = config.account_names().collect();
    let issuers: Vec<&str> = config.identity.issuer_names().collect();
    let names = Names {
        accounts: Some(&accounts),
        users: &Users::read(),
        issuers: Some(&issuers),
    };
    let bundle =
        Bundle::load(&sources(&config.policy.dir)?, &names).map_err(StartError::Policies)?;
    for warning in bundle.warnings() {
        tracing::warn!("{warning}");
    }
    let trusted = web::trust(config.upstream.ca_file.as_deref())?;
    let web = web::Client::new(Arc::clone(&trusted));
    let accounts: Result<Vec<_>, StartError> = config
        .accounts
        .iter()
        .map(|account| open_account(account, &web).map(Arc::new))
        .collect();
    let accounts = accounts?;
    let host_id = host_id();
    let ca = Ca::open(&config.daemon.state_dir.join("ca"), &host_id, clock.now())?;
    let tls = tls::server_config(ca, clock)?;
    let resolver = Arc::new(Resolver::new(config.upstream.resolve.clone()));
    let upstream = UpstreamSettings {
        tls: trusted,
        connect_timeout: config.upstream.connect_timeout,
        resolver: Arc::clone(&resolver),
    };
    let web = web::Client::new(web::trust(config.identity.ca_file.as_deref())?);
    let issuers = Arc::new(Issuers::new(&config.identity, web.clone(), clock));
    let providers = Arc::new(Providers::new(config.identity.providers.clone(), clock));
    let sign_ins =
        SignIns::new(&config.identity, &issuers, &web).map_err(StartError::ClientSecret)?;
    let seal_key = load_key(&config.daemon.state_dir.join("identity.key"))?;
    let claimant = Claimant::new(host_id.clone(), &seal_key);
    let recorder = Recorder::open(&settings(&config, &bundle, host_id), clock)?;
    let loaded = EventRow {
        session_id: Some(no_session()),
        event_code: code::POLICY_LOADED,
        severity: Severity::Informational,
        category: Category::Policy,
        detail: Some(
            serde_json::json!({ "policies": bundle.len(), "mode": config.daemon.mode.as_str() }),
        ),
        ..EventRow::default()
    };
    let _receipt = recorder.commit_blocking(vec![Row::from(loaded)])?;
    tracing::info!(
        mode = config.daemon.mode.as_str(),
        accounts = accounts.len(),
        policies = bundle.len(),
        chain = recorder.chain(),
        "stages built"
    );
    let usages = Usages::open(
        &config.daemon.run_dir,
        &config.daemon.state_dir,
        clock.now(),
    );
    let with_tags = bundle.looks_at_tags();
    let catalogues = Arc::new(Catalogues::new(config.catalogue.ttl, with_tags, clock));
    let shared = Shared {
        stages: Stages {
            mode: config.daemon.mode,
            bundle,
            recorder,
            registry: Registry::default(),
            chunks: Chunks::default(),
            catalogues,
            usages: Arc::new(usages),
            clock,
        },
        sessions: Sessions::default(),
        logins: Logins::default(),
        keeping: Keeping::default(),
        implicit: Implicit::default(),
        accounts,
        destinations: Destinations::from_fd(destinations)?,
        resolver,
        issuers,
        providers,
        sign_ins,
        claimant,
        seal_key,
        tls,
        host_events: HostEvents::default(),
        stopping: watch::Sender::new(false),
        config,
    };
    Ok(Started { shared, upstream })
}

/// Reads the policy files of a folder, by name.
fn sources(folder: &Path) -> Result<Vec<Source>, StartError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |cause| StartError::Read { path, cause }
    };
    let files = config::policy_files(folder).map_err(failed(folder))?;
    let sources = files.into_iter().map(|path| {
        let text = fs::read_to_string(&path).map_err(failed(&path))?;
        Ok(Source {
            file: path.display().to_string(),
            text,
        })
    });
    sources.collect()
}

fn open_account(account: &AccountConfig, web: &web::Client) -> Result<Account, StartError> {
    Account::of(account, web).map_err(|cause| {
        let host = account.host.clone();
        StartError::Credential { host, cause }
    })
}

/// Names the host. Source: machine-id(5).
fn host_id() -> String {
    fs::read_to_string("/etc/machine-id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

fn settings(config: &Config, bundle: &Bundle, host_id: String) -> Settings {
    let object: String = object_digest()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Settings {
        org: config.daemon.org.clone(),
        host_id,
        state_dir: config.daemon.state_dir.clone(),
        mode: config.record.mode,
        store: config.record.store.clone(),
        spool_max_bytes: config.record.spool_max_bytes,
        seal_interval: config.record.seal_interval,
        config_sha256: config.sha256,
        policy_bundle_sha256: bundle.sha256(),
        proxy_version: env!("CARGO_PKG_VERSION").to_owned(),
        build: BTreeMap::from([("bpf_object_sha256".to_owned(), object)]),
    }
}
