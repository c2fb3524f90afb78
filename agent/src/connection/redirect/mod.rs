//! The kernel's part: programs that redirect a session's connections to the proxy and say whose they are.
//!
//! The supervisor holds a [`Kernel`]; the proxy, in its own process, holds only [`Destinations`]. Links and maps are
//! pinned: they outlive both, and only [`detach`] takes them away.

mod containers;
mod destinations;
mod error;
mod events;
mod guard;
mod heartbeat;
mod hierarchy;
mod inspect;
mod lineage;
mod load;
mod logs;
mod pins;
mod probe;
mod stats;
mod watch;

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, SkStorage};
use icecore_ebpf::{
    Cfg, ConnMeta, EVENT_DENIED, EVENT_EXEC, FLAG_GUARD_HOST, FlowKey, KIND_PROXY, Rate, RateKey,
    SCHEMA, SESSION_CONTAINER, Session, SkId,
};
use tracing::{error, warn};

pub use self::containers::Container;
pub(crate) use self::destinations::lookups_need_a_capability;
pub use self::destinations::{Destinations, LookUpError, Redirected};
pub use self::error::KernelError;
pub use self::events::{Deed, Denial, DenyReason, Events, Seen, wait_for_events};
pub use self::guard::Guarded;
pub use self::heartbeat::Heartbeat;
pub use self::hierarchy::{cgroup_depth, v2_mount};
pub use self::inspect::{Inspection, PinnedLink, Running, cgroup_id, effective, effective_ids};
pub use self::lineage::look_for_lineage;
pub use self::load::object_digest;
pub use self::pins::{detach, is_on_bpffs, is_pinned, look_at_pins};
pub use self::probe::{Missing, Need, probe};
pub use self::stats::Stats;
pub use self::watch::Tampered;

use self::error::{is_absent, map, system};
use self::guard::GuardMaps;
use self::hierarchy::Home;
use self::load::{Link, Programs};
use self::logs::Logs;
use self::pins::Pins;
use super::sys;
use crate::id::SessionId;

/// Age at which a flow whose other end never came is of no more use.
const FLOW_AGE_MAX: Duration = Duration::from_secs(30);

/// What to install, and where.
#[derive(Clone, Debug)]
pub struct Installation<'a> {
    /// Cgroup that everything governed is below; the programs attach here.
    pub root: &'a Path,
    /// Folder on a BPF file system that the pins go below.
    pub pin_dir: &'a Path,
    /// The proxy's port.
    pub port: u16,
    /// Ports whose connections go to the proxy.
    pub redirect_ports: &'a [u16],
    /// Whether the programs write log lines.
    pub program_logs: bool,
    /// Whether guarded addresses are denied to all below `root`, not to sessions alone.
    pub guards_host: bool,
    /// Age at which the proxy's heartbeat counts as lost.
    pub heartbeat_stale: Duration,
    /// Whether packets to guarded addresses are dropped as well.
    pub backstop: bool,
    /// Id of `<root>/icecore/daemon`; the process that makes the listeners must be in it before it makes them.
    pub daemon_cgroup_id: u64,
}

/// Names a session to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTag {
    /// The session.
    pub id: SessionId,
    /// Random; keeps a reused cgroup id from matching an older session's sockets.
    pub nonce: u64,
    /// Uid that asked for the session.
    pub uid: u32,
}

