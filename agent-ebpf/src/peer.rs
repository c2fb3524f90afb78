//! `getpeername`: a redirected client is told the peer it asked for, not the proxy.
#![expect(unsafe_code, reason = "reads and writes the kernel's context")]

use aya_ebpf::programs::SockAddrContext;
use icecore_ebpf::ConnMeta;

use crate::maps::SK_DST;

/// The kernel asks for this value: the hook cannot refuse.
const DONE: i32 = 1;

/// Answers for an IPv4 socket.
#[inline(always)]
pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    if let Some(meta) = wanted(ctx) {
        let [_, _, _, v4] = meta.destination.0;
        // SAFETY: both fields may be written by a getpeername program; each is written by itself.
        unsafe {
            (&raw mut (*ctx.sock_addr).user_ip4).write_volatile(v4);
            (&raw mut (*ctx.sock_addr).user_port).write_volatile(meta.port.to_be().into());
        }
    }
    DONE
}

/// Answers for an IPv6 socket.
#[inline(always)]
pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    if let Some(meta) = wanted(ctx) {
        let [a, b, c, d] = meta.destination.0;
        // SAFETY: as in `v4`; there are four words.
        unsafe {
            let words = (&raw mut (*ctx.sock_addr).user_ip6).cast::<u32>();
            words.write_volatile(a);
            words.add(1).write_volatile(b);
            words.add(2).write_volatile(c);
            words.add(3).write_volatile(d);
            (&raw mut (*ctx.sock_addr).user_port).write_volatile(meta.port.to_be().into());
        }
    }
    DONE
}

#[inline(always)]
fn wanted<'a>(ctx: &SockAddrContext) -> Option<&'a ConnMeta> {
    // SAFETY: the kernel hands in a valid context with its socket.
    SK_DST.get(unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk })
}
