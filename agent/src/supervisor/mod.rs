//! The supervisor process: BPF, cgroups, listeners, and the proxy's life.
//!
//! It is root, synchronous and small: no TLS, and nothing that others wrote is parsed here but its own control
//! messages. Start: config, probe, cgroups, programs (disarmed), listeners, control socket, proxy, armed. Stop: disarmed,
//! control socket closed, proxy drained; links, maps and sessions stay, and the next supervisor takes them over.

mod accepting;
mod adopt;
mod cgroup;
mod contained;
mod container;
mod deadline;
mod descriptors;
mod detach;
mod door;
mod environ;
mod foreign;
mod formats;
mod guard;
mod inherit;
mod keeper;
mod kept;
mod lender;
mod limits;
mod limited;
mod lineage;
mod listener;
mod loans;
mod lock;
mod models;
mod moving;
mod namespace;
mod networks;
mod observed;
mod opened;
mod opening;
mod outside;
mod owned;
mod peer;
mod places;
mod proxy;
mod rejoining;
mod reload;
mod remembered;
mod replacing;
mod rights;
mod roster;
mod service;
mod session;
mod shared;
mod sign_ins;
mod signed_in;
mod sock_diag;
mod still;
mod taking;
mod threads;
mod token;
mod upgrade;
mod watch;

use std::collections::{BTreeMap, VecDeque};
use std::fs::DirBuilder;
use std::io;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;

use rustix::process::{Resource, Rlimit, geteuid, setrlimit, umask};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::Signals;
use thiserror::Error;
use tracing::{debug, warn};

use crate::clock::Clock;
use crate::config::{Config, Guard, Mode, Owner, RecordMode};
use crate::connection::redirect::{Installation, Kernel, KernelError, Need, probe};
use crate::control::Handover;

pub use detach::{DetachError, Running, detach};
pub use door::SOCKET;
pub use formats::LaterState;
pub use inherit::Inherited;
pub use listener::Unbound;
pub use upgrade::can_take_over;

use cgroup::Cgroups;
use door::Door;
use inherit::State;
use keeper::Keeper;
use lender::Lender;
use lock::Lock;
use networks::Networks;
use proxy::{Backoff, Event};
use replacing::{By, Replacement, UNASKED_WITHIN};
use roster::Roster;
use service::Readiness;
use shared::Shared;