/// The installed programs and their maps, as the supervisor holds them.
pub struct Kernel {
    pins: Pins,
    home: Home,
    told: Cfg,
    cfg: Array<MapData, Cfg>,
    sessions: HashMap<MapData, u64, Session>,
    flows: HashMap<MapData, FlowKey, ConnMeta>,
    tags: SkStorage<MapData, SkId>,
    heartbeat: Array<MapData, u64>,
    guard: GuardMaps,
    rates: HashMap<MapData, RateKey, Rate>,
    stats: PerCpuArray<MapData, u64>,
    events: Option<Events>,
    program_tags: Vec<(String, u64)>,
    programs: Programs,
    links: Vec<Link>,
    held_maps: Vec<(&'static str, OwnedFd)>,
    tells_netns: bool,
    has_lineage: bool,
    _logs: Option<Logs>,
}

impl Kernel {
    /// Installs the programs, disarmed: fresh, or over pins that an earlier process left.
    ///
    /// Over pins of the same schema the maps, and with them the open sessions, stay, and each program is replaced in one
    /// step, so that no connect of a session passes in between. The proxy's listeners must be made after this, by a
    /// process in the daemon's cgroup: the kernel knows them by a tag that they get when they are made, which
    /// [`Kernel::require_tag`] checks.
    ///
    /// # Errors
    ///
    /// Each variant of [`KernelError`] says what was expected and found; its hint says what to do.
    pub fn install(installation: &Installation<'_>) -> Result<Self, KernelError> {
        let pins = Pins::open(installation.pin_dir)?;
        pins.disarm()?;
        Self::over(pins, installation, 0, Namespaces::Forget)
    }

    /// Installs the programs over those of a daemon whose listeners are open: whether sessions' connects are let through
    /// stays as it is.
    ///
    /// # Errors
    ///
    /// As of [`Kernel::install`]; what was changed by then does what it did before.
    pub fn take_over(installation: &Installation<'_>) -> Result<Self, KernelError> {
        let pins = Pins::open(installation.pin_dir)?;
        let armed = pins.armed()?;
        Self::over(pins, installation, armed, Namespaces::Keep)
    }

    fn over(
        pins: Pins,
        installation: &Installation<'_>,
        armed: u32,
        namespaces: Namespaces,
    ) -> Result<Self, KernelError> {
        let home = Home::find(installation.root, installation.daemon_cgroup_id)?;

        let told = Cfg {
            schema: SCHEMA,
            armed,
            daemon_cgroup_id: installation.daemon_cgroup_id,
            home_cgroup_id: home.cgroup_id,
            host_netns: host_netns()?,
            level: home.session_level,
            stale_ms: u32::try_from(installation.heartbeat_stale.as_millis()).unwrap_or(u32::MAX),
            port: installation.port,
            flags: u16::from(installation.guards_host) * FLAG_GUARD_HOST,
            ..Cfg::default()
        };
        let mut programs = Programs::load(&pins, installation.program_logs, installation.backstop)?;
        let logs = programs.take_logs(installation.program_logs)?;
        let mut kernel = Self {
            cfg: programs.take_map("CFG")?,
            sessions: programs.take_map("SESSIONS")?,
            flows: programs.take_map("FLOWS")?,
            tags: programs.take_map("SK_ID")?,
            heartbeat: programs.take_map("HEARTBEAT")?,
            guard: GuardMaps {
                places: programs.take_map("GUARD")?,
                own_ports: programs.take_map("OWN_PORTS")?,
                netns: programs.take_map("NETNS")?,
            },
            rates: programs.take_map("RATES")?,
            stats: programs.take_map("STATS")?,
            events: Some(Events::new(programs.take_map("EVENTS")?)),
            program_tags: programs.tags()?,
            links: Vec::new(),
            held_maps: watch::hold_maps(&pins)?,
            tells_netns: load::tells_netns(),
            has_lineage: false,
            programs,
            pins,
            home,
            told,
            _logs: logs,
        };
        // Before the programs are told anything: no container may be taken for an outsider in between.
        kernel.look_for_containers()?;
        kernel.tell()?;
        kernel.guard.begin(namespaces)?;
        redirect_only(
            &mut kernel.programs.take_map("PORTS")?,
            installation.redirect_ports,
        )?;
        let has_sessions = !kernel.sessions().is_empty() || !kernel.containers().is_empty();
        kernel.links = kernel
            .programs
            .attach(&kernel.pins, &kernel.home, has_sessions)?;
        kernel.observe_lineage();
        Ok(kernel)
    }

