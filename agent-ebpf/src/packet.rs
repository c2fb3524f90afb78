//! Packets on their way out: none leaves to a guarded place from a socket that is not the daemon's.
//!
//! A backstop, off by default: the connect hooks see every connect, but not a socket that was connected before an address
//! became guarded, or outside, and then handed in.
#![expect(unsafe_code, reason = "reads the kernel's context")]

use aya_ebpf::programs::SkBuffContext;
use icecore_ebpf::{Address, FLAG_GUARD_HOST, KIND_PROXY, KIND_SESSION, reason};

use crate::guard::{self, Guarded};
use crate::maps::SK_ID;
use crate::{count, place};

const ALLOW: i32 = 1;
const DROP: i32 = 0;

/// `ETH_P_IP` and `ETH_P_IPV6` in network order; source: linux/include/uapi/linux/if_ether.h.
const IPV4: u32 = 0x0800_u16.to_be() as u32;
const IPV6: u32 = 0x86dd_u16.to_be() as u32;

/// Where things stand in an IPv4 header (RFC 791 section 3.1).
const V4_DESTINATION: usize = 16;

/// Where things stand in an IPv6 header (RFC 8200 section 3), and its length.
const V6_DESTINATION: usize = 24;
const V6_BYTES: usize = 40;

/// Where the destination port stands in the headers of TCP and UDP alike.
const PORT: usize = 2;

/// Decides whether a packet may leave.
#[inline(always)]
pub(crate) fn check(ctx: &SkBuffContext) -> i32 {
    let Some(cfg) = place::cfg() else {
        return DROP;
    };
    // What is no packet of either family cannot be for a guarded address; one that is cut off is not sent.
    let (destination, transport) = match protocol(ctx) {
        IPV4 => match v4(ctx) {
            Some(found) => found,
            None => return DROP,
        },
        IPV6 => match ctx.load::<[u32; 4]>(V6_DESTINATION) {
            Ok(words) => (Address(words), V6_BYTES),
            Err(_) => return DROP,
        },
        _ => return ALLOW,
    };
    // A fragment or a packet of another protocol has no port there: then the address alone counts, or a wrong port.
    let port = ctx.load::<u16>(transport + PORT).map_or(0, u16::from_be);
    let guarded = guard::look_up(destination, port);
    if guarded == Guarded::No {
        return ALLOW;
    }
    // SAFETY: the kernel hands in a valid context; a socket is there or null.
    let sk = unsafe { (*ctx.skb.skb).__bindgen_anon_2.sk };
    let kind = if sk.is_null() {
        0
    } else {
        SK_ID.get(sk).map_or(0, |tag| tag.kind)
    };
    let is_denied = match (kind, guarded) {
        (KIND_PROXY, _) | (_, Guarded::No) => false,
        (KIND_SESSION, Guarded::Host | Guarded::Metadata) => true,
        (_, Guarded::Host) => cfg.flags & FLAG_GUARD_HOST != 0,
        (_, Guarded::Metadata) => false,
    };
    if is_denied {
        count::one(reason::PACKET);
        return DROP;
    }
    ALLOW
}

#[inline(always)]
fn protocol(ctx: &SkBuffContext) -> u32 {
    // SAFETY: the kernel hands in a valid context; a field is read by itself, as the verifier asks.
    unsafe { (&raw const (*ctx.skb.skb).protocol).read_volatile() }
}

/// Gives the destination of an IPv4 packet, and where its transport's header begins.
#[inline(always)]
fn v4(ctx: &SkBuffContext) -> Option<(Address, usize)> {
    let first: u8 = ctx.load(0).ok()?;
    let destination: u32 = ctx.load(V4_DESTINATION).ok()?;
    // The low half of the first byte counts words of 4 bytes.
    Some((Address::from_v4(destination), usize::from(first & 0xf) * 4))
}
