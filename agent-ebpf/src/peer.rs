//! `getpeername`: a redirected client is told the peer it asked for, not the proxy.

use aya_ebpf::programs::SockAddrContext;

use crate::maps::SK_DST;
use crate::sock_addr;

/// The kernel asks for this value: the hook cannot refuse.
const DONE: i32 = 1;

/// Answers for an IPv4 socket.
#[inline(always)]
pub(crate) fn v4(ctx: &SockAddrContext) -> i32 {
    if let Some(meta) = SK_DST.get(sock_addr::socket(ctx)) {
        sock_addr::set_v4(ctx, meta.destination, meta.port);
    }
    DONE
}

/// Answers for an IPv6 socket.
#[inline(always)]
pub(crate) fn v6(ctx: &SockAddrContext) -> i32 {
    if let Some(meta) = SK_DST.get(sock_addr::socket(ctx)) {
        sock_addr::set_v6(ctx, meta.destination, meta.port);
    }
    DONE
}