    /// Begins to observe forks and execs of sessions' tasks, if the host lets us.
    fn observe_lineage(&mut self) {
        match self.programs.observe_lineage() {
            Ok(()) => self.has_lineage = true,
            Err(failure) => {
                let failure = format!("{:#}", anyhow::Error::from(failure));
                warn!(failure, "lineage of sessions' processes is not observed");
            }
        }
    }

    /// Tells whether forks and execs of sessions' tasks are observed.
    #[must_use]
    pub fn has_lineage(&self) -> bool {
        self.has_lineage
    }

    /// Hands out what the programs tell, to its one reader.
    pub fn take_events(&mut self) -> Option<Events> {
        self.events.take()
    }

    /// Lets sessions' connects go to the proxy, which must show its heartbeat from here on.
    ///
    /// # Errors
    ///
    /// If a map cannot be written.
    pub fn arm(&mut self) -> Result<(), KernelError> {
        self.beat()?;
        self.told.armed = 1;
        self.tell()
    }

    /// Refuses sessions' connects from here on: ECONNREFUSED, or EPERM before kernel 5.18.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub fn disarm(&mut self) -> Result<(), KernelError> {
        self.told.armed = 0;
        self.tell()
    }

    /// Opens a session for a cgroup; must be done before any process is moved into it.
    ///
    /// The cgroup must be `<root>/icecore/<name>`; cgroups below it belong to the session too.
    ///
    /// # Errors
    ///
    /// If the map is full or cannot be written.
    pub fn add_session(&mut self, cgroup_id: u64, tag: SessionTag) -> Result<(), KernelError> {
        let session = Session {
            id: *tag.id.as_bytes(),
            nonce: tag.nonce,
            uid: tag.uid,
            ..Session::default()
        };
        self.sessions
            .insert(cgroup_id, session, 0)
            .map_err(map("SESSIONS", "add a session"))
    }

