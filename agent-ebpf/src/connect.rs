//! `connect` and `sendmsg`: redirects a session's connections, refuses what cannot be redirected, leaves the rest alone.
#![expect(
    unsafe_code,
    reason = "reads and writes the kernel's context, calls helpers"
)]

use core::ffi::c_void;
use core::ptr;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::helpers::generated::{
    bpf_get_current_comm, bpf_get_netns_cookie, bpf_get_socket_cookie, bpf_ktime_get_boot_ns,
    bpf_set_retval,
};
use aya_ebpf::helpers::{bpf_get_current_pid_tgid, bpf_get_current_uid_gid};
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::{debug, info};
use icecore_ebpf::{Address, COMM_LEN_BYTES, Cfg, ConnMeta, KIND_PROXY, KIND_SESSION, SkId};

use crate::maps::{HAS_SET_RETVAL, PORTS, SK_DST, SK_ID};
use crate::place::{self, Place};

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// Source: linux/include/uapi/linux/in.h.
const IPPROTO_TCP: u32 = 6;

/// Source: linux/include/uapi/asm-generic/errno.h.
const ECONNREFUSED: i32 = 111;

/// HTTPS; over UDP it is HTTP/3, which nothing here can redirect: clients then fall back to TCP.
const HTTPS: u16 = 443;

/// What becomes of a connect.
enum Verdict {
    /// It goes where it wanted.
    Pass,
    /// It goes to the proxy, at this port.
    Redirect(u16),
    /// It fails with EPERM: clients do not retry that.
    Deny,
    /// It fails with ECONNREFUSED: the proxy is away for a while.
    Refuse,
}

/// Whose socket it is.
enum Owner<'a> {
    /// Nobody's that is governed.
    Free,
    /// The session's, under this tag.
    Session(&'a SkId),
    /// It is not used by whom it belongs to.
    Wrong,
}

/// Decides about an IPv4 connect.
#[inline(always)]
pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the kernel hands in a valid context; a field is read by itself, as the verifier asks.
    let v4 = unsafe { (&raw const (*ctx.sock_addr).user_ip4).read_volatile() };
    let verdict = judge(ctx, Address::from_v4(v4));
    if let Verdict::Redirect(port) = verdict {
        let [_, _, _, loopback] = Address::LOOPBACK_MAPPED.0;
        // SAFETY: both fields may be written by a connect program; each is written by itself.
        unsafe {
            (&raw mut (*ctx.sock_addr).user_ip4).write_volatile(loopback);
            (&raw mut (*ctx.sock_addr).user_port).write_volatile(port.to_be().into());
        }
    }
    answer(ctx, &verdict)
}

/// Decides about an IPv6 connect; a mapped IPv4 address stays one, so that a socket of either kind can reach the proxy.
#[inline(always)]
pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    // SAFETY: as in `v4`.
    let words = unsafe { &raw const (*ctx.sock_addr).user_ip6 }.cast::<u32>();
    // SAFETY: there are four words; each is read by itself.
    let destination = Address(unsafe {
        [
            words.read_volatile(),
            words.add(1).read_volatile(),
            words.add(2).read_volatile(),
            words.add(3).read_volatile(),
        ]
    });
    let verdict = judge(ctx, destination);
    if let Verdict::Redirect(port) = verdict {
        let [a, b, c, d] = match destination.v4() {
            Some(_) => Address::LOOPBACK_MAPPED.0,
            None => Address::LOOPBACK.0,
        };
        // SAFETY: as in `v4`; there are four words.
        unsafe {
            let words = (&raw mut (*ctx.sock_addr).user_ip6).cast::<u32>();
            words.write_volatile(a);
            words.add(1).write_volatile(b);
            words.add(2).write_volatile(c);
            words.add(3).write_volatile(d);
            (&raw mut (*ctx.sock_addr).user_port).write_volatile(port.to_be().into());
        }
    }
    answer(ctx, &verdict)
}

/// Decides about a datagram that names its destination itself.
#[inline(always)]
pub(crate) fn datagram(ctx: &SockAddrContext) -> i32 {
    let Some(cfg) = place::cfg() else {
        return DENY;
    };
    match owner(cfg, socket(ctx)) {
        Owner::Free => ALLOW,
        Owner::Session(_) if port(ctx) != HTTPS => ALLOW,
        Owner::Session(_) | Owner::Wrong => DENY,
    }
}

