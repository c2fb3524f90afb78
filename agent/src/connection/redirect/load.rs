//! Loads the embedded object and puts its programs to work: attached fresh, or in the place of an earlier version's.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Map, MapError};
use aya::programs::cgroup_skb::CgroupSkbAttachType;
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
pub(super) const PROGRAMS: [&str; 10] = [
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

/// The backstop's program, which runs only where the config asks for it.
const EGRESS: &str = "egress";

/// A pinned link, and what it must hold together.
#[derive(Debug)]
pub(super) struct Link {
    /// Name of its program and its pin.
    pub(super) name: &'static str,
    /// Held beside the pin: a pin that is removed takes no program away while the supervisor runs.
    pub(super) held: OwnedFd,
    /// Id of the program.
    pub(super) program_id: u32,
}

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
    pub(super) ebpf: Ebpf,
    /// Names of those that are attached to the capture root.
    names: Vec<&'static str>,
}

impl Programs {
    /// Loads the object over the pinned maps, or makes and pins them, and has the kernel verify each program.
    pub(super) fn load(
        pins: &Pins,
        program_logs: bool,
        backstop: bool,
    ) -> Result<Self, KernelError> {
        let has_set_retval = has(ProgramType::CgroupSockAddr, BpfHelper::BPF_FUNC_set_retval);
        let has_netns = u8::from(tells_netns());
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
        let names: Vec<&'static str> = PROGRAMS
            .into_iter()
            .chain(backstop.then_some(EGRESS))
            .collect();
        for name in names.iter().copied() {
            let loaded = match ebpf.program_mut(name) {
                Some(Program::CgroupSkb(program)) => program.load(),
                Some(Program::CgroupSock(program)) => program.load(),
                Some(Program::CgroupSockAddr(program)) => program.load(),
                Some(Program::SockOps(program)) => program.load(),
                Some(_) | None => return Err(KernelError::Object { missing: name }),
            };
            loaded.map_err(load(name))?;
        }
        Ok(Self { ebpf, names })
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
        for name in self.names.iter().copied() {
            let info = self.program(name)?.info().map_err(load(name))?;
            tags.push((name.to_owned(), info.tag()));
        }
        Ok(tags)
    }

    fn program(&self, name: &'static str) -> Result<&Program, KernelError> {
        let program = self.ebpf.program(name);
        program.ok_or(KernelError::Object { missing: name })
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
    ) -> Result<Vec<Link>, KernelError> {
        if !self.names.contains(&EGRESS) && pins.link(EGRESS).exists() {
            pins::remove_link(&pins.link(EGRESS))?;
        }
        if let Some(other) = pins
            .links()?
            .into_iter()
            .find(|link| !self.names.contains(&link.as_str()))
        {
            return Err(KernelError::OtherSchema {
                path: pins.folder(),
                expected: icecore_ebpf::SCHEMA,
                found: format!("a link `{other}`"),
            });
        }
        let root = File::open(&home.root).map_err(|e| system("open", &home.root, e))?;
        let names = self.names.clone();
        let mut links = Vec::new();
        for name in names {
            let held = match self.take_over(name, pins, home, has_sessions)? {
                Some(held) => held,
                None => self.attach_anew(name, pins, &root)?,
            };
            links.push(self.hold(name, held)?);
        }
        Ok(links)
    }

    /// Puts a program into the link that is pinned, if there is one that can have it.
    fn take_over(
        &self,
        name: &'static str,
        pins: &Pins,
        home: &Home,
        has_sessions: bool,
    ) -> Result<Option<OwnedFd>, KernelError> {
        let path = pins.link(name);
        if !path.exists() {
            return Ok(None);
        }
        let failed = |e| system("look at the pinned link", &path, e);
        let link = sys::open_pin(&path).map_err(failed)?;
        let facts = sys::link_facts(link.as_fd()).map_err(failed)?;
        if facts.cgroup_id == home.root_id {
            self.replace(name, pins, link.as_fd())?;
            return Ok(Some(link));
        }
        if facts.cgroup_id != 0 && has_sessions {
            return Err(KernelError::OtherRoot {
                link: name.to_owned(),
                expected: home.root_id,
                found: facts.cgroup_id,
            });
        }
        pins::remove_link(&path)?;
        Ok(None)
    }

    fn replace(
        &self,
        name: &'static str,
        pins: &Pins,
        link: BorrowedFd<'_>,
    ) -> Result<(), KernelError> {
        let program = self.program(name)?.fd().map_err(load(name))?;
        sys::replace_program(link, program.as_fd())
            .map_err(|e| system("replace the program of", &pins.link(name), e))
    }

    fn attach_anew(
        &mut self,
        name: &'static str,
        pins: &Pins,
        root: &File,
    ) -> Result<OwnedFd, KernelError> {
        let path = pins.link(name);
        self.link(name, root)?.pin(&path).map_err(load(name))?;
        sys::open_pin(&path).map_err(|e| system("look at the pinned link", &path, e))
    }

    fn hold(&self, name: &'static str, held: OwnedFd) -> Result<Link, KernelError> {
        let program_id = self.program(name)?.info().map_err(load(name))?.id();
        Ok(Link {
            name,
            held,
            program_id,
        })
    }

    /// Brings links back to what they must be: pins them anew, puts the programs into them, attaches those that were cut.
    pub(super) fn mend(
        &mut self,
        links: &mut [Link],
        pins: &Pins,
        home: &Home,
    ) -> Result<(), KernelError> {
        let root = File::open(&home.root).map_err(|e| system("open", &home.root, e))?;
        for link in links {
            let path = pins.link(link.name);
            let failed = |e| system("look at the link of", &path, e);
            let facts = sys::link_facts(link.held.as_fd()).map_err(failed)?;
            if facts.cgroup_id != home.root_id {
                if path.exists() {
                    pins::remove_link(&path)?;
                }
                link.held = self.attach_anew(link.name, pins, &root)?;
                continue;
            }
            if facts.program_id != link.program_id {
                self.replace(link.name, pins, link.held.as_fd())?;
            }
            if !path.exists() {
                sys::pin(link.held.as_fd(), &path).map_err(|e| system("pin", &path, e))?;
            }
        }
        Ok(())
    }

    /// Attaches a program. `Single` is what aya calls no flags; links are always many to a cgroup, and flags are EINVAL.
    fn link(&mut self, name: &'static str, root: &File) -> Result<FdLink, KernelError> {
        const MODE: CgroupAttachMode = CgroupAttachMode::Single;
        let failed = load::<ProgramError>(name);
        let link = match self.ebpf.program_mut(name) {
            Some(Program::CgroupSkb(program)) => {
                let egress = CgroupSkbAttachType::Egress;
                let id = program.attach(root, egress, MODE).map_err(&failed)?;
                FdLink::try_from(program.take_link(id).map_err(&failed)?)
            }
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

/// Tells whether socket operations can tell their network namespace (5.15).
pub(super) fn tells_netns() -> bool {
    has(ProgramType::SockOps, BpfHelper::BPF_FUNC_get_netns_cookie) == 1
}

fn has(program_type: ProgramType, helper: BpfHelper) -> u8 {
    u8::from(is_helper_supported(program_type, helper).unwrap_or(false))
}
