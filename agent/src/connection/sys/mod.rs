//! Raw system calls that neither aya 0.14 nor rustix offers; the agent's one folder with unsafe code.
#![expect(
    unsafe_code,
    reason = "aya 0.14 cannot replace a cgroup link's program, read a link's cgroup or open a pin read-only; rustix's unshare is unsafe"
)]

mod landlock;

use std::ffi::{CString, c_int, c_uint};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub use landlock::{Scoped, enter_domain};

/// Commands of `bpf(2)`; source: `enum bpf_cmd` in linux/include/uapi/linux/bpf.h.
mod command {
    use std::ffi::c_int;

    pub(super) const PROG_LOAD: c_int = 5;
    pub(super) const OBJ_PIN: c_int = 6;
    pub(super) const OBJ_GET: c_int = 7;
    pub(super) const OBJ_GET_INFO_BY_FD: c_int = 15;
    pub(super) const PROG_QUERY: c_int = 16;
    pub(super) const LINK_CREATE: c_int = 28;
    pub(super) const LINK_UPDATE: c_int = 29;
    pub(super) const LINK_DETACH: c_int = 34;
}

/// Source: `BPF_F_RDONLY` in linux/include/uapi/linux/bpf.h.
const READ_ONLY: u32 = 1 << 3;

/// What a cgroup link holds together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LinkFacts {
    /// Id of the program that runs.
    pub program_id: u32,
    /// Id of the cgroup; 0 once that cgroup is gone.
    pub cgroup_id: u64,
    /// The hook, as `enum bpf_attach_type` numbers it.
    pub attach_type: u32,
}

/// Tells whether the kernel calls its clock synchronised (adjtimex(2)): whether something keeps it in time.
pub(crate) fn clock_is_synchronized() -> io::Result<bool> {
    // SAFETY: all members are numbers, of which zero is one; without modes the kernel changes nothing.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex`, which the kernel writes and does not keep.
    let told = unsafe { libc::adjtimex(&raw mut state) };
    match told {
        -1 => Err(io::Error::last_os_error()),
        told => Ok(told != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0),
    }
}

/// Opens what is pinned at `path`.
pub(super) fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    open(path, 0)
}

/// Opens the map that is pinned at `path` so that it can be read and not written.
pub(super) fn open_pin_read_only(path: &Path) -> io::Result<OwnedFd> {
    open(path, READ_ONLY)
}

