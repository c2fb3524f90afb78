//! Reads and writes the context of hooks that are handed an address.
#![expect(unsafe_code, reason = "reads and writes the kernel's context")]

use aya_ebpf::bindings::bpf_sock;
use aya_ebpf::programs::SockAddrContext;
use icecore_ebpf::Address;

use crate::report::Denied;

/// Gives the IPv4 address.
#[inline(always)]
pub(crate) fn v4(ctx: &SockAddrContext) -> Address {
    // SAFETY: the kernel hands in a valid context; a field is read by itself, as the verifier asks.
    Address::from_v4(unsafe { (&raw const (*ctx.sock_addr).user_ip4).read_volatile() })
}

/// Gives the IPv6 address.
#[inline(always)]
pub(crate) fn v6(ctx: &SockAddrContext) -> Address {
    // SAFETY: as in `v4`.
    let words = unsafe { &raw const (*ctx.sock_addr).user_ip6 }.cast::<u32>();
    // SAFETY: there are four words; each is read by itself.
    Address(unsafe {
        [
            words.read_volatile(),
            words.add(1).read_volatile(),
            words.add(2).read_volatile(),
            words.add(3).read_volatile(),
        ]
    })
}

/// Puts another IPv4 address and port in their place.
#[inline(always)]
pub(crate) fn set_v4(ctx: &SockAddrContext, address: Address, port: u16) {
    let [_, _, _, v4] = address.0;
    // SAFETY: both fields may be written by the callers' hooks; each is written by itself.
    unsafe {
        (&raw mut (*ctx.sock_addr).user_ip4).write_volatile(v4);
        (&raw mut (*ctx.sock_addr).user_port).write_volatile(port.to_be().into());
    }
}

/// Puts another IPv6 address and port in their place.
#[inline(always)]
pub(crate) fn set_v6(ctx: &SockAddrContext, address: Address, port: u16) {
    let [a, b, c, d] = address.0;
    // SAFETY: as in `set_v4`; there are four words.
    unsafe {
        let words = (&raw mut (*ctx.sock_addr).user_ip6).cast::<u32>();
        words.write_volatile(a);
        words.add(1).write_volatile(b);
        words.add(2).write_volatile(c);
        words.add(3).write_volatile(d);
        (&raw mut (*ctx.sock_addr).user_port).write_volatile(port.to_be().into());
    }
}

/// Gives the socket.
#[inline(always)]
pub(crate) fn socket(ctx: &SockAddrContext) -> *mut bpf_sock {
    // SAFETY: the kernel hands in a valid context with its socket.
    unsafe { (*ctx.sock_addr).__bindgen_anon_1.sk }
}

/// Gives the port, in host order.
#[inline(always)]
pub(crate) fn port(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the kernel hands in a valid context; the field is a `u32` that holds a big-endian `u16`.
    u16::from_be(unsafe { (&raw const (*ctx.sock_addr).user_port).read_volatile() } as u16)
}

/// Gives the socket's protocol.
#[inline(always)]
pub(crate) fn protocol(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the kernel hands in a valid context.
    unsafe { (&raw const (*ctx.sock_addr).protocol).read_volatile() as u16 }
}

/// Gives the socket's address family.
#[inline(always)]
pub(crate) fn family(ctx: &SockAddrContext) -> u16 {
    // SAFETY: the kernel hands in a valid context.
    unsafe { (&raw const (*ctx.sock_addr).family).read_volatile() as u16 }
}

/// Says what is told of something that was denied here.
#[inline(always)]
pub(crate) fn denied(
    ctx: &SockAddrContext,
    destination: Address,
    reason: u32,
    cgroup_id: u64,
) -> Denied {
    Denied {
        reason,
        cgroup_id,
        netns: 0,
        destination,
        port: port(ctx),
        family: family(ctx),
        protocol: protocol(ctx),
        // SAFETY: the kernel hands in a valid context.
        socket_type: unsafe { (&raw const (*ctx.sock_addr).type_).read_volatile() as u16 },
    }
}
