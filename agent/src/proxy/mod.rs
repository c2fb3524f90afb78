//! The proxy process: builds the stages and serves the sessions' connections.
//!
//! It holds what the supervisor gave it: listeners, and a map that tells a socket's session and destination. It ends
//! when the supervisor does.

mod abort;
mod accept;
mod approvals;
mod authorize;
mod body;
mod budget;
mod chunk;
mod claiming;
mod clocks;
mod closing;
mod confine;
mod core;
mod detached;
pub(crate) mod discovery;
mod door;
mod file;
mod follow;
mod handler;
mod held;
mod host_events;
mod implicit;
mod issuers;
mod kept;
mod login;
mod logins;
mod mcp;
mod no_login;
mod opening;
mod orphan;
mod own_login;
mod policies;
mod providers;
mod query;
mod refusals;
mod seal;
mod sessions;
mod sign_in;
pub(crate) mod start;
mod v2;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::confine::Memory;
use self::core::{Core, Shared};
use self::kept::Keeping;
use crate::config::{Opening, Untrusted, open_by};
use crate::control::{Borrower, Declined, Handover, Keeper, SupervisorLink, receive_handover};
use crate::record::Row;
use crate::statement;
use crate::upstream::{Upstream, UpstreamSettings};

/// How often kept replies and counted refusals are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long the proxy's end waits for its own logins to be closed at Snowflake.
const CATALOGUES_CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// Why the proxy cannot serve.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error("{0}")]
    Start(#[from] start::StartError),
    #[error("cannot start a core: {0}")]
    Core(std::io::Error),
    #[error("signals cannot be heard: {0}")]
    Signal(std::io::Error),
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
    #[error("the supervisor's link broke: {0}")]
    Link(std::io::Error),
}

/// Runs the proxy until the supervisor stops it or is gone.
#[must_use]
pub fn run() -> ExitCode {
    // Before a thread is made and a byte is read: what is dropped here, no later line has.
    match confine::confine() {
        Ok(Memory::Locked) => {}
        Ok(Memory::Swappable(limit_bytes)) => tracing::warn!(
            limit_bytes,
            "memory may be swapped out, keys with it: the limit of locked memory is not `unlimited`"
        ),
        Err(error) => {
            tracing::error!(%error, "the proxy has rights that it must not have");
            return ExitCode::from(70);
        }
    }
    let (handover, link, keeper) = match receive_handover() {
        Ok(received) => received,
        Err(error) => {
            tracing::error!(%error, "the proxy is started by `icecore daemon` alone");
            return ExitCode::from(70);
        }
    };
    match serve(handover, link, keeper) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "proxy cannot serve");
            ExitCode::from(3)
        }
    }
}

fn serve(handover: Handover, link: SupervisorLink, keeper: Keeper) -> Result<(), ProxyError> {
    raise_descriptor_limit();
    let Handover {
        config,
        listeners,
        destinations,
        is_next,
    } = handover;
    ignore_hangups()?;
    orphan::end_with_the_supervisor()?;
    let borrower = link.borrower();
    borrow_from(&borrower);
    let started = start::start(&config, destinations, is_next, borrower)?;
    let shared = Arc::new(started.shared);
    Keeping::begin(&shared, keeper).map_err(ProxyError::Core)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let first = core(&shared, &started.upstream, &listeners)?;
    for number in 1..cores {
        let (runtime, _) = core(&shared, &started.upstream, &listeners)?;
        thread::Builder::new()
            .name(format!("core-{number}"))
            .stack_size(statement::STACK_BYTES)
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(ProxyError::Core)?;
    }
    let (runtime, first) = first;
    look_up_hosts(&runtime, &shared);
    keep_swept(&runtime, &shared);
    let entered = runtime.enter();
    shared.issuers.keep_fresh();
    drop(entered);
    let (closing, handle) = (Arc::clone(&first), runtime.handle().clone());
    let handler = handler::Handler::new(first, runtime.handle().clone());
    thread::Builder::new()
        .name("core-0".to_owned())
        .stack_size(statement::STACK_BYTES)
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(ProxyError::Core)?;
    let served = link.serve(Arc::new(handler)).map_err(ProxyError::Link);
    shared.stages.usages.save(shared.stages.clock.now());
    tell_last_counts(&shared);
    close_catalogues(closing, &handle);
    if let Err(error) = shared.stages.recorder.close_blocking() {
        tracing::error!(%error, "record could not be closed; the spool keeps it for the next start");
    }
    served
}

