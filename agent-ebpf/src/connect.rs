//! `connect` and `sendmsg`: redirects a session's connections, refuses what cannot be redirected, keeps all others from
//! guarded addresses, leaves the rest alone.
#![expect(unsafe_code, reason = "calls helpers")]

use aya_ebpf::EbpfContext;
use aya_ebpf::helpers::generated::{bpf_get_current_comm, bpf_get_socket_cookie, bpf_set_retval};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::{debug, info};
use icecore_ebpf::{Address, COMM_LEN_BYTES, Cfg, ConnMeta, SkId, reason, stat};

use crate::guard::{self, Guarded};
use crate::maps::{HAS_SET_RETVAL, PORTS, SK_DST, TASKS};
use crate::owner::Owner;
use crate::{count, place, report, sock_addr};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// Source: linux/include/uapi/linux/in.h.
const IPPROTO_TCP: u16 = 6;

/// Source: linux/include/uapi/asm-generic/errno.h.
const ECONNREFUSED: i32 = 111;

/// HTTPS; over UDP it is HTTP/3, which nothing here can redirect: clients then fall back to TCP.
const HTTPS: u16 = 443;

/// It goes where it wanted.
const PASS: u32 = 0;

/// It goes to the proxy.
const REDIRECT: u32 = 1;

/// It fails with EPERM: clients do not retry that.
const REJECT: u32 = 2;

/// It fails with ECONNREFUSED: the proxy is away for a while.
const REFUSE: u32 = 3;

/// What becomes of a connect. Not an enum: the compiler would leave what a variant has not in registers that were never
/// written, which the verifier refuses.
#[derive(Clone, Copy)]
struct Verdict {
    /// One of the four above.
    act: u32,
    /// Why it is denied; 0 if it is not.
    reason: u32,
    /// Cgroup of the session that is denied; 0 if none is.
    cgroup_id: u64,
    /// The proxy's port; 0 if it does not go there.
    port: u16,
}

impl Verdict {
    const PASS: Self = Self {
        act: PASS,
        reason: 0,
        cgroup_id: 0,
        port: 0,
    };

    const REFUSE: Self = Self {
        act: REFUSE,
        ..Self::PASS
    };

    #[inline(always)]
    const fn deny(cgroup_id: u64, reason: u32) -> Self {
        Self {
            act: REJECT,
            reason,
            cgroup_id,
            ..Self::PASS
        }
    }

    #[inline(always)]
    const fn redirect(port: u16) -> Self {
        Self {
            act: REDIRECT,
            port,
            ..Self::PASS
        }
    }
}

/// Decides about an IPv4 connect.
#[inline(always)]
pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    let destination = sock_addr::v4(ctx);
    let verdict = judge(ctx, destination);
    if verdict.act == REDIRECT {
        sock_addr::set_v4(ctx, Address::LOOPBACK_MAPPED, verdict.port);
    }
    answer(ctx, destination, verdict)
}

/// Decides about an IPv6 connect; a mapped IPv4 address stays one, so that a socket of either kind can reach the proxy.
#[inline(always)]
pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    let destination = sock_addr::v6(ctx);
    let verdict = judge(ctx, destination);
    if verdict.act == REDIRECT {
        let loopback = match destination.v4() {
            Some(_) => Address::LOOPBACK_MAPPED,
            None => Address::LOOPBACK,
        };
        sock_addr::set_v6(ctx, loopback, verdict.port);
    }
    answer(ctx, destination, verdict)
}

/// Decides about an IPv4 datagram that names its destination itself.
#[inline(always)]
pub(crate) fn datagram_v4(ctx: &SockAddrContext) -> i32 {
    datagram(ctx, sock_addr::v4(ctx))
}

/// Decides about an IPv6 datagram that names its destination itself.
#[inline(always)]
pub(crate) fn datagram_v6(ctx: &SockAddrContext) -> i32 {
    datagram(ctx, sock_addr::v6(ctx))
}

#[inline(always)]
fn datagram(ctx: &SockAddrContext, destination: Address) -> i32 {
    let Some(cfg) = place::cfg() else {
        return DENY;
    };
    let port = sock_addr::port(ctx);
    let verdict = match Owner::of(cfg, sock_addr::socket(ctx)) {
        Owner::Daemon => return ALLOW,
        Owner::Outsider => outsider(cfg, destination, port),
        Owner::Wrong(cgroup_id, reason) => Verdict::deny(cgroup_id, reason),
        Owner::Session(tag) => unredirected(tag, destination, port, port == HTTPS),
    };
    answer(ctx, destination, verdict)
}

