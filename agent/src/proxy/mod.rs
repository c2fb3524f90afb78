//! The proxy process: builds the stages and serves the sessions' connections.
//!
//! It holds what the supervisor gave it: listeners, and a map that tells a socket's session and destination. It ends
//! when the supervisor does.

mod abort;
mod accept;
mod approvals;
mod arrivals;
mod authorize;
mod body;
mod budget;
mod chunk;
mod claiming;
pub(crate) mod clocks;
mod closing;
mod confine;
mod core;
mod current;
mod detached;
pub(crate) mod discovery;
mod door;
mod file;
mod follow;
mod gap;
mod handler;
mod heartbeat;
mod held;
mod host_events;
mod implicit;
mod intake;
mod issuers;
mod kept;
mod lent_sockets;
mod live;
mod login;
mod logins;
mod mcp;
mod metrics;
mod networks;
mod no_login;
mod observed;
mod opening;
mod orphan;
mod own_login;
mod policies;
mod providers;
mod query;
mod refusals;
mod reload;
mod seal;
mod seen;
mod sessions;
mod sign_in;
pub(crate) mod start;
mod strangers;
mod tap;
mod v2;

use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::confine::Memory;
use self::core::{Core, Shared};
use self::heartbeat::{Pulse, Ticker};
use self::kept::Keeping;
use self::networks::Networks;
use crate::config::{Opening, Untrusted, open_by};
use crate::connection::redirect::{Heartbeat, netns_cookie};
use crate::control::{
    Borrower, Declined, Handover, Keeper, Parting, SupervisorLink, receive_handover,
};
use crate::record::Row;
use crate::statement;
use crate::upstream::{Upstream, UpstreamSettings};

/// Most threads of a core that wait for disks, people and other programs. Each result that is kept has one until it has
/// arrived, so that fewer would have sessions wait for each other; look-ups of processes have their own limit.
const BLOCKING_THREADS_MAX: usize = 256;

/// How often kept replies and counted refusals are looked through.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How long the proxy's end waits for its own logins to be closed at Snowflake.
const CATALOGUES_CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// How long the proxy's end waits for what was carried of model calls to be read, and where connects wait for the next proxy.
const MODELS_READ_WITHIN: Duration = Duration::from_secs(3);
const MODELS_READ_SOON: Duration = Duration::from_secs(1);

/// How long the proxy's end waits for events to be exported.
const EXPORTED_WITHIN: Duration = Duration::from_secs(3);
/// How long the record may take to be closed while connects wait for the next proxy.
const CLOSED_WITHIN: Duration = Duration::from_secs(4);

/// How long a proxy that was replaced goes on with connections that are carried unread, such as a model's long answer.
const CARRIED_FOR: Duration = Duration::from_secs(15 * 60);

/// How often it looks whether there are any left.
const CARRIED_POLL: Duration = Duration::from_millis(250);