/// Has the supervisor open the config and what it names: the proxy's user may read none of it.
fn borrow_from(borrower: &Borrower) {
    let borrower = borrower.clone();
    open_by(Box::new(move |what| {
        let opened = match what {
            Opening::File(path) => borrower.file(path),
            Opening::Folder(path) => borrower.folder(path),
            Opening::Output(command) => borrower.output(&command.argv, command.within),
        };
        opened.map_err(|Declined { expected, found }| Untrusted { expected, found })
    }));
}

/// Lets hang-ups pass: whoever sends one to all of the daemon's processes means the supervisor, which has policies reloaded.
fn ignore_hangups() -> Result<(), ProxyError> {
    let heard = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGHUP, heard).map_err(ProxyError::Signal)?;
    Ok(())
}

/// Lets the proxy hold as many sockets as the host allows; a spliced connection takes two.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "limit of open files could not be raised");
    }
}

/// Keeps the addresses of governed hosts known, so that none is reached under another name.
fn look_up_hosts(runtime: &Runtime, shared: &Arc<Shared>) {
    let resolver = Arc::clone(&shared.resolver);
    let hosts: Vec<String> = shared
        .accounts
        .iter()
        .flat_map(|account| {
            std::iter::once(&account.host)
                .chain(&account.aliases)
                .cloned()
        })
        .collect();
    let entered = runtime.enter();
    drop(crate::tasks::spawn("look-up", async move {
        resolver.keep(&hosts).await
    }));
    drop(entered);
}

/// Lets go of kept replies, keeps renewed logins and tells counted refusals in time, also when nothing more comes.
fn keep_swept(runtime: &Runtime, shared: &Arc<Shared>) {
    let entered = runtime.enter();
    drop(crate::tasks::spawn("sweep", sweep(Arc::clone(shared))));
    drop(entered);
}

async fn sweep(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let stages = &shared.stages;
        let now_ns = stages.clock.mono_ns();
        stages.registry.sweep(now_ns);
        // Those that a client renewed are kept by then; these were renewed for a statement, which does not wait.
        shared.keeping.update_soon(&shared.logins.take_changed());
        let mut due = shared.sessions.repeats_due(now_ns);
        due.extend(shared.host_events.due(stages.clock.now()));
        shared.record_events(due).await;
        let (usages, now) = (Arc::clone(&stages.usages), stages.clock.now());
        let saved = tokio::task::spawn_blocking(move || usages.save(now));
        if let Err(error) = saved.await {
            tracing::error!(%error, "what was used could not be written down");
        }
    }
}

/// Records what was counted of sessions that outlive the proxy, and of none.
fn tell_last_counts(shared: &Shared) {
    let mut counts = shared.sessions.last_counts(shared.stages.clock.mono_ns());
    counts.extend(shared.host_events.gap());
    let rows: Vec<Row> = counts.into_iter().map(Row::from).collect();
    if rows.is_empty() {
        return;
    }
    if let Err(error) = shared.stages.recorder.commit_blocking(rows) {
        tracing::error!(%error, "events that were counted could not be recorded");
    }
}

/// Closes the logins by which accounts' catalogues were asked, for a time.
fn close_catalogues(core: Arc<Core>, runtime: &tokio::runtime::Handle) {
    let (done, told) = mpsc::channel();
    let entered = runtime.enter();
    drop(crate::tasks::spawn("close-catalogues", async move {
        core.shared.stages.catalogues.close(&core.upstream).await;
        // Whoever waited may have gone on.
        let _gone = done.send(());
    }));
    drop(entered);
    if told.recv_timeout(CATALOGUES_CLOSED_WITHIN).is_err() {
        tracing::warn!("logins for catalogues were not closed in time; they end by their own life");
    }
}

/// Makes a core: a runtime of one thread, its own connections upstream, and its accept loops.
fn core(
    shared: &Arc<Shared>,
    settings: &UpstreamSettings,
    listeners: &[TcpListener],
) -> Result<(Runtime, Arc<Core>), ProxyError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ProxyError::Core)?;
    let entered = runtime.enter();
    let core = Arc::new(Core {
        shared: Arc::clone(shared),
        upstream: Upstream::new(settings.clone()),
    });
    for listener in listeners {
        let listener = listener
            .try_clone()
            .and_then(tokio::net::TcpListener::from_std)
            .map_err(ProxyError::Listen)?;
        drop(crate::tasks::spawn(
            "accept",
            accept::accept(Arc::clone(&core), listener),
        ));
    }
    drop(entered);
    Ok((runtime, core))
}
