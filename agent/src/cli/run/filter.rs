//! The command's system calls: sockets of the families that the kernel's part can judge, and of no other.
//!
//! The programs of the cgroup see IPv4 and IPv6 alone: a socket to a hypervisor (`AF_VSOCK`), one for raw packets or one of the
//! kernel's crypto never meets them (net/socket.c, `BPF_CGROUP_RUN_PROG_INET_SOCK` is in `inet_create`). So the families are a list
//! of what is allowed, kept by seccomp (seccomp(2)), which every process that comes of the command inherits.

use std::io;

use rustix::net::AddressFamily;
use seccompiler::{apply_filter, sock_filter};

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the numbers of system calls here are those of x86_64");

/// Families that a session may make sockets of. Source: linux/include/linux/socket.h.
const FAMILIES: [AddressFamily; 4] = [
    AddressFamily::UNIX,
    AddressFamily::INET,
    AddressFamily::INET6,
    AddressFamily::NETLINK,
];

/// Offsets in what a filter sees. Source: `struct seccomp_data`, linux/include/uapi/linux/seccomp.h; little-endian.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const FIRST_ARGUMENT_LOW: u32 = 16;
const SECOND_ARGUMENT_LOW: u32 = 24;

/// The part of a socket's type that is no flag, and the type by which the kernel makes an `AF_PACKET` socket of what was asked
/// for as `AF_INET`. Source: `SOCK_TYPE_MASK` and `enum sock_type` in linux/include/linux/net.h, `__sock_create` in
/// linux/net/socket.c.
const TYPE_MASK: u32 = 0xf;
const SOCK_PACKET: u32 = 10;

/// Source: linux/include/uapi/linux/audit.h.
const ARCH_X86_64: u32 = 0xc000_003e;
const ARCH_I386: u32 = 0x4000_0003;

/// Set in the numbers of the x32 calls. Source: linux/arch/x86/include/uapi/asm/unistd.h.
const X32_BIT: u32 = 0x4000_0000;

/// Source: linux/arch/x86/entry/syscalls/syscall_64.tbl; the x32 calls have the same numbers beside their bit.
const SOCKET: u32 = 41;
const SOCKETPAIR: u32 = 53;
/// The same on every architecture, as all calls since 5.1.
const IO_URING_SETUP: u32 = 425;

/// Source: linux/arch/x86/entry/syscalls/syscall_32.tbl.
const SOCKET_I386: u32 = 359;
const SOCKETPAIR_I386: u32 = 360;
/// Its arguments lie in memory, where a filter does not see them.
const SOCKETCALL_I386: u32 = 102;

/// Classic BPF. Source: linux/include/uapi/linux/bpf_common.h.
const LOAD_WORD: u16 = 0x20;
const AND: u16 = 0x54;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// What a filter answers. Source: linux/include/uapi/linux/seccomp.h.
const ALLOW: u32 = 0x7fff_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const FAIL: u32 = 0x0005_0000;
/// Source: linux/include/uapi/asm-generic/errno-base.h.
const EPERM: u32 = 1;

/// Whether the command may use `io_uring`.
///
/// A ring makes sockets too (`IORING_OP_SOCKET`), and no filter sees what is put into one: the list of families would be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rings {
    /// `io_uring_setup` fails with EPERM, as where an administrator has switched it off; programs go on without.
    Refused,
    /// The config allows them.
    Allowed,
}

/// Restricts the calling thread, and what it starts and becomes, for good; it can gain no privileges either from here on.
///
/// # Errors
/// When the kernel does not take the filter.
pub(super) fn apply(rings: Rings) -> io::Result<()> {
    apply_filter(&filter(rings)).map_err(io::Error::other)
}

