//! The pins: what makes links and maps outlive the process that made them.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use aya::maps::{Array, HashMap, Map, MapData, MapInfo};
use icecore_ebpf::{
    Cfg, ConnMeta, EVENTS_BYTES, FLOWS_MAX, FlowKey, GUARD_MAX, GuardEntry, GuardKey, NETNS_MAX,
    OWN_PORTS_MAX, PORTS_MAX, RATES_MAX, Rate, RateKey, SCHEMA, SESSIONS_MAX, STATS_MAX, Session,
    SkId, TASKS_MAX, Task,
};
use tracing::{debug, info};

use super::error::{KernelError, map, system};
use crate::connection::sys;

/// Source: `BPF_FS_MAGIC` in linux/include/uapi/linux/magic.h.
const BPFFS_MAGIC: u64 = 0xcafe_4a11;

/// Name, key bytes, value bytes and entries of each pinned map; a change of any is another [`SCHEMA`].
const MAPS: [(&str, usize, usize, usize); 15] = [
    ("CFG", 4, size_of::<Cfg>(), 1),
    ("SESSIONS", 8, size_of::<Session>(), SESSIONS_MAX),
    ("PORTS", 2, 1, PORTS_MAX),
    (
        "FLOWS",
        size_of::<FlowKey>(),
        size_of::<ConnMeta>(),
        FLOWS_MAX,
    ),
    ("SK_ID", 4, size_of::<SkId>(), 0),
    ("SK_DST", 4, size_of::<ConnMeta>(), 0),
    ("SK_SRV", 4, size_of::<ConnMeta>(), 0),
    ("HEARTBEAT", 4, 8, 1),
    (
        "GUARD",
        size_of::<GuardKey>(),
        size_of::<GuardEntry>(),
        GUARD_MAX,
    ),
    ("OWN_PORTS", 2, 1, OWN_PORTS_MAX),
    ("NETNS", 8, 2, NETNS_MAX),
    ("TASKS", 4, size_of::<Task>(), TASKS_MAX),
    ("EVENTS", 0, 0, EVENTS_BYTES),
    ("RATES", size_of::<RateKey>(), size_of::<Rate>(), RATES_MAX),
    ("STATS", 4, 8, STATS_MAX),
];

/// The folders of this schema's pins.
#[derive(Debug)]
pub(super) struct Pins {
    pin_dir: PathBuf,
}

impl Pins {
    /// Makes the folders, or checks that those that are there are ours and of this schema.
    pub(super) fn open(pin_dir: &Path) -> Result<Self, KernelError> {
        require_bpffs(pin_dir)?;
        let pins = Self::at(pin_dir);
        for folder in [
            pin_dir.to_owned(),
            pins.folder(),
            pins.folder().join("maps"),
            pins.folder().join("links"),
        ] {
            make_ours(&folder)?;
        }
        pins.retire_earlier()?;
        pins.require_schema()?;
        Ok(pins)
    }

    /// Names the folders, and makes nothing.
    pub(super) fn at(pin_dir: &Path) -> Self {
        Self {
            pin_dir: pin_dir.to_owned(),
        }
    }

    /// Takes away what an earlier version's schema left, while no session is open in it.
    ///
    /// Its links run programs that know nothing of ours, so that a connect would be judged twice.
    fn retire_earlier(&self) -> Result<(), KernelError> {
        for name in names(&self.pin_dir)? {
            let schema = name
                .strip_prefix('v')
                .and_then(|number| number.parse::<u32>().ok());
            if schema.is_none_or(|schema| schema >= SCHEMA) {
                continue;
            }
            let folder = self.pin_dir.join(&name);
            if has_sessions(&folder.join("maps").join("SESSIONS"))? {
                return Err(KernelError::OtherSchema {
                    path: self.pin_dir.clone(),
                    expected: SCHEMA,
                    found: format!("{name} with sessions open"),
                });
            }
            remove_schema(&folder)?;
            info!(schema = name, "pins of an earlier version were taken away");
        }
        Ok(())
    }

    /// Tells the folder that the pins of all schemas go below.
    pub(super) fn pin_dir(&self) -> &Path {
        &self.pin_dir
    }