/// The ladder: the first rule that fits decides, and nothing that goes wrong passes.
#[inline(always)]
fn judge(ctx: &SockAddrContext, destination: Address) -> Verdict {
    let Some(cfg) = place::cfg() else {
        return Verdict::deny(0, reason::NO_MEMORY);
    };
    let sk = sock_addr::socket(ctx);
    let port = sock_addr::port(ctx);
    let tag = match Owner::of(cfg, sk) {
        Owner::Daemon => return Verdict::PASS,
        Owner::Outsider => return outsider(cfg, destination, port),
        Owner::Wrong(cgroup_id, reason) => return Verdict::deny(cgroup_id, reason),
        Owner::Session(tag) => tag,
    };
    // An earlier connect's destination must not be told with this one (connect, AF_UNSPEC, connect).
    SK_DST.delete(sk);
    if sock_addr::protocol(ctx) != IPPROTO_TCP {
        return unredirected(tag, destination, port, port == HTTPS);
    }
    let netns = place::netns(ctx.as_ptr());
    let proxy_port = place::proxy_port(cfg, netns);
    if destination.is_loopback() {
        if port == cfg.port || (port != 0 && proxy_port == port) {
            return Verdict::deny(tag.cgroup_id, reason::PROXY_PORT);
        }
        if netns == place::host_netns(cfg) && guard::is_own_port(port) {
            return Verdict::deny(tag.cgroup_id, reason::OWN_PORT);
        }
    }
    if PORTS.get_ptr(port).is_none() {
        return unredirected(tag, destination, port, false);
    }
    // Before the proxy is asked for: to look at one is refused for good, not until the proxy is back.
    if guard::look_up(destination, port) == Guarded::Metadata {
        return Verdict::deny(tag.cgroup_id, reason::METADATA);
    }
    if !place::is_served(cfg) {
        return Verdict::REFUSE;
    }
    if proxy_port == 0 {
        return Verdict::deny(tag.cgroup_id, reason::NETNS);
    }
    let (Some(session), Some(meta)) = (
        place::session(tag.cgroup_id),
        SK_DST.get_or_create(sk, None),
    ) else {
        return Verdict::deny(tag.cgroup_id, reason::NO_MEMORY);
    };
    meta.destination = destination;
    meta.port = port;
    meta.netns = netns;
    meta.session = session.id;
    meta.socket = *tag;
    describe(ctx, meta);
    Verdict::redirect(proxy_port)
}

/// Decides for a socket outside every session: left alone, but for guarded addresses.
#[inline(always)]
fn outsider(cfg: &Cfg, destination: Address, port: u16) -> Verdict {
    if guard::from_outsiders(cfg, destination, port) {
        Verdict::deny(0, reason::GUARDED)
    } else {
        Verdict::PASS
    }
}

/// Decides for a session about what is not redirected.
#[inline(always)]
fn unredirected(tag: &SkId, destination: Address, port: u16, is_quic: bool) -> Verdict {
    let denied = match guard::look_up(destination, port) {
        Guarded::Host => reason::GUARDED,
        Guarded::Metadata => reason::METADATA,
        Guarded::No if is_quic => reason::QUIC,
        Guarded::No => return Verdict::PASS,
    };
    Verdict::deny(tag.cgroup_id, denied)
}

/// Writes down who connects.
#[inline(always)]
fn describe(ctx: &SockAddrContext, meta: &mut ConnMeta) {
    let pid_tgid = bpf_get_current_pid_tgid();
    meta.pid = (pid_tgid >> 32) as u32;
    meta.tid = pid_tgid as u32;
    meta.uid = bpf_get_current_uid_gid() as u32;
    meta.family = sock_addr::family(ctx);
    meta.boot_ns = place::now();
    // SAFETY: evidence; a task's entry that changes meanwhile is its own.
    meta.exec_id = unsafe { TASKS.get(meta.tid) }.map_or(0, |task| task.exec_id);
    // SAFETY: the kernel hands in a valid context.
    meta.cookie = unsafe { bpf_get_socket_cookie(ctx.as_ptr()) };
    // SAFETY: the place is as long as is said.
    unsafe { bpf_get_current_comm(meta.comm.as_mut_ptr().cast(), COMM_LEN_BYTES as u32) };
}

#[inline(always)]
fn answer(ctx: &SockAddrContext, destination: Address, verdict: Verdict) -> i32 {
    match verdict.act {
        PASS => ALLOW,
        REDIRECT => {
            count::one(stat::REDIRECTED);
            debug!(
                ctx,
                "redirected pid {} to port {}",
                ctx.tgid(),
                verdict.port
            );
            ALLOW
        }
        REFUSE => {
            count::one(reason::PROXY_DOWN);
            info!(ctx, "refused a connect of pid {}: no proxy", ctx.tgid());
            if HAS_SET_RETVAL.load() == 1 {
                // SAFETY: takes a number; the loader has found that the kernel has the helper.
                unsafe { bpf_set_retval(-ECONNREFUSED) };
            }
            DENY
        }
        _ => {
            let Verdict {
                cgroup_id, reason, ..
            } = verdict;
            report::denied(&sock_addr::denied(ctx, destination, reason, cgroup_id));
            info!(ctx, "denied a connect of pid {}", ctx.tgid());
            DENY
        }
    }
}
