//! What is at work in the kernel, as an operator's command sees it beside the daemon: read from the pins, changed nowhere.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::lpm_trie::LpmTrie;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use aya::programs::loaded_programs;
use icecore_ebpf::{
    Cfg, FLAG_GUARD_HOST, GUARD_HOST, GUARD_METADATA, GuardEntry, GuardPlace, SCHEMA, Session,
};

use super::error::{KernelError, map, system};
use super::load::PROGRAMS;
use super::pins::Pins;
use super::{DenyReason, Guarded, sys};

/// A pinned link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedLink {
    /// Name of its hook, which is its pin's.
    pub name: String,
    /// Id of the program that runs.
    pub program_id: u32,
    /// Id of the cgroup it is attached to; 0 once that is gone.
    pub cgroup_id: u64,
    /// The hook, as `enum bpf_attach_type` numbers it.
    pub attach_type: u32,
}

/// A program that runs at a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub id: u32,
    /// Its name, which who loaded it chose; empty if it has none.
    pub name: String,
}

/// What the pins lead to.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// The folder of this schema's pins.
    pub folder: PathBuf,
    /// The links that are pinned.
    pub links: Vec<PinnedLink>,
    /// Hooks that no link is pinned for.
    pub missing: Vec<&'static str>,
    /// Whether sessions' connects are let through.
    pub is_armed: bool,
    /// The proxy's port, as the programs know it.
    pub port: u16,
    /// Whether guarded addresses are denied outside of sessions too.
    pub guards_host: bool,
    /// Age at which the proxy's heartbeat counts as lost.
    pub heartbeat_stale: Duration,
    /// How long ago the last heartbeat was.
    pub heartbeat_age: Duration,
    /// Where governed hosts are guarded.
    pub guarded: Vec<Guarded>,
    /// How many entries guard metadata services.
    pub metadata: usize,
    /// Ports of the daemon's own that sessions may neither dial nor take.
    pub own_ports: Vec<u16>,
    /// How many sessions are open.
    pub sessions: usize,
}

impl Inspection {
    /// Reads what is pinned.
    ///
    /// # Errors
    /// A pin is not there, or is of another version.
    pub fn of(pin_dir: &Path) -> Result<Self, KernelError> {
        let pins = Pins::at(pin_dir);
        let names = pins.links()?;
        let links: Vec<PinnedLink> = names
            .iter()
            .map(|name| pinned(&pins, name))
            .collect::<Result<_, _>>()?;
        let is_pinned = |hook: &&'static str| names.iter().any(|name| name == hook);
        let missing = PROGRAMS.into_iter().filter(|hook| !is_pinned(hook));
        let cfg: Array<MapData, Cfg> = open(&pins, "CFG")?;
        let told = cfg.get(&0, 0).map_err(map("CFG", "read"))?;
        if told.schema != SCHEMA {
            return Err(KernelError::OtherSchema {
                path: pin_dir.to_owned(),
                expected: SCHEMA,
                found: told.schema.to_string(),
            });
        }
        let heartbeat: Array<MapData, u64> = open(&pins, "HEARTBEAT")?;
        let beat = heartbeat.get(&0, 0).map_err(map("HEARTBEAT", "read"))?;
        let places: LpmTrie<MapData, GuardPlace, GuardEntry> = open(&pins, "GUARD")?;
        let mut guarded = Vec::new();
        let mut metadata = 0;
        for entry in places.iter() {
            let (key, entry) = entry.map_err(map("GUARD", "read"))?;
            match entry.kind {
                GUARD_HOST => guarded.push(Guarded::of_key(&key)),
                GUARD_METADATA => metadata += 1,
                _ => {}
            }
        }
        guarded.sort_unstable();
        let own_ports: HashMap<MapData, u16, u8> = open(&pins, "OWN_PORTS")?;
        let own_ports: Result<Vec<u16>, MapError> = own_ports.keys().collect();
        let sessions: HashMap<MapData, u64, Session> = open(&pins, "SESSIONS")?;
        Ok(Self {
            folder: pins.folder(),
            links,
            missing: missing.collect(),
            is_armed: told.armed == 1,
            port: told.port,
            guards_host: told.flags & FLAG_GUARD_HOST != 0,
            heartbeat_stale: Duration::from_millis(told.stale_ms.into()),
            heartbeat_age: Duration::from_nanos(sys::boot_ns().saturating_sub(beat)),
            guarded,
            metadata,
            own_ports: own_ports.map_err(map("OWN_PORTS", "read"))?,
            sessions: sessions.keys().filter_map(Result::ok).count(),
        })
    }
}

impl Inspection {
    /// Tells how often the programs have denied something for a reason since their maps were made, whomever they denied it.
    ///
    /// # Errors
    /// The counters are not pinned, or cannot be read.
    pub fn denied(pin_dir: &Path, reason: DenyReason) -> Result<u64, KernelError> {
        let counters: PerCpuArray<MapData, u64> = open(&Pins::at(pin_dir), "STATS")?;
        let counts = counters.get(&reason.number(), 0);
        let counts = counts.map_err(map("STATS", "read a counter"))?;
        Ok(counts.iter().fold(0, |sum, one| sum.wrapping_add(*one)))
    }
}

fn pinned(pins: &Pins, name: &str) -> Result<PinnedLink, KernelError> {
    let path = pins.link(name);
    let failed = |e| system("look at the pinned link", &path, e);
    let link = sys::open_pin(&path).map_err(failed)?;
    let facts = sys::link_facts(link.as_fd()).map_err(failed)?;
    Ok(PinnedLink {
        name: name.to_owned(),
        program_id: facts.program_id,
        cgroup_id: facts.cgroup_id,
        attach_type: facts.attach_type,
    })
}

/// Opens a pinned map so that it cannot be written.
fn open<M>(pins: &Pins, name: &'static str) -> Result<M, KernelError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let path = pins.map(name);
    let fd = sys::open_pin_read_only(&path).map_err(|e| system("open the pin", &path, e))?;
    let data = MapData::from_fd(fd).map_err(map(name, "open the pin"))?;
    let found = Map::from_map_data(data).map_err(map(name, "open the pin"))?;
    M::try_from(found).map_err(map(name, "open"))
}

/// Lists the programs that run for a cgroup at a hook, those of the cgroups above it included, in the order in which they run:
/// those of the cgroup itself first (linux/kernel/bpf/cgroup.c, `compute_effective_progs`).
///
/// # Errors
/// When the cgroup is none, or the kernel does not tell.
pub fn effective(cgroup: &Path, attach_type: u32) -> io::Result<Vec<Running>> {
    let ids = effective_ids(cgroup, attach_type)?;
    let mut names: BTreeMap<u32, String> = BTreeMap::new();
    for program in loaded_programs().flatten() {
        if ids.contains(&program.id()) {
            let name = String::from_utf8_lossy(program.name()).into_owned();
            names.insert(program.id(), name);
        }
    }
    let named = |id: u32| Running {
        id,
        name: names.get(&id).cloned().unwrap_or_default(),
    };
    Ok(ids.into_iter().map(named).collect())
}

/// Lists the same programs by their ids alone.
///
/// # Errors
/// See [`effective`].
pub fn effective_ids(cgroup: &Path, attach_type: u32) -> io::Result<Vec<u32>> {
    let cgroup = File::open(cgroup)?;
    sys::effective_programs(cgroup.as_fd(), attach_type)
}

/// Tells the id of a cgroup: the number of its folder's inode.
///
/// # Errors
/// When there is no such folder.
pub fn cgroup_id(cgroup: &Path) -> io::Result<u64> {
    Ok(fs::metadata(cgroup)?.ino())
}
