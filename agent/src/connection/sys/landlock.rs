//! Domains of Landlock that keep signals and abstract sockets in (landlock(7)).
#![expect(unsafe_code, reason = "rustix has no Landlock")]

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What a domain of Landlock keeps in, beside ptrace(2) and what goes by its rights, such as `/proc/<pid>/environ`: those reach no
/// process outside of a domain, whatever it is for. Source: linux/include/uapi/linux/landlock.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scoped {
    /// `LANDLOCK_SCOPE_SIGNAL`.
    Signals,
    /// The same and `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET`: sockets without a path that processes outside listen on.
    SignalsAndAbstractSockets,
}

/// Puts the calling thread, and what comes of it, into a domain of its own; tells whether the kernel has such (Linux 6.12).
///
/// It handles no rights to files: those would take renames between folders away (landlock(7), `LANDLOCK_ACCESS_FS_REFER`).
///
/// # Errors
///
/// If the kernel has domains and refuses this one.
pub fn enter_domain(scoped: Scoped) -> io::Result<bool> {
    /// Source: `struct landlock_ruleset_attr`.
    #[repr(C)]
    struct Attributes {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }
    /// Source: `LANDLOCK_CREATE_RULESET_VERSION`; the first version that has scopes.
    const VERSION: u32 = 1;
    const WITH_SCOPES: i64 = 6;
    let none = std::ptr::null::<Attributes>();
    // SAFETY: asked for the version, the kernel looks at neither address nor length.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
    // Below 0 where there is no Landlock, or none that is switched on.
    if version < WITH_SCOPES {
        return Ok(false);
    }
    let attributes = Attributes {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: match scoped {
            Scoped::Signals => 0b10,
            Scoped::SignalsAndAbstractSockets => 0b11,
        },
    };
    // SAFETY: the attributes are as long as is said and live until the call has returned.
    let made = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<Attributes>(),
            0_u32,
        )
    };
    let made = RawFd::try_from(made).map_err(io::Error::other)?;
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec.
    let ruleset = unsafe { OwnedFd::from_raw_fd(made) };
    // SAFETY: only numbers are handed over.
    match unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0_u32) } {
        0 => Ok(true),
        _ => Err(io::Error::last_os_error()),
    }
}
