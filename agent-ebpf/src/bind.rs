//! `bind`: only the daemon may hold the proxy's port, so that nobody can take it while the daemon is away.
#![expect(unsafe_code, reason = "reads the kernel's context")]

use aya_ebpf::EbpfContext;
use aya_ebpf::programs::SockAddrContext;
use aya_log_ebpf::info;
use icecore_ebpf::KIND_PROXY;

use crate::maps::SK_ID;
use crate::place;

const ALLOW: i32 = 1;
const DENY: i32 = 0;

/// Decides whether the socket may be bound.
#[inline(always)]
pub(crate) fn check(ctx: &SockAddrContext) -> i32 {
    // SAFETY: the kernel hands in a valid context; the field is a `u32` that holds a big-endian `u16`.
    let port = unsafe { (&raw const (*ctx.sock_addr).user_port).read_volatile() };
    let Some(cfg) = place::cfg() else {
        return DENY;
    };
    if u16::from_be(port as u16) != cfg.port {
        return ALLOW;
    }
    // SAFETY: the kernel hands in a valid context with its socket.
    let sk = unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk };
    match SK_ID.get(sk) {
        Some(tag) if tag.kind == KIND_PROXY => ALLOW,
        Some(_) | None => {
            info!(ctx, "denied the proxy's port to pid {}", ctx.tgid());
            DENY
        }
    }
}
