//! The lists, as far as they can be judged without a kernel.

use std::collections::BTreeSet;

use super::*;

#[test]
fn every_list_makes_a_filter_that_the_kernel_has_room_for() {
    // Source: `BPF_MAXINSNS` in linux/include/uapi/linux/bpf_common.h.
    const INSTRUCTIONS_MAX: usize = 4096;
    for program in [deadly(), old_clone_only(), allowed()] {
        let length = program.unwrap().len();
        assert!((8..INSTRUCTIONS_MAX).contains(&length), "{length}");
    }
}

#[test]
fn nothing_deadly_is_allowed_and_nothing_stands_twice() {
    let all: Vec<i64> = (ALLOWED.iter())
        .chain(ALLOWED_HERE)
        .chain(DEADLY)
        .copied()
        .collect();
    let once: BTreeSet<i64> = all.iter().copied().collect();
    assert_eq!(once.len(), all.len());
    for call in [
        libc::SYS_socket,
        libc::SYS_clone,
        libc::SYS_bpf,
        libc::SYS_prctl,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_ioctl,
        libc::SYS_tgkill,
        libc::SYS_kill,
        libc::SYS_chown,
        libc::SYS_fchownat,
        libc::SYS_mknodat,
        libc::SYS_symlinkat,
        libc::SYS_memfd_create,
        libc::SYS_seccomp,
    ] {
        assert!(!once.contains(&call), "{call} is allowed with any argument");
    }
}
