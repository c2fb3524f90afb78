//! From a config file to the stages: everything that can be wrong is found before a connection is taken.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use super::approvals;
use super::arrivals::Looks;
use super::claiming::Claimant;
use super::core::Shared;
use super::current::{Current, Latest};
use super::gap;
use super::host_events::HostEvents;
use super::implicit::Implicit;
use super::issuers::{Issuers, Keep};
use super::kept::Keeping;
use super::lent_sockets::LentSockets;
use super::live::Sessions;
use super::logins::Logins;
use super::metrics::{Operations, restarts};
use super::policies::{self, PoliciesError, Reloads};
use super::providers::Providers;
use super::sign_in::SignIns;
use super::strangers::Strangers;
use super::tap::{Models, Tap, TapError};
use crate::clock::Clock;
use crate::config::{Account as AccountConfig, Config, ConfigErrors};
use crate::connection::ca::{Ca, CaError};
use crate::connection::redirect::{Destinations, LookUpError, object_digest};
use crate::connection::tls;
use crate::control::{Borrower, ControlError};
use crate::execution::{Catalogues, Chunks, Holds, OpenStages, Registry, Usages};
use crate::export::{About, Exports};
use crate::mailbox::MailboxError;
use crate::mask::HashKeys;
use crate::metrics::Metrics;
use crate::policy::{Bundle, InForce};
use crate::record::{RecordError, Recorder, Settings, StoreAt, Witness, load_key, sha256};
use crate::session::Stages;
use crate::upstream::{
    Account, CredentialError, Resolver, StoreError, UpstreamSettings, key_store_of, store_of,
};
use crate::web::{self, RootsError};