    /// Tells the folder of this schema's pins.
    pub(super) fn folder(&self) -> PathBuf {
        self.pin_dir.join(format!("v{SCHEMA}"))
    }

    /// Names the maps that are pinned.
    pub(super) fn map_names() -> impl Iterator<Item = &'static str> {
        MAPS.iter().map(|(name, ..)| *name)
    }

    /// Tells where a map is pinned.
    pub(super) fn map(&self, name: &str) -> PathBuf {
        self.folder().join("maps").join(name)
    }

    /// Tells where a link is pinned.
    pub(super) fn link(&self, name: &str) -> PathBuf {
        self.folder().join("links").join(name)
    }

    /// Names the links that are pinned.
    pub(super) fn links(&self) -> Result<Vec<String>, KernelError> {
        names(&self.folder().join("links"))
    }

    /// Tells whether sessions' connects are let through, as the map has it.
    pub(super) fn armed(&self) -> Result<u32, KernelError> {
        match self.cfg()? {
            Some(cfg) => Ok(cfg.get(&0, 0).map_err(map("CFG", "read"))?.armed),
            None => Ok(0),
        }
    }

    /// Refuses sessions' connects if programs are there already.
    pub(super) fn disarm(&self) -> Result<(), KernelError> {
        let Some(mut cfg) = self.cfg()? else {
            return Ok(());
        };
        let mut told = cfg.get(&0, 0).map_err(map("CFG", "read"))?;
        told.armed = 0;
        cfg.set(0, told, 0).map_err(map("CFG", "disarm"))
    }

    fn cfg(&self) -> Result<Option<Array<MapData, Cfg>>, KernelError> {
        let path = self.map("CFG");
        if !path.exists() {
            return Ok(None);
        }
        let data = MapData::from_pin(path).map_err(map("CFG", "open the pin"))?;
        let cfg = Map::from_map_data(data).and_then(Array::try_from);
        cfg.map(Some).map_err(map("CFG", "open the pin"))
    }

    fn require_schema(&self) -> Result<(), KernelError> {
        let other = |found: String| KernelError::OtherSchema {
            path: self.pin_dir.clone(),
            expected: SCHEMA,
            found,
        };
        let ours = format!("v{SCHEMA}");
        for name in names(&self.pin_dir)? {
            if name != ours {
                return Err(other(name));
            }
        }
        for (name, key_bytes, value_bytes, entries) in MAPS {
            let path = self.map(name);
            if !path.exists() {
                continue;
            }
            let info = MapInfo::from_pin(path).map_err(map(name, "open the pin"))?;
            let found = [info.key_size(), info.value_size(), info.max_entries()];
            if found.map(|number| number as usize) != [key_bytes, value_bytes, entries] {
                let [key, value, entries] = found;
                return Err(other(format!(
                    "{name} with {key} key bytes, {value} value bytes, {entries} entries"
                )));
            }
        }
        // A map that was made and never told anything has schema 0: its maker died before it attached anything.
        if let Some(cfg) = self.cfg()? {
            let told = cfg.get(&0, 0).map_err(map("CFG", "read"))?;
            if told.schema != SCHEMA && told.schema != 0 {
                return Err(other(told.schema.to_string()));
            }
        }
        Ok(())
    }
}

/// Looks whether this version can go on with what is pinned. Changes nothing.
///
/// # Errors
///
/// If there is something of another version.
pub fn look_at_pins(pin_dir: &Path) -> Result<(), KernelError> {
    require_bpffs(pin_dir)?;
    let pins = Pins::at(pin_dir);
    if !pin_dir.exists() {
        return Ok(());
    }
    pins.require_schema()
}

/// Tells whether anything is pinned.
#[must_use]
pub fn is_pinned(pin_dir: &Path) -> bool {
    pin_dir.exists()
}

