//! The system calls that the proxy may make: a list of what is allowed, found by tracing it through the end-to-end tests.
//!
//! What is on no list fails with EPERM, which its caller handles as any error. What only somebody who took the proxy over
//! would call ends it at once: SIGSYS is in the supervisor's log, and the next proxy begins clean.

use std::collections::BTreeMap;

use rustix::process::getpid;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// Why calls are not limited.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLimited {
    /// A list makes no filter.
    #[error("the filter cannot be made: {0}")]
    Filter(#[from] BackendError),
    /// The kernel does not take it: it needs `CONFIG_SECCOMP_FILTER`.
    #[error("the kernel does not take the filter: {0}")]
    Kernel(#[from] seccompiler::Error),
}

/// A list of calls; each has rules of which one must fit, or none.
type Calls = BTreeMap<i64, Vec<SeccompRule>>;

/// Allowed with any arguments.
const ALLOWED: &[i64] = &[
    // Files and folders.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_getcwd,
    libc::SYS_umask,
    libc::SYS_utimensat,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    // Refused by the filter for it alone, with the error by which glibc takes `clone` instead.
    libc::SYS_clone3,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    // Reads whether the clock is in time, by the C library's choice; to set it takes CAP_SYS_TIME.
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    // Sockets.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_socketpair,
    // What it is and how much it uses.
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_capget,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getrlimit,
    libc::SYS_prlimit64,
    libc::SYS_getrandom,
];

/// Calls that newer kernels' architectures do not have; the C library still makes them here.
#[cfg(target_arch = "x86_64")]
const ALLOWED_HERE: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_link,
    libc::SYS_chmod,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
];

#[cfg(not(target_arch = "x86_64"))]
const ALLOWED_HERE: &[i64] = &[];

/// What nothing in the proxy calls, whatever its config: to call it ends the process.
const DEADLY: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
];

/// Commands of `bpf(2)` that look an element up, write one, and tell what a descriptor is: what a descriptor allows
/// is its own matter. Source: `enum bpf_cmd` in linux/include/uapi/linux/bpf.h.
const BPF_COMMANDS: [i32; 3] = [1, 2, 15];

/// Families of sockets: this host, the network, and the kernel's table of addresses, which name look-ups ask.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

/// Makes a thread's name, names memory (mimalloc); neither lets it be traced again.
/// Source: `PR_SET_NAME`, `PR_GET_NAME` and `PR_SET_VMA` in linux/include/uapi/linux/prctl.h.
const PRCTL_OPTIONS: [i32; 3] = [libc::PR_SET_NAME, libc::PR_GET_NAME, 0x5356_4d41];

/// Asks whether a file is a terminal, and sets what a descriptor does; `TIOCSTI`, which types into one, is not among them.
/// By number, since C libraries differ in their type.
/// Source: `TCGETS`, `FIONBIO`, `FIONREAD`, `FIOCLEX`, `TIOCGWINSZ` in linux/include/uapi/asm-generic/ioctls.h.
const IOCTLS: [u64; 5] = [0x5401, 0x5421, 0x541b, 0x5451, 0x5413];

/// Flags of `clone(2)` that make namespaces. Source: `CLONE_NEW*` in linux/include/uapi/linux/sched.h.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Limits the calls of this thread, and of all that it makes, for good.
///
/// # Errors
/// When there is no filter; the caller must not go on then.
pub(super) fn limit() -> Result<(), NotLimited> {
    // The last one comes last: it does not allow another filter. Of several answers the kernel takes the strictest.
    for program in [deadly()?, old_clone_only()?, allowed()?] {
        apply_filter(&program)?;
    }
    Ok(())
}

fn allowed() -> Result<BpfProgram, NotLimited> {
    let any = ALLOWED.iter().chain(ALLOWED_HERE);
    let mut calls: Calls = any.map(|call| (*call, Vec::new())).collect();
    let with = |index, values: &[i32]| -> Result<Vec<SeccompRule>, BackendError> {
        let rules = values.iter();
        rules
            .map(|value| rule(index, SeccompCmpOp::Eq, u64::from(value.cast_unsigned())))
            .collect()
    };
    calls.insert(libc::SYS_socket, with(0, &FAMILIES)?);
    calls.insert(libc::SYS_bpf, with(0, &BPF_COMMANDS)?);
    calls.insert(libc::SYS_prctl, with(0, &PRCTL_OPTIONS)?);
    let ioctls: Result<_, _> = IOCTLS
        .iter()
        .map(|request| rule(1, SeccompCmpOp::Eq, *request))
        .collect();
    calls.insert(libc::SYS_ioctl, ioctls?);
    // Its own threads alone: so `abort` ends the process.
    let own = u64::try_from(getpid().as_raw_nonzero().get()).unwrap_or(0);
    calls.insert(libc::SYS_tgkill, vec![rule(0, SeccompCmpOp::Eq, own)?]);
    let lacks = |index, flags: i32| {
        let mask = u64::from(flags.cast_unsigned());
        rule(index, SeccompCmpOp::MaskedEq(mask), 0)
    };
    calls.insert(libc::SYS_clone, vec![lacks(0, NAMESPACES)?]);
    // Memory is never both written and run: a library that is loaded is mapped as what it is.
    let write_or_run = vec![lacks(2, libc::PROT_WRITE)?, lacks(2, libc::PROT_EXEC)?];
    calls.insert(libc::SYS_mmap, write_or_run);
    calls.insert(libc::SYS_mprotect, vec![lacks(2, libc::PROT_EXEC)?]);
    let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    program(calls, refused, SeccompAction::Allow)
}

/// `clone3(2)` takes its flags by address, where no filter sees them.
fn old_clone_only() -> Result<BpfProgram, NotLimited> {
    let calls = Calls::from([(libc::SYS_clone3, Vec::new())]);
    let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
    program(calls, SeccompAction::Allow, absent)
}

fn deadly() -> Result<BpfProgram, NotLimited> {
    let mut calls: Calls = DEADLY.iter().map(|call| (*call, Vec::new())).collect();
    let others: Result<Vec<_>, _> = BPF_COMMANDS
        .iter()
        .map(|command| condition(0, SeccompCmpOp::Ne, u64::from(command.cast_unsigned())))
        .collect();
    calls.insert(libc::SYS_bpf, vec![SeccompRule::new(others?)?]);
    program(calls, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn rule(index: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition(index, is, value)?])
}

/// Looks at the lower half of an argument: the kernel reads no more of any that is compared here.
fn condition(index: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, is, value)
}

fn program(
    calls: Calls,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, NotLimited> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(calls, others, these, arch)?;
    Ok(BpfProgram::try_from(filter)?)
}

#[cfg(test)]
#[path = "syscalls_tests.rs"]
mod tests;
