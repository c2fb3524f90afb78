//! Loads the embedded object and puts its programs to work: attached fresh, or in the place of an earlier version's.

use std::fs::File;
use std::os::fd::AsFd;

use aya::maps::{Map, MapError};
use aya::programs::links::FdLink;
use aya::programs::{CgroupAttachMode, Program, ProgramError, ProgramType};
use aya::sys::{BpfHelper, is_helper_supported};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use ring::digest;

use super::error::{KernelError, load, map, system};
use super::hierarchy::Home;
use super::logs::{self, Logs};
use super::pins::{self, Pins};
use crate::connection::sys;

/// The programs, as `cargo xtask ebpf` built them.
static OBJECT: &[u8] = include_bytes_aligned!("../../../../agent-ebpf/object/icecore-programs.o");

/// The programs by name, in the order in which they are attached: what carries a connection's description before what
/// redirects it.
const PROGRAMS: [&str; 10] = [
    "sock_create",
    "handshake",
    "bind4",
    "bind6",
    "getpeername4",
    "getpeername6",
    "sendmsg4",
    "sendmsg6",
    "connect4",
    "connect6",
];

/// Tells the SHA-256 of the embedded object.
#[must_use]
pub fn object_digest() -> [u8; 32] {
    let mut bytes = [0; 32];
    let digest = digest::digest(&digest::SHA256, OBJECT);
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

/// The loaded programs.
pub(super) struct Programs {
    ebpf: Ebpf,
}

impl Programs {
    /// Loads the object over the pinned maps, or makes and pins them, and has the kernel verify each program.
    pub(super) fn load(pins: &Pins, program_logs: bool) -> Result<Self, KernelError> {
        let has_set_retval = has(ProgramType::CgroupSockAddr, BpfHelper::BPF_FUNC_set_retval);
        let has_netns = has(ProgramType::SockOps, BpfHelper::BPF_FUNC_get_netns_cookie);
        let log_level = logs::level(program_logs);

        let mut loader = EbpfLoader::new();
        loader
            .override_global("HAS_SET_RETVAL", &has_set_retval, true)
            .override_global("HAS_SOCKOPS_NETNS", &has_netns, true)
            .override_global(aya_log::LEVEL, &log_level, true);
        for name in Pins::map_names() {
            loader.map_pin_path(name, pins.map(name));
        }
        let mut ebpf = loader.load(OBJECT).map_err(load("all"))?;
        for name in PROGRAMS {
            let loaded = match ebpf.program_mut(name) {
                Some(Program::CgroupSock(program)) => program.load(),
                Some(Program::CgroupSockAddr(program)) => program.load(),
                Some(Program::SockOps(program)) => program.load(),
                Some(_) | None => return Err(KernelError::Object { missing: name }),
            };
            loaded.map_err(load(name))?;
        }
        Ok(Self { ebpf })
    }

    /// Hands out a map, typed.
    pub(super) fn take_map<M>(&mut self, name: &'static str) -> Result<M, KernelError>
    where
        M: TryFrom<Map, Error = MapError>,
    {
        let found = self.ebpf.take_map(name);
        let found = found.ok_or(KernelError::Object { missing: name })?;
        M::try_from(found).map_err(map(name, "open"))
    }

    /// Starts to pass the programs' log lines on, if they write any.
    pub(super) fn take_logs(&mut self, program_logs: bool) -> Result<Option<Logs>, KernelError> {
        if !program_logs {
            return Ok(None);
        }
        Logs::start(&mut self.ebpf).map(Some)
    }

    /// Names the programs with the kernel's digest of each.
    pub(super) fn tags(&self) -> Result<Vec<(String, u64)>, KernelError> {
        let mut tags = Vec::new();
        for name in PROGRAMS {
            let program = self.ebpf.program(name);
            let program = program.ok_or(KernelError::Object { missing: name })?;
            let info = program.info().map_err(load(name))?;
            tags.push((name.to_owned(), info.tag()));
        }
        Ok(tags)
    }

    /// Puts each program to work on the capture root.
    ///
    /// A pinned link gets the program in one step. One whose cgroup is gone is attached anew; so is one of another
    /// cgroup, unless sessions are open: they are below that cgroup and would lose their redirection.
    pub(super) fn attach(
        &mut self,
        pins: &Pins,
        home: &Home,
        has_sessions: bool,
    ) -> Result<(), KernelError> {
        if let Some(other) = pins
            .links()?
            .into_iter()
            .find(|link| !PROGRAMS.contains(&link.as_str()))
        {
            return Err(KernelError::OtherSchema {
                path: pins.folder(),
                expected: icecore_ebpf::SCHEMA,
                found: format!("a link `{other}`"),
            });
        }
        let root = File::open(&home.root).map_err(|e| system("open", &home.root, e))?;
        for name in PROGRAMS {
            let path = pins.link(name);
            if path.exists() {
                let failed = |e| system("look at the pinned link", &path, e);
                let link = sys::open_pin(&path).map_err(failed)?;
                let facts = sys::link_facts(link.as_fd()).map_err(failed)?;
                if facts.cgroup_id == home.root_id {
                    let program = self.ebpf.program(name);
                    let program = program.ok_or(KernelError::Object { missing: name })?;
                    let program = program.fd().map_err(load(name))?;
                    sys::replace_program(link.as_fd(), program.as_fd())
                        .map_err(|e| system("replace the program of", &path, e))?;
                    continue;
                }
                if facts.cgroup_id != 0 && has_sessions {
                    return Err(KernelError::OtherRoot {
                        link: name.to_owned(),
                        expected: home.root_id,
                        found: facts.cgroup_id,
                    });
                }
                pins::remove_link(&path)?;
            }
            let link = self.link(name, &root)?;
            link.pin(&path).map_err(load(name))?;
        }
        Ok(())
    }

    /// Attaches a program. `Single` is what aya calls no flags; links are always many to a cgroup, and flags are EINVAL.
    fn link(&mut self, name: &'static str, root: &File) -> Result<FdLink, KernelError> {
        const MODE: CgroupAttachMode = CgroupAttachMode::Single;
        let failed = load::<ProgramError>(name);
        let link = match self.ebpf.program_mut(name) {
            Some(Program::CgroupSock(program)) => {
                let id = program.attach(root, MODE).map_err(&failed)?;
                FdLink::try_from(program.take_link(id).map_err(&failed)?)
            }
            Some(Program::CgroupSockAddr(program)) => {
                let id = program.attach(root, MODE).map_err(&failed)?;
                FdLink::try_from(program.take_link(id).map_err(&failed)?)
            }
            Some(Program::SockOps(program)) => {
                let id = program.attach(root, MODE).map_err(&failed)?;
                FdLink::try_from(program.take_link(id).map_err(&failed)?)
            }
            Some(_) | None => return Err(KernelError::Object { missing: name }),
        };
        link.map_err(load(name))
    }
}

fn has(program_type: ProgramType, helper: BpfHelper) -> u8 {
    u8::from(is_helper_supported(program_type, helper).unwrap_or(false))
}
