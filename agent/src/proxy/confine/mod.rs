//! What the proxy gives up before it does anything else.
//!
//! The supervisor starts it under its own user, with an empty bounding set, without groups and with no way to gain
//! privileges. The proxy drops what is its own to drop, looks whether anything is left, and does not go on if so: a
//! daemon that was started by other hands must not serve with root's rights by mistake. It has one thread yet, so what
//! holds for that one holds for all.

mod syscalls;

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getegid, geteuid, getgroups, getrlimit,
    set_dumpable_behavior, set_parent_process_death_signal, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, no_new_privs, set_capabilities, set_no_new_privs,
};

pub(super) use syscalls::NotLimited;

use crate::connection::redirect::lookups_need_a_capability;

/// Why the proxy must not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotConfined {
    /// The kernel refused a step.
    #[error("{step}: {cause}")]
    Step {
        /// What was tried.
        step: &'static str,
        /// Why not.
        cause: Errno,
    },
    /// Capabilities are left.
    #[error("expected no capabilities but those that look-ups need here, found {0:?}")]
    Capabilities(CapabilitySets),
    /// What programs it starts could gain.
    #[error("expected an empty bounding set of capabilities, found {0:?} in it")]
    Bounding(CapabilitySet),
    /// It has groups beside its own.
    #[error("expected no groups beside group {own}, found {found:?}")]
    Groups {
        /// Its own group.
        own: u32,
        /// Those it has.
        found: Vec<u32>,
    },
    /// Programs it starts may gain privileges.
    #[error("expected no_new_privs, found it unset")]
    NewPrivileges,
    /// System calls are not limited.
    #[error("system calls are not limited: {0}")]
    Calls(#[from] NotLimited),
}

/// Whether what is in memory can get onto a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// It stays in memory.
    Locked,
    /// It may be swapped out: the limit of locked memory is this many bytes.
    Swappable(u64),
}

/// Gives up all that the proxy does not need, and checks that it is gone.
///
/// # Errors
/// When a right is left that it must not have.
pub(super) fn confine() -> Result<Memory, NotConfined> {
    let failed = |step| move |cause| NotConfined::Step { step, cause };
    // Nobody of the same user may read its memory or its descriptors, and no core of it is written (prctl(2)).
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("forbid tracing"))?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none).map_err(failed("forbid core dumps"))?;
    // Heard by `orphan`: what the supervisor's link tells is told by the kernel too.
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(failed("follow the supervisor"))?;
    let kept = if lookups_need_a_capability() {
        CapabilitySet::BPF
    } else {
        CapabilitySet::empty()
    };
    drop_capabilities(kept)?;
    look_for_rights(kept)?;
    let memory = lock_memory()?;
    syscalls::limit()?;
    Ok(memory)
}

fn drop_capabilities(kept: CapabilitySet) -> Result<(), NotConfined> {
    let failed = |step| move |cause| NotConfined::Step { step, cause };
    clear_ambient_capability_set().map_err(failed("drop ambient capabilities"))?;
    let has = capabilities(None).map_err(failed("read capabilities"))?;
    let left = CapabilitySets {
        effective: has.permitted & kept,
        permitted: has.permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, left).map_err(failed("drop capabilities"))?;
    set_no_new_privs(true).map_err(failed("forbid new privileges"))
}

fn look_for_rights(kept: CapabilitySet) -> Result<(), NotConfined> {
    let failed = |step| move |cause| NotConfined::Step { step, cause };
    let left = capabilities(None).map_err(failed("read capabilities"))?;
    let all = left.effective | left.permitted | left.inheritable;
    if !kept.contains(all) {
        return Err(NotConfined::Capabilities(left));
    }
    let mut bounding = CapabilitySet::empty();
    for number in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(capability) {
            Ok(true) => bounding |= capability,
            Ok(false) => {}
            // The kernel has no capability of this number or above (capabilities(7)).
            Err(_) => break,
        }
    }
    if !bounding.is_empty() {
        return Err(NotConfined::Bounding(bounding));
    }
    let (own, groups) = (getegid(), getgroups().map_err(failed("read groups"))?);
    // Root stays in root's groups: they give nothing that root has not.
    if !geteuid().is_root() && groups.iter().any(|group| *group != own) {
        return Err(NotConfined::Groups {
            own: own.as_raw(),
            found: groups.iter().map(|group| group.as_raw()).collect(),
        });
    }
    match no_new_privs() {
        Ok(true) => Ok(()),
        Ok(false) => Err(NotConfined::NewPrivileges),
        Err(cause) => Err(failed("read no_new_privs")(cause)),
    }
}

/// Keeps keys, tokens and rows from being swapped out, page by page as they are touched.
///
/// With a limit the whole address space would count against it, thread stacks and what the allocator reserved among
/// them, and an allocation would fail in the middle of a statement: then nothing is locked.
fn lock_memory() -> Result<Memory, NotConfined> {
    if let Some(limit) = getrlimit(Resource::Memlock).current {
        return Ok(Memory::Swappable(limit));
    }
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(flags).map_err(|cause| NotConfined::Step {
        step: "lock memory",
        cause,
    })?;
    Ok(Memory::Locked)
}

#[cfg(test)]
mod tests;