/// Builds the filter: the calls of each way into the kernel, then the families.
///
/// i386 has no other way to a socket but by `socket` where its arguments can be seen: `socketcall` fails. What is of another
/// architecture ends its process: no x86_64 kernel has one.
fn filter(rings: Rings) -> Vec<sock_filter> {
    let mut program = Program::default();
    program.load(ARCH);
    program.skip_unless(ARCH_X86_64, native_length(rings));
    program.load(NUMBER);
    program.push(AND, 0, 0, !X32_BIT);
    program.calls(&[SOCKET, SOCKETPAIR], &[], rings);
    program.skip_unless(ARCH_I386, compat_length(rings));
    program.load(NUMBER);
    program.calls(&[SOCKET_I386, SOCKETPAIR_I386], &[SOCKETCALL_I386], rings);
    program.give(KILL_PROCESS);
    program.0
}

/// Tells how long the part of x86_64 is, which is skipped for others.
fn native_length(rings: Rings) -> u8 {
    let mut part = Program::default();
    part.load(NUMBER);
    part.push(AND, 0, 0, !X32_BIT);
    part.calls(&[SOCKET, SOCKETPAIR], &[], rings);
    part.length()
}

/// Tells how long the part of i386 is.
fn compat_length(rings: Rings) -> u8 {
    let mut part = Program::default();
    part.load(NUMBER);
    part.calls(&[SOCKET_I386, SOCKETPAIR_I386], &[SOCKETCALL_I386], rings);
    part.length()
}

/// A program of classic BPF as it grows.
#[derive(Default)]
struct Program(Vec<sock_filter>);

impl Program {
    fn push(&mut self, code: u16, jt: u8, jf: u8, k: u32) {
        self.0.push(sock_filter { code, jt, jf, k });
    }

    fn load(&mut self, offset: u32) {
        self.push(LOAD_WORD, 0, 0, offset);
    }

    fn give(&mut self, answer: u32) {
        self.push(RETURN, 0, 0, answer);
    }

    /// Goes on with the next instruction if what was loaded is this, else after so many.
    fn skip_unless(&mut self, value: u32, count: u8) {
        self.push(JUMP_IF_EQUAL, 0, count, value);
    }

    fn length(&self) -> u8 {
        // Two dozen at most.
        u8::try_from(self.0.len()).unwrap_or(u8::MAX)
    }

    /// Answers for one architecture, whose number of the call is loaded: these calls by family, those never, others always.
    fn calls(&mut self, by_family: &[u32], never: &[u32], rings: Rings) {
        for call in never {
            self.skip_unless(*call, 1);
            self.give(FAIL | EPERM);
        }
        if rings == Rings::Refused {
            self.skip_unless(IO_URING_SETUP, 1);
            self.give(FAIL | EPERM);
        }
        for call in by_family {
            let mut families = Self::default();
            families.families();
            self.skip_unless(*call, families.length());
            self.0.append(&mut families.0);
        }
        self.give(ALLOW);
    }

