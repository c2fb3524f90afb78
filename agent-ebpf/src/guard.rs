//! Which places are guarded, and from whom.

use icecore_ebpf::{Address, Cfg, FLAG_GUARD_HOST, GUARD_METADATA, GuardKey, GuardPlace};

use crate::maps::{GUARD, OWN_PORTS};

/// Port of the domain name system (RFC 1035 section 4.2). Some clouds' resolvers have the address of their metadata service:
/// Google's 169.254.169.254, Azure's 168.63.129.16.
const DNS: u16 = 53;

/// Who is at a place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guarded {
    /// Nobody that is guarded.
    No,
    /// A governed host.
    Host,
    /// A cloud's metadata service.
    Metadata,
}

/// Looks a place up.
#[inline(always)]
pub(crate) fn look_up(address: Address, port: u16) -> Guarded {
    let key = GuardKey {
        prefix_bits: GuardPlace::PORT_BITS,
        place: GuardPlace {
            address,
            port: port.to_be(),
            reserved: [0; 3],
        },
    };
    match GUARD.get(&key).map(|entry| entry.kind) {
        None => Guarded::No,
        Some(GUARD_METADATA) if port == DNS => Guarded::No,
        Some(GUARD_METADATA) => Guarded::Metadata,
        // Also what no loader writes: a doubt refuses.
        Some(_) => Guarded::Host,
    }
}

/// Tells whether a governed host is at a place that somebody in no session wants to reach, and may not.
#[inline(always)]
pub(crate) fn from_outsiders(cfg: &Cfg, address: Address, port: u16) -> bool {
    cfg.flags & FLAG_GUARD_HOST != 0 && look_up(address, port) == Guarded::Host
}

/// Tells whether the daemon listens there, beside the proxy.
#[inline(always)]
pub(crate) fn is_own_port(port: u16) -> bool {
    OWN_PORTS.get_ptr(port).is_some()
}