/// Why the supervisor cannot run.
#[derive(Debug, Error)]
pub enum SupervisorError {
    /// It was not started by root.
    #[error("expected to be started as root, found uid {0}")]
    NotRoot(u32),
    /// Another supervisor has the same `run_dir`.
    #[error("another daemon runs in `{}`", .0.display())]
    Running(PathBuf),
    /// The kernel lacks what the programs need; one line each.
    #[error("the kernel lacks what redirection needs:{}", lines(.0))]
    Missing(Vec<String>),
    /// A folder or file of its own cannot be made.
    #[error("`{}` cannot be used", path.display())]
    Path {
        /// The folder or file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no such user for the proxy.
    #[error("daemon.user: expected {expected}, found {found}")]
    User {
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The daemon's cgroup cannot be made or entered.
    #[error("daemon's cgroup below `{}` cannot be used", root.display())]
    Cgroup {
        /// `capture.root` of the config.
        root: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A later version's state is there.
    #[error("state of another version")]
    Later(#[from] LaterState),
    /// What another program of this process hands over cannot be taken.
    #[error("what the daemon before hands over cannot be taken")]
    Inherited(#[source] io::Error),
    /// The kernel's part cannot be installed.
    #[error("kernel programs cannot be installed")]
    Kernel(#[from] KernelError),
    /// The proxy's port cannot be had.
    #[error(transparent)]
    Listener(#[from] Unbound),
    /// The proxy found its config, or what that names, wrong; its log line says what.
    #[error("the proxy cannot start")]
    Proxy,
    /// A thread or a signal handler cannot be made.
    #[error("the system is short of something")]
    System(#[source] io::Error),
}

impl SupervisorError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Kernel(error) => error.hint(),
            Self::Running(_) => Some("stop it first, or give this one another daemon.run_dir"),
            Self::Listener(_) => Some("see what listens there, or set capture.port"),
            Self::Proxy => {
                Some("the log line above says why; `icecore check` looks at config and policies")
            }
            Self::Later(_) => Some(
                "start the icecore that wrote it; or let the sessions end, stop the daemon, and move that folder away",
            ),
            Self::NotRoot(_)
            | Self::Inherited(_)
            | Self::Missing(_)
            | Self::Path { .. }
            | Self::User { .. }
            | Self::Cgroup { .. }
            | Self::System(_) => None,
        }
    }
}

/// Moves an operator's command beside the daemon, which alone reaches guarded addresses; where it may not move, it stays.
pub fn stand_beside_daemon(config: &Config) {
    match Cgroups::below(&config.capture.root).stand_beside() {
        Ok(is_moved) => debug!(is_moved, "looked for the daemon's cgroup"),
        Err(failure) => debug!(%failure, "could not move to the daemon's cgroup"),
    }
}

/// Says how a user of the host can become root, if a way is seen; `None` where the host has no such user.
#[must_use]
pub fn way_to_root(user: &str) -> Option<Option<String>> {
    let accounts = rights::Accounts::read();
    let (user, gids) = accounts.find(user)?;
    Some(accounts.way_to_root(user.uid, &gids))
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// When it cannot start; nothing is armed then.
pub fn run(config: Config, clock: Clock) -> Result<(), SupervisorError> {
    serve(config, clock, None)
}

/// Runs the daemon in the place of another program of this process, whose sessions and listeners it takes over.
///
/// # Errors
/// When it cannot start, or its first proxy does not serve. Connects wait then: give all back, or end.
pub fn take_over(
    config: Config,
    clock: Clock,
    inherited: &Inherited,
) -> Result<(), SupervisorError> {
    serve(config, clock, Some(inherited))
}

fn serve(
    config: Config,
    clock: Clock,
    inherited: Option<&Inherited>,
) -> Result<(), SupervisorError> {
    let uid = geteuid().as_raw();
    if uid != 0 {
        return Err(SupervisorError::NotRoot(uid));
    }
    // Files get the modes they are made with, whatever shell started us.
    umask(rustix::fs::Mode::from_raw_mode(0o022));
    let run_dir = config.daemon.run_dir.clone();
    make_folder(&run_dir)?;
    make_folder(&config.daemon.state_dir)?;
    let lock = match inherited {
        None => Lock::take(&run_dir)?,
        Some(inherited) => Lock::inherited(inherited.lock().map_err(SupervisorError::Inherited)?),
    };
    formats::look(&run_dir, formats::OF_RUN_DIR)?;
    let owner = config.owner().map_err(|unfit| SupervisorError::User {
        expected: unfit.expected,
        found: unfit.found,
    })?;
    formats::look_as(owner, &config.daemon.state_dir, formats::OF_STATE_DIR)?;
    look_for_missing()?;
    owned::hand_over(&config, owner).map_err(|(path, source)| SupervisorError::Path {
        path: path.into(),
        source,
    })?;
    if owner.is_root() {
        warn!(
            "the proxy runs as root, without capabilities: the host has no user `icecore`, or `daemon.user` says so"
        );
    }
    allow_locked_memory();
    if config.daemon.mode == Mode::Observe {
        warn!("observe mode: nothing is refused");
    }
    if config.record.mode == RecordMode::BestEffort {
        warn!("best_effort record: what is recorded may be lost");
    }
    if config.record.mode == RecordMode::StrictRemote && config.record.recipients.is_empty() {
        warn!(
            "strict_remote without `[record.encryption]`: texts of statements stay in the store beside the chain's documents"
        );
    }
    let (events, happened) = mpsc::channel();
    watch_signals(&events)?;

    let networks = inherited.map_or_else(|| Ok(BTreeMap::new()), Inherited::networks);
    let networks = Arc::new(Networks::of(networks.map_err(SupervisorError::Inherited)?));
    let lent = Arc::clone(&networks);
    let (shared, handover) = set_up(config, owner, clock, (inherited, networks), events)?;
    let shared = Arc::new(shared);
    shared.stills.let_go_of_noted();
    let lender = Lender::start(&shared, lent);
    let lender = Arc::new(lender.map_err(SupervisorError::System)?);
    let state = inherited.map_or_else(|| Ok(State::default()), Inherited::state);
    shared.adopt(state.map_err(SupervisorError::Inherited)?);
    rejoining::start(&shared).map_err(SupervisorError::System)?;
    let door = match inherited {
        None => Door::open(&run_dir, &shared),
        Some(inherited) => inherited
            .control()
            .and_then(|listener| Door::inherited(listener, &run_dir, &shared)),
    };
    let door = door.map_err(|source| SupervisorError::Path {
        path: run_dir.join(SOCKET),
        source,
    })?;
    if let Some(inherited) = inherited {
        inherited.keep_links().map_err(SupervisorError::Inherited)?;
    }
    let sweeping = Arc::clone(&shared);
    thread::Builder::new()
        .name("sweep".to_owned())
        .spawn(move || sweeping.keep_swept())
        .map_err(SupervisorError::System)?;
    guard::start(&shared).map_err(SupervisorError::System)?;
    watch::start(&shared).map_err(SupervisorError::System)?;
    observed::start(&shared).map_err(SupervisorError::System)?;
    let handed = inherited.map(Inherited::state_file).transpose();
    let handed = handed.map_err(SupervisorError::Inherited)?;
    let started_ns = shared.clock.mono_ns();
    let mut keeper = Keeper {
        shared,
        handover,
        lender,
        happened,
        door,
        lock,
        is_on_trial: inherited.is_some_and(Inherited::can_give_back),
        handed,
        proxy: None,
        replaced: Vec::new(),
        number: 0,
        started_ns,
        due_ns: Some(started_ns),
        backoff: Backoff::default(),
        readiness: Readiness::default(),
        later: VecDeque::new(),
    };
    let kept = keeper.keep_proxy();
    if kept.is_ok() || !keeper.is_on_trial {
        keeper.stop();
    }
    kept
}

/// Makes all that must be there before the first proxy; leaves the kernel disarmed, or as another program left it.
fn set_up(
    config: Config,
    owner: Owner,
    clock: Clock,
    (inherited, networks): (Option<&Inherited>, Arc<Networks>),
    events: Sender<Event>,
) -> Result<(Shared, Handover), SupervisorError> {
    let root = config.capture.root.clone();
    let cgroups = Cgroups::below(&root);
    let entered = cgroups
        .enter()
        .map_err(|source| SupervisorError::Cgroup { root, source })?;
    let installation = Installation {
        root: &config.capture.root,
        pin_dir: &config.capture.pin_dir,
        port: config.capture.port,
        redirect_ports: &config.capture.redirect_ports,
        program_logs: config.capture.program_logs,
        guards_host: config.capture.guard == Guard::Host,
        heartbeat_stale: config.capture.heartbeat_stale,
        backstop: config.capture.backstop,
        daemon_cgroup_id: entered.daemon_id,
    };
    let mut kernel = match inherited {
        None => Kernel::install(&installation),
        Some(_) => Kernel::take_over(&installation),
    }?;
    if let Some(listen) = config.metrics.listen {
        kernel.protect_port(listen.port())?;
    }
    debug!(programs = ?kernel.program_tags(), "programs installed");
    // After the programs: they know the listeners by a tag that sockets get when they are made.
    let listeners = match inherited {
        None => listener::bind_both(config.capture.port, listener::PATIENCE)?,
        Some(inherited) => {
            let listeners = inherited.listeners().map_err(SupervisorError::Inherited)?;
            let of_port = |listener: &TcpListener| {
                let address = listener.local_addr();
                address.is_ok_and(|address| address.port() == config.capture.port)
            };
            if !listeners.iter().all(of_port) {
                let text = "listeners of another port than the config's";
                return Err(SupervisorError::Inherited(io::Error::other(text)));
            }
            listeners
        }
    };
    for listener in &listeners {
        kernel.require_tag(listener.as_fd())?;
    }
    let handover = Handover {
        config: config.source.clone(),
        listeners,
        destinations: kernel.destinations_fd()?,
        heartbeat: kernel.heartbeat_fd()?,
        is_next: false,
        waits: false,
    };
    let run_dir = &config.daemon.run_dir;
    let unwritten = |folder: &Path| {
        let path = folder.join(formats::FILE);
        move |source| SupervisorError::Path { path, source }
    };
    formats::write(run_dir, formats::OF_RUN_DIR).map_err(unwritten(run_dir))?;
    let state_dir = &config.daemon.state_dir;
    formats::write_as(owner, state_dir, formats::OF_STATE_DIR).map_err(unwritten(state_dir))?;
    let roster = Roster::open(run_dir).map_err(|source| SupervisorError::Path {
        path: run_dir.join("sessions"),
        source,
    })?;
    let heard = (events, inherited.map(Inherited::taken));
    let shared = Shared::new(
        (config, owner),
        clock,
        cgroups,
        entered,
        (roster, networks),
        kernel,
        heard,
    );
    Ok((shared, handover))
}

/// Says what the host lacks: what is required as an error, the rest as a warning.
fn look_for_missing() -> Result<(), SupervisorError> {
    let (required, optional): (Vec<_>, Vec<_>) = probe()
        .into_iter()
        .partition(|missing| missing.need == Need::Required);
    for missing in optional {
        warn!("{missing}");
    }
    if required.is_empty() {
        return Ok(());
    }
    let lines = required.iter().map(ToString::to_string).collect();
    Err(SupervisorError::Missing(lines))
}

/// Turns signals into events: a hang-up has config and policies reloaded, SIGUSR2 the proxy replaced, the others end the
/// daemon, the second of them at once.
fn watch_signals(events: &Sender<Event>) -> Result<(), SupervisorError> {
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR2]).map_err(SupervisorError::System)?;
    let events = events.clone();
    let watch = move || {
        let mut is_stopping = false;
        for signal in signals.forever() {
            if signal == SIGHUP {
                drop(events.send(Event::Reload));
            } else if signal == SIGUSR2 {
                drop(events.send(Event::Replace(Replacement {
                    by: By::Proxy,
                    within: UNASKED_WITHIN,
                    now: false,
                    asker: None,
                })));
            } else if is_stopping {
                warn!("told to stop twice; stopped at once");
                std::process::exit(1);
            } else {
                is_stopping = true;
                drop(events.send(Event::Stop));
            }
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .map_err(SupervisorError::System)?;
    Ok(())
}

/// Lets the proxy, which has no right to it, lock all its memory; under systemd the unit does.
fn allow_locked_memory() {
    let unlimited = Rlimit {
        current: None,
        maximum: None,
    };
    // The proxy says it where its memory may be swapped out.
    if let Err(error) = setrlimit(Resource::Memlock, unlimited) {
        debug!(%error, "limit of locked memory was not raised");
    }
}

fn make_folder(path: &Path) -> Result<(), SupervisorError> {
    DirBuilder::new()
        .mode(0o755)
        .recursive(true)
        .create(path)
        .map_err(|source| SupervisorError::Path {
            path: path.to_owned(),
            source,
        })
}

fn lines(all: &[String]) -> String {
    all.iter().map(|line| format!("\n  {line}")).collect()
}