/// Why the stages cannot be built.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    #[error("config: it cannot be kept for the record: {0}")]
    Document(serde_json::Error),
    #[error("{0}")]
    Policies(#[from] PoliciesError),
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
    #[error("prompts: {0}")]
    Tap(#[from] TapError),
    #[error("record: {0}")]
    Record(#[from] RecordError),
    #[error("record: {0}")]
    Store(#[from] StoreError),
    #[error("approvals: {0}")]
    Mailbox(#[from] MailboxError),
    #[error("approvals: no runtime: {0}")]
    Runtime(std::io::Error),
    #[error("approvals: Slack's signing secret: {0}")]
    Slack(CredentialError),
    #[error("approvals: Slack's signing secret: {0}")]
    Unread(String),
    #[error("approvals: secret of a `notify`: {0}")]
    Notify(CredentialError),
    #[error("secret of an `export`: {0}")]
    Export(CredentialError),
    #[error("export: no thread: {0}")]
    Exporting(std::io::Error),
    #[error("turn: {0}")]
    Turn(#[from] ControlError),
    #[error("destinations: {0}")]
    Destinations(#[from] LookUpError),
}

/// The stages, and what each core's client is made from.
pub(super) struct Started {
    pub(super) shared: Shared,
    pub(super) upstream: UpstreamSettings,
}

/// Builds everything; nothing is served yet. What changes the host, the record above all, comes after `turn`.
pub(super) fn start(
    config: &Path,
    destinations: OwnedFd,
    is_next: bool,
    borrower: Borrower,
    turn: impl FnOnce() -> Result<(), ControlError>,
) -> Result<Started, StartError> {
    let clock = Clock::system();
    let config = if is_next {
        Config::load_beside_policies(config)?
    } else {
        Config::load(config)?
    };
    crate::log::configure(&config.log.level, config.log.format);
    let bundle = policies::begin(&config, is_next)?;
    let trusted = web::trust(config.upstream.ca_file.as_deref())?;
    let web = web::Client::new(Arc::clone(&trusted));
    let store = store_of(&config.record, &web)?;
    let key_store = key_store_of(&config.record, &web)?;
    let witness = config.record.witness.clone().map(|url| Witness {
        url,
        web: web.clone(),
    });
    let accounts: Result<Vec<_>, StartError> = config
        .accounts
        .iter()
        .map(|account| open_account(account, &web).map(Arc::new))
        .collect();
    let accounts = accounts?;
    let host_id = host_id();
    let ca = Ca::open(&config.daemon.state_dir.join("ca"), &host_id, clock.now())?;
    let tls = tls::server_config(ca, clock)?;
    let models = Models::new(&config.prompts)?;
    let tap = Tap::new(&config.daemon.state_dir, &host_id, clock);
    let resolver = Arc::new(Resolver::new(config.upstream.resolve.clone()));
    let upstream = UpstreamSettings {
        tls: trusted,
        connect_timeout: config.upstream.connect_timeout,
        resolver: Arc::clone(&resolver),
    };
    let web = web::Client::new(web::trust(config.identity.ca_file.as_deref())?);
    let seal_key = load_key(&config.daemon.state_dir.join("identity.key"))?;
    let hash_keys = HashKeys::new(load_key(&config.daemon.state_dir.join("mask.key"))?);
    let claimant = Claimant::new(host_id.clone(), &seal_key, store.clone());
    let at = store.clone();
    let document = config.document().map_err(StartError::Document)?;
    let about = About {
        org: config.daemon.org.clone(),
        host_id: host_id.clone(),
    };
    let exports = Exports::new(&config.exports, &web, about).map_err(StartError::Export)?;
    let metrics = Arc::<Metrics>::default();
    turn()?;
    tap.prepare(&models)?;
    let recorder = Recorder::open_watched(
        &settings(
            &config,
            (&document, &bundle),
            host_id,
            (store, key_store),
            witness,
        ),
        clock,
        vec![metrics.watcher(), exports.watcher()],
    )?;
    exports
        .begin(&recorder, clock)
        .map_err(StartError::Exporting)?;
    gap::tell(&recorder, &config.daemon.state_dir)?;
    let mode = config.daemon.mode;
    // The genesis and rows name config and policies by their digest: whoever reads them must find what that is.
    let _sha256 = recorder.keep_evidence(&document)?;
    let _sha256 = recorder.keep_evidence(bundle.document())?;
    let keep: Keep = {
        let recorder = recorder.clone();
        Arc::new(move |document| recorder.keep_evidence(document))
    };
    let mailbox = approvals::open(&config, at, (&recorder, Arc::clone(&keep)), clock)?;
    approvals::tell_unasked(&config, &bundle);
    let providers = config.identity.providers.clone();
    let providers = Arc::new(Providers::new(providers, Arc::clone(&keep), clock));
    let issuers = Arc::new(Issuers::new(&config.identity, web.clone(), keep, clock));
    let sign_ins =
        SignIns::new(&config.identity, &issuers, &web).map_err(StartError::ClientSecret)?;
    let _receipt = recorder.commit_blocking(vec![policies::loaded(&bundle, mode, None)])?;
    tracing::info!(
        mode = mode.as_str(),
        accounts = accounts.len(),
        policies = bundle.len(),
        chain = recorder.chain(),
        "stages built"
    );
    let usages = Usages::open(
        &config.daemon.proxy_dir(),
        &config.daemon.state_dir,
        clock.now(),
    );
    let catalogues = Arc::new(Catalogues::new(config.catalogue.ttl, clock));
    let operations = Operations {
        metrics,
        exports,
        started_at: clock.now(),
        restarts: restarts(&config.daemon.proxy_dir(), is_next),
        answered: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        kernel: Mutex::default(),
        pulse: OnceLock::new(),
    };
    let ask = config.policy.ask.clone();
    let held = config.daemon.proxy_dir().join("held");
    let current = Current {
        sha256: sha256(&document),
        config,
        accounts,
        issuers,
        providers,
        sign_ins: Arc::new(sign_ins),
        models: Arc::new(models),
    };
    let shared = Shared {
        stages: Stages {
            mode,
            ask,
            policies: InForce::new(bundle),
            recorder,
            registry: Registry::default(),
            chunks: Chunks::default(),
            files: OpenStages::default(),
            catalogues,
            holds: Arc::new(Holds::new(held, seal_key.clone())),
            usages: Arc::new(usages),
            hash_keys,
            mailbox,
            clock,
        },
        sessions: Sessions::default(),
        logins: Logins::default(),
        keeping: Keeping::default(),
        implicit: Implicit::default(),
        current: Latest::new(current),
        operations,
        destinations: Destinations::from_fd(destinations)?,
        host_network: None,
        sockets: LentSockets::new(borrower.clone()),
        looks: Looks::new(borrower),
        resolver,
        claimant,
        seal_key,
        tls,
        tap,
        host_events: HostEvents::default(),
        strangers: Strangers::default(),
        reloads: Reloads::default(),
        intake: Arc::default(),
    };
    Ok(Started { shared, upstream })
}

/// Builds all that comes before the record, as a proxy does that takes another's place.
pub(super) fn rehearse(config: &Path) -> Result<(), StartError> {
    let nothing = fs::File::open("/dev/null").map_err(StartError::Runtime)?;
    let mut is_ready = false;
    // A program that is asked reads all files itself; there is nobody yet to ask.
    let borrower = Borrower::of_nobody().map_err(StartError::Runtime)?;
    let begun = start(config, nothing.into(), true, borrower, || {
        is_ready = true;
        Err(ControlError::Gone)
    });
    match begun {
        Err(error) if !is_ready => Err(error),
        Ok(_) | Err(_) => Ok(()),
    }
}

fn open_account(account: &AccountConfig, web: &web::Client) -> Result<Account, StartError> {
    Account::of(account, web).map_err(|cause| {
        let host = account.host.clone();
        StartError::Credential { host, cause }
    })
}

/// Names the host. Source: machine-id(5).
pub(crate) fn host_id() -> String {
    fs::read_to_string("/etc/machine-id")
        .map_or_else(|_| "unknown".to_owned(), |id| id.trim().to_owned())
}

fn settings(
    config: &Config,
    (document, bundle): (&[u8], &Bundle),
    host_id: String,
    (store, key_store): (StoreAt, Option<StoreAt>),
    witness: Option<Witness>,
) -> Settings {
    let object: String = object_digest()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Settings {
        org: config.daemon.org.clone(),
        host_id,
        state_dir: config.daemon.state_dir.clone(),
        mode: config.record.mode,
        store,
        spool_max_bytes: config.record.spool_max_bytes,
        limits: config.record.limits,
        seal_interval: config.record.seal_interval,
        heartbeat: config.record.heartbeat,
        witness,
        result_rows: config.record.result_rows,
        recipients: config.record.recipients.clone(),
        key_store,
        scan_secrets: config.record.scan_secrets,
        config_sha256: sha256(document),
        policy_bundle_sha256: bundle.sha256(),
        proxy_version: env!("CARGO_PKG_VERSION").to_owned(),
        build: BTreeMap::from([("bpf_object_sha256".to_owned(), object)]),
    }
}
