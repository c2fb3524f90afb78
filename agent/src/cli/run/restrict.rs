//! What the command's process gives up for good: capabilities, new privileges, kinds of sockets.

use std::io;

use rustix::io::Errno;
use rustix::process::geteuid;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::filter::{self, Rings};
use crate::connection::sys::{Scoped, enter_domain};

/// Capabilities that the kernel may know, in what a set holds (`struct __user_cap_data_struct`, two words of 32).
const CAPABILITIES: u32 = 64;

/// Empties the bounding set, so that no program can ever give the process a capability; root alone may.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn empty_bounding_set() -> io::Result<()> {
    for number in 0..CAPABILITIES {
        let one = CapabilitySet::from_bits_retain(1 << number);
        match capability_is_in_bounding_set(one) {
            Ok(true) => remove_capability_from_bounding_set(one)?,
            Ok(false) => {}
            // Past the last one that this kernel knows (capabilities(7)).
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Takes from the process what it must not have once it is the command; a command of root's keeps its capabilities and its
/// reach, since its session holds nobody back and says so.
///
/// Where the kernel has no domains (before 6.12) the command reaches what its uid does, and the record says whose that is.
///
/// # Errors
/// When the kernel refuses.
pub(super) fn give_up(rings: Rings, reach: Scoped) -> io::Result<()> {
    if !geteuid().is_root() {
        // A caller that is a service may have some, which its programs would inherit.
        clear_ambient_capability_set()?;
        let none = CapabilitySet::empty();
        set_capabilities(
            None,
            CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            },
        )?;
    }
    set_no_new_privs(true)?;
    if !geteuid().is_root() {
        enter_domain(reach)?;
    }
    filter::apply(rings)
}