    /// Closes the session of a cgroup; what still runs in it gets no network from here on.
    ///
    /// # Errors
    ///
    /// If the map cannot be written. A session that is not there is none.
    pub fn remove_session(&mut self, cgroup_id: u64) -> Result<(), KernelError> {
        match self.sessions.remove(&cgroup_id) {
            Err(source) if !is_absent(&source) => {
                return Err(map("SESSIONS", "remove a session")(source));
            }
            Ok(()) | Err(_) => {}
        }
        // After it: what is denied from here on is nobody's.
        for kind in [EVENT_DENIED, EVENT_EXEC] {
            let key = RateKey {
                cgroup_id,
                kind,
                reserved: 0,
            };
            match self.rates.remove(&key) {
                Err(source) if !is_absent(&source) => {
                    return Err(map("RATES", "forget a session")(source));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Lists the open sessions in cgroups of ours by cgroup id; they outlive the process that opened them.
    #[must_use]
    pub fn sessions(&self) -> Vec<(u64, SessionTag)> {
        let mut sessions = Vec::new();
        for entry in self.sessions.iter() {
            match entry {
                Ok((_, session)) if session.flags & SESSION_CONTAINER != 0 => {}
                Ok((cgroup_id, session)) => {
                    let id = SessionId::from_bytes(session.id);
                    let Session { nonce, uid, .. } = session;
                    sessions.push((cgroup_id, SessionTag { id, nonce, uid }));
                }
                Err(failure) => error!(%failure, "read the kernel's sessions in part"),
            }
        }
        sessions.sort_unstable_by_key(|(cgroup_id, _)| *cgroup_id);
        sessions
    }

    /// Opens, read-only, the map that the proxy looks destinations up in.
    ///
    /// # Errors
    ///
    /// If the pin is gone or may not be opened.
    pub fn destinations_fd(&self) -> Result<OwnedFd, KernelError> {
        let path = self.pins.map("SK_SRV");
        sys::open_pin_read_only(&path).map_err(|source| system("open the pin", &path, source))
    }

    /// Checks that the kernel will know a listener's connections as the proxy's; without its tag each would be reset.
    ///
    /// # Errors
    ///
    /// If the listener was made before the programs were installed, or by a process outside the daemon's cgroup.
    pub fn require_tag(&self, listener: BorrowedFd<'_>) -> Result<(), KernelError> {
        match self.tags.get(&listener.as_raw_fd(), 0) {
            Ok(tag) if tag.kind == KIND_PROXY => Ok(()),
            Ok(_) => Err(KernelError::ListenerUntagged),
            Err(failure) if is_absent(&failure) => Err(KernelError::ListenerUntagged),
            Err(source) => Err(map("SK_ID", "look up a listener")(source)),
        }
    }

    /// Forgets flows older than 30 seconds, whose handshake ended at one end only; gives their number.
    ///
    /// # Errors
    ///
    /// If the map cannot be read or written.
    pub fn sweep(&mut self) -> Result<usize, KernelError> {
        self.sweep_older_than(FLOW_AGE_MAX)
    }

    /// Forgets flows that are `older_than` this; gives their number.
    ///
    /// # Errors
    ///
    /// If the map cannot be read or written.
    pub fn sweep_older_than(&mut self, older_than: Duration) -> Result<usize, KernelError> {
        let age_ns = u64::try_from(older_than.as_nanos()).unwrap_or(u64::MAX);
        let oldest = sys::boot_ns().saturating_sub(age_ns);
        let stale: Vec<FlowKey> = self
            .flows
            .iter()
            .filter_map(Result::ok)
            .filter(|(_, flow)| flow.boot_ns < oldest)
            .map(|(key, _)| key)
            .collect();
        let mut swept = 0;
        for key in stale {
            match self.flows.remove(&key) {
                Ok(()) => swept += 1,
                Err(source) if is_absent(&source) => {}
                Err(source) => return Err(map("FLOWS", "sweep")(source)),
            }
        }
        Ok(swept)
    }

    /// Names the loaded programs with the kernel's digest of each, for the record.
    #[must_use]
    pub fn program_tags(&self) -> &[(String, u64)] {
        &self.program_tags
    }

    /// Tells the folder of the pins.
    #[must_use]
    pub fn pinned_at(&self) -> PathBuf {
        self.pins.folder()
    }

    fn tell(&mut self) -> Result<(), KernelError> {
        self.cfg
            .set(0, self.told, 0)
            .map_err(map("CFG", "tell the programs"))
    }
}

/// What becomes of network namespaces that an earlier daemon's listeners are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Namespaces {
    /// Its listeners went with it.
    Forget,
    /// They go on.
    Keep,
}

/// Makes `ports` the ones that are redirected; adds before it removes.
fn redirect_only(known: &mut HashMap<MapData, u16, u8>, ports: &[u16]) -> Result<(), KernelError> {
    for port in ports {
        known
            .insert(port, 1, 0)
            .map_err(map("PORTS", "add a port"))?;
    }
    let stale: Vec<u16> = known
        .keys()
        .filter_map(Result::ok)
        .filter(|port| !ports.contains(port))
        .collect();
    for port in stale {
        known.remove(&port).map_err(map("PORTS", "remove a port"))?;
    }
    Ok(())
}

/// Tells the cookie of the network namespace that a socket was made in.
///
/// # Errors
///
/// If the kernel cannot (before 5.14).
pub fn netns_cookie(socket: BorrowedFd<'_>) -> std::io::Result<u64> {
    sys::netns_cookie(socket)
}

/// Tells the network namespace that the listeners will be in; 0 if the kernel cannot (before 5.14), meaning the initial one.
fn host_netns() -> Result<u64, KernelError> {
    let socket =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|source| KernelError::System {
            action: "open a socket on",
            at: "127.0.0.1".to_owned(),
            source,
        })?;
    Ok(sys::netns_cookie(socket.as_fd()).unwrap_or(0))
}
