//! `sock_create`: tags each socket with the session, or the daemon, whose process makes it.
#![expect(unsafe_code, reason = "reads the socket that the kernel hands in")]

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use aya_ebpf::programs::SockContext;
use aya_log_ebpf::info;
use icecore_ebpf::{Address, KIND_PROXY, KIND_SESSION, SkId, reason};

use crate::maps::{SK_ID, TASKS};
use crate::place::{self, DAEMON, OUTSIDE, Place, SESSION};
use crate::report::{self, Denied};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// Source: `enum sock_type` in linux/include/linux/net.h.
const SOCK_STREAM: u32 = 1;
const SOCK_DGRAM: u32 = 2;

/// Source: linux/include/uapi/linux/in.h and in6.h.
const IPPROTO_ICMP: u32 = 1;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_UDP: u32 = 17;
const IPPROTO_ICMPV6: u32 = 58;

/// Tags the socket that is being made, or refuses to have it made.
#[inline(always)]
pub(crate) fn create(ctx: &SockContext) -> i32 {
    let Some(cfg) = place::cfg() else {
        return DENY;
    };
    let Place {
        kind: place,
        cgroup_id,
    } = Place::of_current(cfg);
    let (nonce, kind) = match place {
        OUTSIDE => return ALLOW,
        DAEMON => (0, KIND_PROXY),
        SESSION => {
            let Some(session) = place::session(cgroup_id) else {
                return DENY;
            };
            if !is_governable(ctx) {
                report::denied(&denied(ctx, reason::SOCKET_KIND, cgroup_id));
                info!(
                    ctx,
                    "refused a socket of another protocol to pid {}",
                    ctx.tgid()
                );
                return DENY;
            }
            (session.nonce, KIND_SESSION)
        }
        _ => {
            report::denied(&denied(ctx, reason::SESSION_OVER, 0));
            return DENY;
        }
    };
    let pid_tgid = bpf_get_current_pid_tgid();
    let tid = pid_tgid as u32;
    let tag = SkId {
        cgroup_id,
        nonce,
        pid: (pid_tgid >> 32) as u32,
        tid,
        uid: bpf_get_current_uid_gid() as u32,
        kind,
        // SAFETY: evidence; a task's entry that changes meanwhile is its own.
        exec_id: unsafe { TASKS.get(tid) }.map_or(0, |task| task.exec_id),
    };
    match SK_ID.get_or_create(ctx.sock, Some(&tag)) {
        Some(_) => ALLOW,
        None => DENY,
    }
}

/// Tells whether the connect hooks can judge what this socket will do.
///
/// A list of what is allowed: MPTCP and SMC connect through inner sockets that carry no tag, SCTP and DCCP have no
/// redirection, and a raw socket needs no connect.
#[inline(always)]
fn is_governable(ctx: &SockContext) -> bool {
    // SAFETY: the kernel hands in a valid socket; each field is read by itself, as the verifier asks.
    let (kind, protocol) = unsafe {
        (
            (&raw const (*ctx.sock).type_).read_volatile(),
            (&raw const (*ctx.sock).protocol).read_volatile(),
        )
    };
    match kind {
        SOCK_STREAM => protocol == IPPROTO_TCP,
        SOCK_DGRAM => matches!(protocol, IPPROTO_UDP | IPPROTO_ICMP | IPPROTO_ICMPV6),
        _ => false,
    }
}

#[inline(always)]
fn denied(ctx: &SockContext, reason: u32, cgroup_id: u64) -> Denied {
    // SAFETY: as in `is_governable`.
    let (family, kind, protocol) = unsafe {
        (
            (&raw const (*ctx.sock).family).read_volatile(),
            (&raw const (*ctx.sock).type_).read_volatile(),
            (&raw const (*ctx.sock).protocol).read_volatile(),
        )
    };
    Denied {
        reason,
        cgroup_id,
        netns: 0,
        destination: Address::default(),
        port: 0,
        family: family as u16,
        protocol: protocol as u16,
        socket_type: kind as u16,
    }
}