/// The ladder: the first rule that fits decides, and nothing that goes wrong passes.
#[inline(always)]
fn judge(ctx: &SockAddrContext, destination: Address) -> Verdict {
    let Some(cfg) = place::cfg() else {
        return Verdict::Deny;
    };
    let sk = socket(ctx);
    let tag = match owner(cfg, sk) {
        Owner::Free => return Verdict::Pass,
        Owner::Wrong => return Verdict::Deny,
        Owner::Session(tag) => tag,
    };
    // An earlier connect's destination must not be told with this one (connect, AF_UNSPEC, connect).
    SK_DST.delete(sk);
    let Some(session) = place::session(tag.cgroup_id) else {
        return Verdict::Deny;
    };
    if session.nonce != tag.nonce {
        return Verdict::Deny;
    }

    let port = port(ctx);
    // SAFETY: the kernel hands in a valid context.
    let protocol = unsafe { (&raw const (*ctx.sock_addr).protocol).read_volatile() };
    if protocol != IPPROTO_TCP {
        return if port == HTTPS {
            Verdict::Deny
        } else {
            Verdict::Pass
        };
    }
    if port == cfg.port && destination.is_loopback() {
        return Verdict::Deny;
    }
    if PORTS.get_ptr(port).is_none() {
        return Verdict::Pass;
    }
    if cfg.armed != 1 {
        return Verdict::Refuse;
    }
    let netns = netns(ctx.as_ptr());
    if netns != host_netns(cfg) {
        return Verdict::Deny;
    }
    let Some(meta) = SK_DST.get_or_create(sk, None) else {
        return Verdict::Deny;
    };
    meta.destination = destination;
    meta.port = port;
    meta.netns = netns;
    meta.session = session.id;
    meta.socket = *tag;
    describe(ctx, meta);
    Verdict::Redirect(cfg.port)
}

/// Finds whose socket it is by its tag, and whether the process that uses it may.
///
/// A process in a session may use only its session's sockets: one made elsewhere and handed in would go untold.
#[inline(always)]
fn owner<'a>(cfg: &Cfg, sk: *mut bpf_sock) -> Owner<'a> {
    let place = Place::of_current(cfg);
    let Some(tag) = SK_ID.get(sk) else {
        return match place {
            Place::Outside | Place::Daemon(_) => Owner::Free,
            Place::Session(_) | Place::Stray => Owner::Wrong,
        };
    };
    match (tag.kind, place) {
        (KIND_PROXY, Place::Outside | Place::Daemon(_)) => Owner::Free,
        (KIND_SESSION, Place::Outside | Place::Daemon(_)) => Owner::Session(tag),
        (KIND_SESSION, Place::Session(cgroup_id)) if cgroup_id == tag.cgroup_id => {
            Owner::Session(tag)
        }
        _ => Owner::Wrong,
    }
}

/// Writes down who connects.
#[inline(always)]
fn describe(ctx: &SockAddrContext, meta: &mut ConnMeta) {
    let pid_tgid = bpf_get_current_pid_tgid();
    meta.pid = (pid_tgid >> 32) as u32;
    meta.tid = pid_tgid as u32;
    meta.uid = bpf_get_current_uid_gid() as u32;
    // SAFETY: the kernel hands in a valid context; the helpers take it or nothing, and give numbers.
    unsafe {
        meta.family = (&raw const (*ctx.sock_addr).family).read_volatile() as u16;
        meta.cookie = bpf_get_socket_cookie(ctx.as_ptr());
        meta.boot_ns = bpf_ktime_get_boot_ns();
    }
    // SAFETY: the place is as long as is said.
    unsafe { bpf_get_current_comm(meta.comm.as_mut_ptr().cast(), COMM_LEN_BYTES as u32) };
}

#[inline(always)]
fn answer(ctx: &SockAddrContext, verdict: &Verdict) -> i32 {
    match verdict {
        Verdict::Pass => ALLOW,
        Verdict::Redirect(port) => {
            debug!(ctx, "redirected pid {} to port {}", ctx.tgid(), *port);
            ALLOW
        }
        Verdict::Deny => {
            info!(ctx, "denied a connect of pid {}", ctx.tgid());
            DENY
        }
        Verdict::Refuse => {
            info!(ctx, "refused a connect of pid {}: not armed", ctx.tgid());
            if HAS_SET_RETVAL.load() == 1 {
                // SAFETY: takes a number; the loader has found that the kernel has the helper.
                unsafe { bpf_set_retval(-ECONNREFUSED) };
            }
            DENY
        }
    }
}

#[inline(always)]
fn socket(ctx: &SockAddrContext) -> *mut bpf_sock {
    // SAFETY: the kernel hands in a valid context with its socket.
    unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }
}

#[inline(always)]
fn port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the kernel hands in a valid context; the field is a `u32` that holds a big-endian `u16`.
    u16::from_be(unsafe { (&raw const (*ctx.sock_addr).user_port).read_volatile() } as u16)
}

#[inline(always)]
fn netns(ctx: *mut c_void) -> u64 {
    // SAFETY: the helper takes a context, or null for the initial namespace.
    unsafe { bpf_get_netns_cookie(ctx) }
}

#[inline(always)]
fn host_netns(cfg: &Cfg) -> u64 {
    match cfg.host_netns {
        0 => netns(ptr::null_mut()),
        cookie => cookie,
    }
}
