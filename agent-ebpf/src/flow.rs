//! Socket operations: carry a redirected connection's destination from the client's socket to the proxy's.
//!
//! No accept can be too early: the client's last handshake segment leaves after `ACTIVE_ESTABLISHED` has run, and the
//! accepted socket is locked while `PASSIVE_ESTABLISHED` runs.
#![expect(unsafe_code, reason = "reads the kernel's context")]

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::{
    BPF_ANY, BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB, bpf_sock,
};
use aya_ebpf::programs::SockOpsContext;
use aya_log_ebpf::error;
use icecore_ebpf::{Address, Cfg, FlowKey, KIND_PROXY, stat};

use crate::maps::{FLOWS, HAS_SOCKOPS_NETNS, SK_DST, SK_ID, SK_SRV};
use crate::{count, place};

/// The kernel asks for 0 or 1, and reads neither.
const DONE: u32 = 1;

/// Source: linux/include/linux/socket.h.
const AF_INET: u32 = 2;

/// Acts on both ends of a handshake with the proxy's port.
#[inline(always)]
pub(crate) fn observe(ctx: &SockOpsContext) -> u32 {
    // Most calls are for other operations: they end here.
    let is_active = match ctx.op() {
        BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB => true,
        BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB => false,
        _ => return DONE,
    };
    let Some(cfg) = place::cfg() else {
        return DONE;
    };
    if is_active {
        publish(ctx, cfg);
    } else {
        deliver(ctx, cfg);
    }
    DONE
}

/// The client's end is established: its destination is put where the proxy's end finds it.
#[inline(always)]
fn publish(ctx: &SockOpsContext, cfg: &Cfg) {
    // The field is a `u32` in network order that holds a port.
    let remote_port = u32::from_be(ctx.remote_port()) as u16;
    let netns = netns(ctx);
    if remote_port == 0 || proxy_port(cfg, netns) != remote_port {
        return;
    }
    let sk = socket(ctx);
    if sk.is_null() {
        return;
    }
    let key = FlowKey {
        netns,
        source: local(ctx),
        source_port: ctx.local_port() as u16,
        proxy_port: remote_port,
        reserved: 0,
    };
    let Some(meta) = SK_DST.get(sk) else {
        // Somebody dials the proxy itself: what an aborted connection left here must not become theirs.
        FLOWS.remove(key).unwrap_or_default();
        return;
    };
    // What is there already is left of an aborted connection of the same two ends.
    if FLOWS.insert(key, meta, BPF_ANY.into()).is_err() {
        count::one(stat::FLOWS_LOST);
        error!(ctx, "lost a redirected connection: the flow map is full");
    }
}

/// The proxy's end is established: its socket gets the destination, and the way is cleared.
#[inline(always)]
fn deliver(ctx: &SockOpsContext, cfg: &Cfg) {
    let local_port = ctx.local_port() as u16;
    let netns = netns(ctx);
    if local_port == 0 || proxy_port(cfg, netns) != local_port {
        return;
    }
    let sk = socket(ctx);
    if sk.is_null() {
        return;
    }
    // INVARIANT: only a socket of the daemon's listener is told a destination.
    match SK_ID.get(sk) {
        Some(tag) if tag.kind == KIND_PROXY => {}
        Some(_) | None => return,
    }
    let key = FlowKey {
        netns,
        source: remote(ctx),
        source_port: u32::from_be(ctx.remote_port()) as u16,
        proxy_port: local_port,
        reserved: 0,
    };
    // SAFETY: nobody else writes this entry between the two ends of its handshake.
    let Some(meta) = (unsafe { FLOWS.get(key) }) else {
        return;
    };
    if SK_SRV.get_or_create(sk, Some(meta)).is_none() {
        count::one(stat::FLOWS_LOST);
        error!(
            ctx,
            "lost a redirected connection: no memory for its destination"
        );
    }
    FLOWS.remove(key).unwrap_or_default();
}

#[inline(always)]
fn socket(ctx: &SockOpsContext) -> *mut bpf_sock {
    // SAFETY: the kernel hands in a valid context.
    unsafe { (*ctx.ops).__bindgen_anon_2.sk }
}

#[inline(always)]
fn local(ctx: &SockOpsContext) -> Address {
    // SAFETY: the kernel hands in a valid context.
    let (v4, v6) = unsafe {
        (
            &raw const (*ctx.ops).local_ip4,
            &raw const (*ctx.ops).local_ip6,
        )
    };
    address(ctx, v4, v6.cast())
}

#[inline(always)]
fn remote(ctx: &SockOpsContext) -> Address {
    // SAFETY: the kernel hands in a valid context.
    let (v4, v6) = unsafe {
        (
            &raw const (*ctx.ops).remote_ip4,
            &raw const (*ctx.ops).remote_ip6,
        )
    };
    address(ctx, v4, v6.cast())
}

/// Reads both forms and then chooses: a choice between two places would be one computed place, which the verifier refuses.
#[inline(always)]
fn address(ctx: &SockOpsContext, v4: *const u32, v6: *const u32) -> Address {
    // SAFETY: the callers hand in places in the context; the second holds four words.
    let (v4, v6) = unsafe {
        (
            v4.read_volatile(),
            [
                v6.read_volatile(),
                v6.add(1).read_volatile(),
                v6.add(2).read_volatile(),
                v6.add(3).read_volatile(),
            ],
        )
    };
    match ctx.family() {
        AF_INET => Address::from_v4(v4),
        _ => Address(v6),
    }
}

#[inline(always)]
fn netns(ctx: &SockOpsContext) -> u64 {
    if HAS_SOCKOPS_NETNS.load() == 1 {
        place::netns(ctx.as_ptr())
    } else {
        0
    }
}

/// Tells the proxy's port in a namespace, 0 if there is none; where the kernel cannot tell namespaces apart here, there is the host's alone.
#[inline(always)]
fn proxy_port(cfg: &Cfg, netns: u64) -> u16 {
    if HAS_SOCKOPS_NETNS.load() == 1 {
        place::proxy_port(cfg, netns)
    } else {
        cfg.port
    }
}