/// Why the proxy cannot serve.
#[derive(Debug, thiserror::Error)]
enum ProxyError {
    #[error("{0}")]
    Start(#[from] start::StartError),
    #[error("cannot start a core: {0}")]
    Core(std::io::Error),
    #[error("cannot ignore a signal: {0}")]
    Signal(std::io::Error),
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
    #[error("the supervisor's link broke: {0}")]
    Link(std::io::Error),
}

/// Builds all of a proxy that can be built beside one that serves, and lets go of it: whether another one could take its
/// place. Blocks; reads and changes nothing.
///
/// # Errors
/// Why not, in words.
pub fn rehearse(config: &std::path::Path) -> Result<(), String> {
    start::rehearse(config).map_err(|error| error.to_string())
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
        heartbeat,
        is_next,
        waits,
    } = handover;
    ignore_signals()?;
    orphan::end_with_the_supervisor()?;
    let borrower = link.borrower();
    borrow_from(&borrower);
    let turn = || if waits { link.wait_for_turn() } else { Ok(()) };
    let started = start::start(&config, destinations, is_next, borrower, turn)?;
    let mut shared = started.shared;
    // Before Linux 5.14 it cannot be told; then nobody listens in another one.
    shared.host_network = (listeners.first()).and_then(|one| netns_cookie(one.as_fd()).ok());
    let shared = Arc::new(shared);
    Keeping::begin(&shared, keeper).map_err(ProxyError::Core)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let heartbeat = Heartbeat::from_fd(heartbeat).map_err(start::StartError::from)?;
    let pulse = Arc::new(Pulse::new(
        heartbeat,
        cores * listeners.len(),
        shared.stages.clock,
    ));
    shared.operations.watch(&pulse);
    let first = core(&shared, &started.upstream, &listeners, &pulse)?;
    let mut all = vec![(Arc::clone(&first.1), first.0.handle().clone())];
    for number in 1..cores {
        let (runtime, core) = core(&shared, &started.upstream, &listeners, &pulse)?;
        all.push((core, runtime.handle().clone()));
        thread::Builder::new()
            .name(format!("core-{number}"))
            .stack_size(statement::STACK_BYTES)
            .spawn(move || runtime.block_on(std::future::pending::<()>()))
            .map_err(ProxyError::Core)?;
    }
    // The accept loops have copies, which go with them: whoever waits there is the next proxy's.
    drop(listeners);
    let (runtime, first) = first;
    look_up_hosts(&runtime, &shared);
    keep_swept(&runtime, &shared);
    metrics::begin(&shared).map_err(ProxyError::Core)?;
    let entered = runtime.enter();
    shared.current().issuers.keep_fresh();
    drop(entered);
    let (closing, handle) = (Arc::clone(&first), runtime.handle().clone());
    let handler = handler::Handler::new(first, runtime.handle().clone(), Networks::new(all));
    thread::Builder::new()
        .name("core-0".to_owned())
        .stack_size(statement::STACK_BYTES)
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(ProxyError::Core)?;
    let parting = link.parting();
    let served = link.serve(Arc::new(handler)).map_err(ProxyError::Link);
    // Whether the next proxy waits for this one; connects wait with it.
    let is_replaced = shared.intake.is_replaced();
    shared.intake.close();
    shared.stages.usages.save(shared.stages.clock.now());
    shared.tap.stop_blocking(match is_replaced {
        true => MODELS_READ_SOON,
        false => MODELS_READ_WITHIN,
    });
    tell_last_counts(&shared);
    if !is_replaced {
        close_catalogues(closing, &handle);
        close_record(&shared);
        return served;
    }
    if close_in_time(&shared) && parting.closed().is_ok() {
        close_catalogues(closing, &handle);
        carry_on(&shared, &parting);
    }
    shared.operations.exports.finish(EXPORTED_WITHIN);
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

fn close_record(shared: &Shared) {
    if let Err(error) = shared.stages.recorder.close_blocking() {
        tracing::error!(%error, "record could not be closed; the spool keeps it for the next start");
    }
}

/// Closes the record; tells whether that was done in the time that connects can wait. What a slow store has not taken by
/// then is sealed in the spool, and the next proxy sends it.
fn close_in_time(shared: &Arc<Shared>) -> bool {
    let (done, told) = mpsc::channel();
    let closing = Arc::clone(shared);
    let close = move || {
        close_record(&closing);
        // Whoever waited may have gone on.
        let _late = done.send(());
    };
    if let Err(error) = thread::Builder::new().name("close".to_owned()).spawn(close) {
        tracing::error!(%error, "record could not be closed; the spool keeps it for the next start");
        return false;
    }
    let is_closed = told.recv_timeout(CLOSED_WITHIN).is_ok();
    if !is_closed {
        tracing::warn!("the store is slow; the next proxy sends what waits for it");
    }
    is_closed
}

/// Carries what is spliced to its end, for a while, as long as the supervisor is there.
fn carry_on(shared: &Shared, parting: &Parting) {
    let began_ns = shared.stages.clock.mono_ns();
    let most_ns = i64::try_from(CARRIED_FOR.as_nanos()).unwrap_or(i64::MAX);
    let connections = shared.intake.carried();
    if connections > 0 {
        tracing::info!(
            connections,
            "replaced; connections are carried to their end"
        );
    }
    while shared.intake.carried() > 0
        && shared.stages.clock.mono_ns() - began_ns < most_ns
        && parting.is_heard(CARRIED_POLL)
    {}
}

/// Lets signals pass that whoever sends to all of the daemon's processes means for the supervisor: it has policies reloaded,
/// or the proxy replaced.
fn ignore_signals() -> Result<(), ProxyError> {
    for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGUSR2] {
        let heard = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal, heard).map_err(ProxyError::Signal)?;
    }
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
    let all = Arc::clone(shared);
    let entered = runtime.enter();
    drop(crate::tasks::spawn("look-up", async move {
        resolver.keep(|| all.current().hosts()).await
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
        // What is in the run folder from here on is the next proxy's.
        if shared.intake.is_closed() {
            return;
        }
        let stages = &shared.stages;
        let now_ns = stages.clock.mono_ns();
        stages.registry.sweep(now_ns);
        // Those that a client renewed are kept by then; these were renewed for a statement, which does not wait.
        shared.keeping.update_soon(&shared.logins.take_changed());
        let mut due = shared.sessions.repeats_due(now_ns);
        due.extend(shared.strangers.due(now_ns));
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
    let sessions = shared.sessions.all();
    let unread = sessions
        .iter()
        .map(|session| (session.id(), session.models()));
    counts.extend(unread.filter_map(|(id, models)| models.last_unread(id)));
    counts.extend(shared.strangers.finish());
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
    pulse: &Arc<Pulse>,
) -> Result<(Runtime, Arc<Core>), ProxyError> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
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
            accept::accept(Arc::clone(&core), listener, Some(Ticker::of(pulse))),
        ));
    }
    drop(entered);
    Ok((runtime, core))
}