/// Takes away links and maps of every schema; tells whether there were any.
///
/// Sessions that still run are not redirected any more: the caller ends them first.
///
/// # Errors
///
/// If a pin cannot be removed.
pub fn detach(pin_dir: &Path) -> Result<bool, KernelError> {
    if !pin_dir.exists() {
        return Ok(false);
    }
    require_bpffs(pin_dir)?;
    let mut found = false;
    for schema in names(pin_dir)? {
        found |= remove_schema(&pin_dir.join(schema))?;
    }
    fs::remove_dir(pin_dir).map_err(|e| system("remove", pin_dir, e))?;
    Ok(found)
}

/// Takes away links and maps of one schema, links first; tells whether there were any.
fn remove_schema(schema: &Path) -> Result<bool, KernelError> {
    let mut found = false;
    for kind in ["links", "maps"] {
        let folder = schema.join(kind);
        if !folder.exists() {
            continue;
        }
        for name in names(&folder)? {
            let pin = folder.join(name);
            match kind {
                "links" => remove_link(&pin)?,
                _ => fs::remove_file(&pin).map_err(|e| system("remove", &pin, e))?,
            }
            found = true;
        }
        fs::remove_dir(&folder).map_err(|e| system("remove", &folder, e))?;
    }
    fs::remove_dir(schema).map_err(|e| system("remove", schema, e))?;
    Ok(found)
}

/// Tells whether an earlier schema's map knows an open session; the bytes of a session were the same in each so far.
fn has_sessions(pin: &Path) -> Result<bool, KernelError> {
    if !pin.exists() {
        return Ok(false);
    }
    let failed = || map("SESSIONS", "open the earlier version's pin");
    let data = MapData::from_pin(pin).map_err(failed())?;
    let sessions = Map::from_map_data(data).map_err(failed())?;
    let sessions: HashMap<MapData, u64, Session> = sessions.try_into().map_err(failed())?;
    match sessions.keys().next() {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(source)) => Err(failed()(source)),
    }
}

/// Takes a link's program from its cgroup and removes the pin.
///
/// Without the first step the kernel would do it some time after the pin is gone.
pub(super) fn remove_link(pin: &Path) -> Result<(), KernelError> {
    if let Ok(link) = sys::open_pin(pin)
        && let Err(failure) = sys::detach(link.as_fd())
    {
        // Its cgroup is gone, or the kernel is older than 5.9: then the kernel does it by itself.
        debug!(%failure, pin = %pin.display(), "left a link to the kernel to detach");
    }
    fs::remove_file(pin).map_err(|e| system("remove", pin, e))
}

/// Tells whether a folder, or the nearest one above it that exists, is on a BPF file system.
#[must_use]
pub fn is_on_bpffs(path: &Path) -> bool {
    require_bpffs(path).is_ok()
}

fn require_bpffs(path: &Path) -> Result<(), KernelError> {
    let nearest = path.ancestors().find(|path| path.exists());
    let nearest = nearest.unwrap_or(Path::new("/"));
    let file_system =
        rustix::fs::statfs(nearest).map_err(|e| system("look at", nearest, e.into()))?;
    if u64::try_from(file_system.f_type) == Ok(BPFFS_MAGIC) {
        return Ok(());
    }
    Err(KernelError::NotBpffs {
        found: nearest.to_owned(),
    })
}

/// Makes a folder that only we may enter, or checks that it is one: a BPF file system's root lets everybody make some.
fn make_ours(folder: &Path) -> Result<(), KernelError> {
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(failure) if failure.kind() != io::ErrorKind::AlreadyExists => {
            return Err(system("make the folder", folder, failure));
        }
        Ok(()) | Err(_) => {}
    }
    let metadata = fs::symlink_metadata(folder).map_err(|e| system("look at", folder, e))?;
    let expected_uid = rustix::process::geteuid().as_raw();
    let found_mode = metadata.mode() & 0o777;
    if metadata.is_dir() && metadata.uid() == expected_uid && found_mode & 0o077 == 0 {
        return Ok(());
    }
    Err(KernelError::PinsNotOurs {
        path: folder.to_owned(),
        expected_uid,
        found_uid: metadata.uid(),
        found_mode,
    })
}

fn names(folder: &Path) -> Result<Vec<String>, KernelError> {
    let failed = |e| system("read", folder, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