    /// Answers by the first argument, and by the one type that means another family. The kernel takes each for an `int`,
    /// whatever stands in its upper half.
    fn families(&mut self) {
        self.load(SECOND_ARGUMENT_LOW);
        self.push(AND, 0, 0, TYPE_MASK);
        self.skip_unless(SOCK_PACKET, 1);
        self.give(FAIL | EPERM);
        self.load(FIRST_ARGUMENT_LOW);
        for family in FAMILIES {
            self.skip_unless(u32::from(family.as_raw()), 1);
            self.give(ALLOW);
        }
        self.give(FAIL | EPERM);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::io::Errno;
    use rustix::net::{SocketFlags, SocketType, socket, socketpair};

    use super::*;

    /// Runs the program as the kernel does, on a call of an architecture for a stream.
    #[track_caller]
    fn check(rings: Rings, arch: u32, number: u32, argument: u64, expected: u32) {
        check_typed(rings, arch, number, [argument, 1], expected);
    }

    #[track_caller]
    fn check_typed(rings: Rings, arch: u32, number: u32, arguments: [u64; 2], expected: u32) {
        let program = filter(rings);
        let low = |argument: u64| u32::try_from(argument & 0xffff_ffff).unwrap();
        let (mut loaded, mut at) = (0_u32, 0_usize);
        let found = loop {
            let one = &program[at];
            at += 1;
            match one.code {
                LOAD_WORD => {
                    loaded = match one.k {
                        NUMBER => number,
                        ARCH => arch,
                        FIRST_ARGUMENT_LOW => low(arguments[0]),
                        SECOND_ARGUMENT_LOW => low(arguments[1]),
                        other => panic!("offset {other}"),
                    }
                }
                AND => loaded &= one.k,
                JUMP_IF_EQUAL if loaded == one.k => at += usize::from(one.jt),
                JUMP_IF_EQUAL => at += usize::from(one.jf),
                RETURN => break one.k,
                other => panic!("instruction {other:#x}"),
            }
        };
        assert_eq!(
            found, expected,
            "arch {arch:#x} call {number} ({arguments:#x?})"
        );
    }

    const NATIVE: [u32; 4] = [SOCKET, SOCKETPAIR, SOCKET | X32_BIT, SOCKETPAIR | X32_BIT];

    #[test]
    fn sockets_are_of_four_families_whatever_way_they_are_asked_for() {
        let no = FAIL | EPERM;
        let compat = [SOCKET_I386, SOCKETPAIR_I386];
        let ways = NATIVE.map(|call| (ARCH_X86_64, call)).into_iter();
        for (arch, call) in ways.chain(compat.map(|call| (ARCH_I386, call))) {
            for family in 0..64 {
                let is_listed = [1, 2, 10, 16].contains(&family);
                let expected = if is_listed { ALLOW } else { no };
                for rings in [Rings::Refused, Rings::Allowed] {
                    check(rings, arch, call, family, expected);
                    // The upper half of a register is no part of an `int`.
                    check(rings, arch, call, family | 1 << 40, expected);
                }
            }
        }
        check(Rings::Allowed, ARCH_I386, SOCKETCALL_I386, 2, no);
    }

    /// By this type the kernel makes a packet socket of what names itself `AF_INET`.
    #[test]
    fn the_old_name_of_a_packet_socket_is_refused_with_any_flag() {
        let compat = [(ARCH_I386, SOCKET_I386), (ARCH_I386, SOCKETPAIR_I386)];
        let ways = NATIVE.map(|call| (ARCH_X86_64, call));
        for (arch, call) in ways.into_iter().chain(compat) {
            for flags in [0, 0o4000, 0o200_0000, 1 << 40] {
                let packet = [2, 10 | flags];
                check_typed(Rings::Refused, arch, call, packet, FAIL | EPERM);
                for kind in [1, 2, 3, 5] {
                    check_typed(Rings::Refused, arch, call, [2, kind | flags], ALLOW);
                }
            }
        }
    }

    #[test]
    fn rings_are_refused_unless_the_config_allows_them() {
        for (arch, call) in [
            (ARCH_X86_64, IO_URING_SETUP),
            (ARCH_X86_64, IO_URING_SETUP | X32_BIT),
            (ARCH_I386, IO_URING_SETUP),
        ] {
            check(Rings::Refused, arch, call, 1, FAIL | EPERM);
            check(Rings::Allowed, arch, call, 1, ALLOW);
        }
    }

    #[test]
    fn other_calls_go_on_and_other_architectures_end() {
        for call in [0, 1, 42, 59, 102, 359, 435] {
            check(Rings::Refused, ARCH_X86_64, call, 40, ALLOW);
        }
        for call in [1, 41, 53, 362] {
            check(Rings::Refused, ARCH_I386, call, 40, ALLOW);
        }
        // `AUDIT_ARCH_AARCH64`.
        check(Rings::Allowed, 0xc000_00b7, 198, 2, KILL_PROCESS);
    }

    /// The kernel's own word, in a thread of its own: a filter is for good.
    #[test]
    fn the_kernel_takes_the_filter_and_keeps_to_it() {
        let kept = thread::spawn(|| {
            let packets = || socket(AddressFamily::VSOCK, SocketType::STREAM, None).map(drop);
            let before = packets();
            apply(Rings::Refused).unwrap();
            let pair = socketpair(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            );
            (before, packets(), pair.is_ok())
        });
        let (before, after, pair) = kept.join().unwrap();
        assert_ne!(before, Err(Errno::PERM));
        assert_eq!((after, pair), (Err(Errno::PERM), true));
    }
}
