//! Containers as sessions: known by the id of their own cgroup, in which they stay.
//!
//! Moving a container out of its cgroup would take it from its runtime's limits and accounting. The programs look for it among
//! the cgroups above a process, at the depths alone at which there are such sessions.

use aya::maps::{HashMap, MapData};
use icecore_ebpf::{CONTAINER_LEVELS_MAX, SESSION_CONTAINER, SESSION_ENDED, Session};

use super::error::{KernelError, is_absent, map};
use super::{Kernel, SessionTag};
use crate::id::SessionId;

/// A container that is a session, or was one and still has its cgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Container {
    /// Id of its cgroup.
    pub cgroup_id: u64,
    /// Its session.
    pub tag: SessionTag,
    /// Whether that is over: what runs in it gets no network.
    pub is_ended: bool,
}

impl Kernel {
    /// Opens a session for a cgroup anywhere below the capture root and outside of `<root>/icecore`; those below it belong to it.
    ///
    /// What runs in it is governed from here on. `level` is its depth, by [`cgroup_depth`](super::cgroup_depth).
    ///
    /// # Errors
    ///
    /// If it lies more than 16 levels below the hierarchy's root, or a map cannot be written.
    pub fn add_container(
        &mut self,
        cgroup_id: u64,
        level: u32,
        tag: SessionTag,
    ) -> Result<(), KernelError> {
        // Of its own, not beside the others: no container can lie so that another is refused.
        if !(1..=CONTAINER_LEVELS_MAX).contains(&level) {
            return Err(KernelError::ContainerDepth { found: level });
        }
        // An earlier version's may lie deeper; until they are gone they count.
        let depths = self.depths().into_iter().chain([level]);
        self.told_depths(depths)?;
        let session = Session {
            id: *tag.id.as_bytes(),
            nonce: tag.nonce,
            uid: tag.uid,
            flags: SESSION_CONTAINER,
            level,
            ..Session::default()
        };
        self.sessions
            .insert(cgroup_id, session, 0)
            .map_err(map("SESSIONS", "add a container"))?;
        self.look_for_containers()?;
        self.tell()
    }

    /// Closes the session of a container; what runs in there gets no network until the cgroup is gone, and
    /// [`Kernel::forget_container`] is told so.
    ///
    /// # Errors
    ///
    /// If the map cannot be written. A session that is not there is none.
    pub fn end_container(&mut self, cgroup_id: u64) -> Result<(), KernelError> {
        let mut session = match self.sessions.get(&cgroup_id, 0) {
            Ok(session) => session,
            Err(failure) if is_absent(&failure) => return Ok(()),
            Err(source) => return Err(map("SESSIONS", "look up a container")(source)),
        };
        session.flags |= SESSION_ENDED;
        self.sessions
            .insert(cgroup_id, session, 0)
            .map_err(map("SESSIONS", "end a container"))
    }

    /// Forgets a container whose cgroup is gone.
    ///
    /// # Errors
    ///
    /// If a map cannot be written.
    pub fn forget_container(&mut self, cgroup_id: u64) -> Result<(), KernelError> {
        self.remove_session(cgroup_id)?;
        self.look_for_containers()?;
        self.tell()
    }

    /// Lists the containers that are sessions, or were; they outlive the process that opened them.
    #[must_use]
    pub fn containers(&self) -> Vec<Container> {
        let of = |(cgroup_id, session): (u64, Session)| Container {
            cgroup_id,
            tag: SessionTag {
                id: SessionId::from_bytes(session.id),
                nonce: session.nonce,
                uid: session.uid,
            },
            is_ended: session.flags & SESSION_ENDED != 0,
        };
        let mut all: Vec<Container> = entries(&self.sessions).map(of).collect();
        all.sort_unstable_by_key(|container| container.cgroup_id);
        all
    }

    fn depths(&self) -> Vec<u32> {
        entries(&self.sessions)
            .map(|(_, session)| session.level)
            .collect()
    }

    /// Notes at which depths the programs must look; they are told by [`Kernel::tell`].
    pub(super) fn look_for_containers(&mut self) -> Result<(), KernelError> {
        let (from, to) = self.told_depths(self.depths().into_iter())?;
        self.told.containers_from = from;
        self.told.containers_to = to;
        Ok(())
    }

    fn told_depths(&self, depths: impl Iterator<Item = u32>) -> Result<(u16, u16), KernelError> {
        let depths: Vec<u32> = depths.collect();
        let (Some(from), Some(to)) = (depths.iter().min(), depths.iter().max()) else {
            return Ok((0, 0));
        };
        let is_near = *from > 0 && to - from < CONTAINER_LEVELS_MAX;
        match (u16::try_from(*from), u16::try_from(*to), is_near) {
            (Ok(from), Ok(to), true) => Ok((from, to)),
            (_, _, _) => Err(KernelError::ContainerDepths {
                from: *from,
                to: *to,
            }),
        }
    }
}

/// Gives the containers' entries. What cannot be read counts as none; the map is in memory, and only a changing one skips.
fn entries(sessions: &HashMap<MapData, u64, Session>) -> impl Iterator<Item = (u64, Session)> {
    sessions
        .iter()
        .filter_map(Result::ok)
        .filter(|(_, session)| session.flags & SESSION_CONTAINER != 0)
}
