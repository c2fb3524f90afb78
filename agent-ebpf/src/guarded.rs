//! Places that nobody, or no session, may reach but by the proxy.

use crate::Address;

/// Most places that are guarded at once.
pub const GUARD_MAX: usize = 16_384;

/// A governed host is there: nobody but the daemon may reach it, and a session only by redirection.
pub const GUARD_HOST: u32 = 1;

/// A cloud's metadata service is there: no session may reach it, but for names (port 53).
pub const GUARD_METADATA: u32 = 2;

/// What is guarded: an address with all its ports, or with one.
///
/// The map `GUARD` is a trie of prefixes, in which one look-up answers for both: an entry of [`GuardPlace::ADDRESS_BITS`]
/// stands for all ports, one of [`GuardPlace::PORT_BITS`] for one.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardPlace {
    /// The address.
    pub address: Address,
    /// The port in network order; 0 in an entry for all ports.
    pub port: u16,
    /// Keeps the size a multiple of 8, as the map's values ask; always 0.
    pub reserved: [u16; 3],
}

impl GuardPlace {
    /// Length of a prefix that is one address with all its ports.
    pub const ADDRESS_BITS: u32 = 128;

    /// Length of a prefix that is one address with one port.
    pub const PORT_BITS: u32 = 144;
}

/// A prefix of [`GuardPlace`]; source: `struct bpf_lpm_trie_key_u8` in linux/include/uapi/linux/bpf.h.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardKey {
    /// How many bits of the place count.
    pub prefix_bits: u32,
    /// The place.
    pub place: GuardPlace,
}

/// Why a place is guarded, and since when it was not seen again.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardEntry {
    /// When a governed host was last found there, by `CLOCK_BOOTTIME`.
    pub seen_boot_ns: u64,
    /// [`GUARD_HOST`] or [`GUARD_METADATA`].
    pub kind: u32,
    /// Keeps the size a multiple of 8; always 0.
    pub reserved: u32,
}

// The sum of the fields' sizes: a larger struct would have padding, which the kernel would see uninitialised.
const _: () = {
    assert!(size_of::<GuardPlace>() == 16 + 2 + 3 * 2);
    assert!(size_of::<GuardKey>() == 4 + 24);
    assert!(size_of::<GuardEntry>() == 8 + 2 * 4);
};

// SAFETY: plain old data without padding, checked above; any bytes are a valid value.
#[cfg(feature = "user")]
unsafe impl aya::Pod for GuardPlace {}
// SAFETY: as above.
#[cfg(feature = "user")]
unsafe impl aya::Pod for GuardEntry {}