/// Source: the part of `union bpf_attr` for `BPF_OBJ_*`.
#[repr(C)]
struct ObjectAttributes {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Pins a map or a link at `path`.
pub(super) fn pin(object: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = ObjectAttributes {
        pathname: path.as_ptr() as u64,
        bpf_fd: object.as_raw_fd().cast_unsigned(),
        file_flags: 0,
    };
    // SAFETY: `path` lives until the call has returned.
    unsafe { bpf(command::OBJ_PIN, &mut attributes) }?;
    Ok(())
}

/// Lists the ids of the programs that run for a cgroup at a hook, those of the cgroups above it included.
pub(super) fn effective_programs(cgroup: BorrowedFd<'_>, attach_type: u32) -> io::Result<Vec<u32>> {
    /// Source: the part of `union bpf_attr` for `BPF_PROG_QUERY`, as it was when links came.
    #[repr(C)]
    struct Attributes {
        target_fd: c_int,
        attach_type: u32,
        query_flags: u32,
        attach_flags: u32,
        prog_ids: u64,
        prog_cnt: u32,
    }
    /// Source: `BPF_F_QUERY_EFFECTIVE` in linux/include/uapi/linux/bpf.h.
    const EFFECTIVE: u32 = 1;
    /// Most programs that the kernel runs at one hook (`BPF_CGROUP_MAX_PROGS` in linux/include/linux/bpf-cgroup-defs.h).
    const PROGRAMS_MAX: u32 = 64;
    let mut ids = [0_u32; PROGRAMS_MAX as usize];
    let mut attributes = Attributes {
        target_fd: cgroup.as_raw_fd(),
        attach_type,
        query_flags: EFFECTIVE,
        attach_flags: 0,
        prog_ids: ids.as_mut_ptr() as u64,
        prog_cnt: PROGRAMS_MAX,
    };
    // SAFETY: `ids` is as long as is said and lives until the call has returned.
    unsafe { bpf(command::PROG_QUERY, &mut attributes) }?;
    let count = usize::try_from(attributes.prog_cnt).unwrap_or(usize::MAX);
    Ok(ids.into_iter().take(count).collect())
}

fn open(path: &Path, file_flags: u32) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut attributes = ObjectAttributes {
        pathname: path.as_ptr() as u64,
        bpf_fd: 0,
        file_flags,
    };
    // SAFETY: `path` lives until the call has returned.
    let fd = unsafe { bpf(command::OBJ_GET, &mut attributes) }?;
    // SAFETY: the kernel has just made this descriptor for us, close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Puts `program` in the place of the program that `link` runs: at no moment does none run.
///
/// Fails with `ENOLINK` if the link's cgroup is gone.
pub(super) fn replace_program(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    /// Source: the part of `union bpf_attr` for `BPF_LINK_UPDATE`.
    #[repr(C)]
    struct Attributes {
        link_fd: c_int,
        new_prog_fd: c_int,
        flags: u32,
        old_prog_fd: u32,
    }
    let mut attributes = Attributes {
        link_fd: link.as_raw_fd(),
        new_prog_fd: program.as_raw_fd(),
        flags: 0,
        old_prog_fd: 0,
    };
    // SAFETY: only numbers are handed over.
    unsafe { bpf(command::LINK_UPDATE, &mut attributes) }?;
    Ok(())
}

/// Takes a link's program from its cgroup at once, whoever else holds the link (kernel 5.9).
pub(super) fn detach(link: BorrowedFd<'_>) -> io::Result<()> {
    /// Source: the part of `union bpf_attr` for `BPF_LINK_DETACH`.
    #[repr(C)]
    struct Attributes {
        link_fd: c_int,
    }
    let mut attributes = Attributes {
        link_fd: link.as_raw_fd(),
    };
    // SAFETY: only a number is handed over.
    unsafe { bpf(command::LINK_DETACH, &mut attributes) }?;
    Ok(())
}

/// Reads what a cgroup link holds together.
pub(super) fn link_facts(link: BorrowedFd<'_>) -> io::Result<LinkFacts> {
    /// Source: `struct bpf_link_info`, the arm for cgroups; the kernel fills as much as is asked for.
    #[repr(C)]
    #[derive(Default)]
    struct Info {
        kind: u32,
        id: u32,
        prog_id: u32,
        padding: u32,
        cgroup_id: u64,
        attach_type: u32,
        rest: [u32; 13],
    }
    /// Source: the part of `union bpf_attr` for `BPF_OBJ_GET_INFO_BY_FD`.
    #[repr(C)]
    struct Attributes {
        bpf_fd: c_int,
        info_len: u32,
        info: u64,
    }
    const INFO_BYTES: u32 = 80;
    const _: () = assert!(size_of::<Info>() == INFO_BYTES as usize);
    let mut info = Info::default();
    let mut attributes = Attributes {
        bpf_fd: link.as_raw_fd(),
        info_len: INFO_BYTES,
        info: (&raw mut info) as u64,
    };
    // SAFETY: `info` is as long as is said and lives until the call has returned; any bytes are valid for it.
    unsafe { bpf(command::OBJ_GET_INFO_BY_FD, &mut attributes) }?;
    Ok(LinkFacts {
        program_id: info.prog_id,
        cgroup_id: info.cgroup_id,
        attach_type: info.attach_type,
    })
}

/// Tells whether the kernel takes a program of this type for this hook, by loading one that does nothing.
pub(super) fn takes_program(program_type: u32, attach_type: u32) -> bool {
    /// Source: the part of `union bpf_attr` for `BPF_PROG_LOAD`, up to `expected_attach_type`.
    #[repr(C)]
    struct Attributes {
        prog_type: u32,
        insn_cnt: u32,
        insns: u64,
        license: u64,
        log_level: u32,
        log_size: u32,
        log_buf: u64,
        kern_version: u32,
        prog_flags: u32,
        prog_name: [u8; 16],
        prog_ifindex: u32,
        expected_attach_type: u32,
    }
    /// `r0 = 1; exit`, as `struct bpf_insn` lays it out.
    const ALLOW: [[u8; 8]; 2] = [[0xb7, 0, 0, 0, 1, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let license = c"Apache-2.0";
    let mut attributes = Attributes {
        prog_type: program_type,
        insn_cnt: 2,
        insns: ALLOW.as_ptr() as u64,
        license: license.as_ptr() as u64,
        log_level: 0,
        log_size: 0,
        log_buf: 0,
        kern_version: 0,
        prog_flags: 0,
        prog_name: [0; 16],
        prog_ifindex: 0,
        expected_attach_type: attach_type,
    };
    // SAFETY: the instructions and the text live until the call has returned.
    match unsafe { bpf(command::PROG_LOAD, &mut attributes) } {
        Ok(fd) => {
            // SAFETY: the kernel has just made this descriptor for us; it is closed at once.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            true
        }
        Err(_) => false,
    }
}

/// Tells whether the kernel knows BPF links.
pub(super) fn knows_links() -> bool {
    /// Source: the part of `union bpf_attr` for `BPF_LINK_CREATE`.
    #[repr(C)]
    struct Attributes {
        prog_fd: c_int,
        target_fd: c_int,
        attach_type: u32,
        flags: u32,
    }
    let mut attributes = Attributes {
        prog_fd: -1,
        target_fd: -1,
        attach_type: 0,
        flags: 0,
    };
    // SAFETY: only numbers are handed over, and no descriptor has the number -1.
    let answer = unsafe { bpf(command::LINK_CREATE, &mut attributes) };
    // A kernel without links does not look at the descriptor: it says EINVAL to the command.
    answer.is_err_and(|error| error.raw_os_error() == Some(libc::EBADF))
}

/// Tells the cookie of this process's network namespace (kernel 5.14).
pub(super) fn netns_cookie(socket: BorrowedFd<'_>) -> io::Result<u64> {
    let mut cookie: u64 = 0;
    let mut length = 8;
    // SAFETY: `cookie` is as long as is said.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if done == 0 {
        Ok(cookie)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Source: `SO_PEERPIDFD` in linux/include/uapi/asm-generic/socket.h; since Linux 6.5.
const SO_PEERPIDFD: c_int = 77;

/// Gives a pidfd of the process that connected a unix socket: of that one, whoever has its number meanwhile.
///
/// # Errors
/// ENOPROTOOPT before Linux 6.5; others when the process is gone.
pub fn peer_pidfd(socket: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut fd: RawFd = -1;
    let mut length = 4;
    // SAFETY: `fd` is as long as is said.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            SO_PEERPIDFD,
            (&raw mut fd).cast(),
            &raw mut length,
        )
    };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if fd < 0 {
        return Err(io::ErrorKind::NotFound.into());
    }
    // SAFETY: the kernel has just made this descriptor for this call, closed on exec; nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Who connected a unix socket, as the kernel kept it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerCred {
    /// The process; 0 is one that cannot be seen from here, or none: rustix takes no such number.
    pub(crate) pid: u32,
    /// Its effective user.
    pub(crate) uid: u32,
    /// Its effective group.
    pub(crate) gid: u32,
}

/// Tells the process at the other end of a unix socket, as it was when the two were connected (`SO_PEERCRED`, unix(7)).
///
/// # Errors
///
/// It is no socket.
pub(crate) fn peer(socket: BorrowedFd<'_>) -> io::Result<PeerCred> {
    let mut who = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length =
        libc::socklen_t::try_from(size_of::<libc::ucred>()).map_err(io::Error::other)?;
    // SAFETY: `who` is as long as is said.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut who).cast(),
            &raw mut length,
        )
    };
    if done == 0 {
        Ok(PeerCred {
            pid: u32::try_from(who.pid).unwrap_or(0),
            uid: who.uid,
            gid: who.gid,
        })
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Tells the nanoseconds since the host started, as the programs read them (`CLOCK_BOOTTIME`).
#[must_use]
pub fn boot_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a place for the answer. The call cannot fail: the clock exists since Linux 2.6.39.
    unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(nanoseconds)
}

/// Marks every descriptor from `first` on to be closed when another program is executed.
///
/// The launcher calls it with 3 before it executes the session's command, so that nothing is inherited.
///
/// # Errors
///
/// If the kernel cannot do it in one call (before 5.11) and `/proc/self/fd` cannot be read.
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: only numbers are handed over; no descriptor is closed here.
    let done = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            first,
            c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    if done == 0 {
        return Ok(());
    }
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        if u32::try_from(number).is_ok_and(|number| number >= first) {
            // SAFETY: only numbers are handed over; a descriptor that is gone by now gives EBADF.
            unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
    Ok(())
}

/// Gives the calling thread a mount namespace of its own, with a root and a working folder of its own.
///
/// # Errors
///
/// If the caller may not (it takes `CAP_SYS_ADMIN`).
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: only a number is handed over, and descriptors stay shared among threads.
    match unsafe { libc::unshare(libc::CLONE_NEWNS) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Tries to make a ring of `io_uring`, which is closed at once.
///
/// # Errors
/// EPERM where it is refused; ENOSYS where the kernel has none.
pub fn try_ring() -> io::Result<()> {
    /// Length of `struct io_uring_params` in linux/include/uapi/linux/io_uring.h.
    const PARAMS_BYTES: usize = 120;
    let mut params = [0_u64; PARAMS_BYTES / 8];
    // SAFETY: `params` is as long as the kernel's struct, of which zeros are a valid value, and lives until the call has returned.
    let made = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1_u32, params.as_mut_ptr()) };
    let made = RawFd::try_from(made).map_err(io::Error::other)?;
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; it is closed at once.
    drop(unsafe { OwnedFd::from_raw_fd(made) });
    Ok(())
}

/// Makes one `bpf(2)` call.
///
/// # Safety
///
/// `attributes` must be what the kernel expects for `command`, and addresses in it must be valid until the call returns.
unsafe fn bpf<T>(command: c_int, attributes: &mut T) -> io::Result<RawFd> {
    // SAFETY: the caller's promise; the size is the struct's own.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    RawFd::try_from(answer).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

    use super::*;

    #[test]
    fn descriptors_from_the_first_on_close_on_exec() {
        let file = File::open("/dev/null").unwrap();
        fcntl_setfd(&file, FdFlags::empty()).unwrap();
        close_on_exec_from(file.as_raw_fd().cast_unsigned()).unwrap();
        assert_eq!(fcntl_getfd(&file).unwrap(), FdFlags::CLOEXEC);
    }

    #[test]
    fn boot_time_goes_on() {
        let earlier = boot_ns();
        assert!(earlier > 0);
        assert!(boot_ns() >= earlier);
    }
}
