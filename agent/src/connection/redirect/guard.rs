//! The guard set: where governed hosts and metadata services are, as the kernel knows it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{HashMap, MapData};
use icecore_ebpf::{Address, GUARD_HOST, GUARD_METADATA, GuardEntry, GuardPlace};

use super::error::{KernelError, is_absent, map};
use super::{Kernel, Namespaces, sys};
use crate::connection::metadata::{METADATA, is_metadata};

/// The prefix under which an IPv6 network reaches IPv4 addresses: 64:ff9b::/96 (RFC 6052 section 2.1).
const NAT64: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// A place where a governed host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarded {
    /// All ports of an address.
    Address(IpAddr),
    /// One port of an address that others use too.
    Port(SocketAddr),
}

impl Guarded {
    /// Guards an address that a name led to; none if it is no host's that could be governed.
    ///
    /// Whoever answers for a name must not be able to cut the host off from its own loopback, link or metadata service.
    #[must_use]
    pub fn of_address(address: IpAddr) -> Option<Self> {
        let address = address.to_canonical();
        let is_ours_alone = match address {
            IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        let is_nobodys = address.is_loopback()
            || address.is_unspecified()
            || address.is_multicast()
            || is_ours_alone
            || is_metadata(address);
        (!is_nobodys).then_some(Self::Address(address))
    }

    /// Guards what the config names as a host's address: on loopback, where a tunnel may end, that port alone.
    #[must_use]
    pub fn of_fixed(at: SocketAddr) -> Option<Self> {
        let address = at.ip().to_canonical();
        if address.is_loopback() {
            return Some(Self::Port(SocketAddr::new(address, at.port())));
        }
        Self::of_address(address)
    }

    /// Gives the map's keys: an IPv4 address is guarded under its NAT64 name too.
    fn keys(self) -> impl Iterator<Item = Key<GuardPlace>> {
        let (address, port) = match self {
            Self::Address(address) => (address, None),
            Self::Port(at) => (at.ip(), Some(at.port())),
        };
        let (first, second) = match address {
            IpAddr::V4(v4) => {
                let [a, b, c, d, e, f] = NAT64;
                let [_, _, _, _, _, _, high, low] = v4.to_ipv6_mapped().segments();
                let translated = Ipv6Addr::new(a, b, c, d, e, f, high, low);
                (v4.to_ipv6_mapped(), Some(translated))
            }
            IpAddr::V6(v6) => (v6, None),
        };
        std::iter::once(first).chain(second).map(move |address| {
            let bits = match port {
                Some(_) => GuardPlace::PORT_BITS,
                None => GuardPlace::ADDRESS_BITS,
            };
            let place = GuardPlace {
                address: Address::from_octets(address.octets()),
                port: port.unwrap_or_default().to_be(),
                reserved: [0; 3],
            };
            Key::new(bits, place)
        })
    }

    /// Reads a key of the map.
    pub(super) fn of_key(key: &Key<GuardPlace>) -> Self {
        let (bits, place) = (key.prefix_len(), key.data());
        let address = IpAddr::V6(Ipv6Addr::from(place.address.octets())).to_canonical();
        if bits > GuardPlace::ADDRESS_BITS {
            return Self::Port(SocketAddr::new(address, u16::from_be(place.port)));
        }
        Self::Address(address)
    }
}

/// The maps of the guard.
pub(super) struct GuardMaps {
    pub(super) places: LpmTrie<MapData, GuardPlace, GuardEntry>,
    pub(super) own_ports: HashMap<MapData, u16, u8>,
    pub(super) netns: HashMap<MapData, u64, u16>,
}

impl GuardMaps {
    /// Guards the metadata services, and forgets ports of an earlier daemon, and its namespaces if its listeners are gone.
    pub(super) fn begin(&mut self, namespaces: Namespaces) -> Result<(), KernelError> {
        for address in METADATA {
            self.insert(Guarded::Address(address), GUARD_METADATA, u64::MAX)?;
        }
        let ports: Vec<u16> = self.own_ports.keys().filter_map(Result::ok).collect();
        for port in ports {
            removed(self.own_ports.remove(&port), "OWN_PORTS")?;
        }
        if namespaces == Namespaces::Keep {
            return Ok(());
        }
        let cookies: Vec<u64> = self.netns.keys().filter_map(Result::ok).collect();
        for cookie in cookies {
            removed(self.netns.remove(&cookie), "NETNS")?;
        }
        Ok(())
    }

    /// Tells whether any of it was new.
    fn insert(&mut self, place: Guarded, kind: u32, seen: u64) -> Result<bool, KernelError> {
        let mut is_new = false;
        for key in place.keys() {
            let known = self.places.get(&key, 0).is_ok();
            is_new |= !known;
            let entry = GuardEntry {
                seen_boot_ns: seen,
                kind,
                reserved: 0,
            };
            self.places
                .insert(&key, entry, 0)
                .map_err(map("GUARD", "add a place"))?;
        }
        Ok(is_new)
    }
}

impl Kernel {
    /// Guards places, or remembers that governed hosts are still there; gives the number of new ones.
    ///
    /// # Errors
    ///
    /// If the map is full or cannot be written; what comes before that place is guarded then.
    pub fn guard(&mut self, places: &[Guarded]) -> Result<usize, KernelError> {
        let now = sys::boot_ns();
        let mut new = 0;
        for place in places {
            new += usize::from(self.guard.insert(*place, GUARD_HOST, now)?);
        }
        Ok(new)
    }

    /// Forgets places where no governed host was seen for so long; gives their number.
    ///
    /// # Errors
    ///
    /// If the map cannot be read or written.
    pub fn forget_guarded(&mut self, unseen_for: Duration) -> Result<usize, KernelError> {
        let age_ns = u64::try_from(unseen_for.as_nanos()).unwrap_or(u64::MAX);
        let oldest = sys::boot_ns().saturating_sub(age_ns);
        let mut stale = Vec::new();
        for entry in self.guard.places.iter() {
            let (key, entry) = entry.map_err(map("GUARD", "read"))?;
            if entry.kind == GUARD_HOST && entry.seen_boot_ns < oldest {
                stale.push(key);
            }
        }
        for key in &stale {
            removed(self.guard.places.remove(key), "GUARD")?;
        }
        Ok(stale.len())
    }

    /// Lists the places where governed hosts are known to be.
    #[must_use]
    pub fn guarded(&self) -> Vec<Guarded> {
        let entries = self.guard.places.iter().filter_map(Result::ok);
        let mut places: Vec<Guarded> = entries
            .filter(|(_, entry)| entry.kind == GUARD_HOST)
            .map(|(key, _)| Guarded::of_key(&key))
            .collect();
        places.sort_unstable();
        places
    }

    /// Denies sessions a port of the daemon's own on the host's loopback: to dial it, and to take it.
    ///
    /// Holds until the programs are installed anew.
    ///
    /// # Errors
    ///
    /// If the map is full or cannot be written.
    pub fn protect_port(&mut self, port: u16) -> Result<(), KernelError> {
        self.guard
            .own_ports
            .insert(port, 1, 0)
            .map_err(map("OWN_PORTS", "add a port"))
    }

    /// Forgets all network namespaces but these.
    ///
    /// # Errors
    ///
    /// If the map cannot be written.
    pub fn keep_netns(&mut self, kept: &[u64]) -> Result<(), KernelError> {
        let cookies: Vec<u64> = self.guard.netns.keys().filter_map(Result::ok).collect();
        for cookie in cookies {
            if !kept.contains(&cookie) {
                removed(self.guard.netns.remove(&cookie), "NETNS")?;
            }
        }
        Ok(())
    }

    /// Redirects connections of a network namespace to a listener of the proxy's in there, by the namespace's cookie.
    ///
    /// The listener is on 127.0.0.1 and, for IPv6, `::1` of that namespace. It must be made by a process in the daemon's cgroup,
    /// in a thread that is in the namespace for as long; [`Kernel::require_tag`] checks it, and `netns_cookie` tells the cookie
    /// of the namespace that it was made in.
    ///
    /// # Errors
    ///
    /// If the map is full or cannot be written, or the kernel cannot tell namespaces apart where connections are established.
    pub fn add_netns(&mut self, cookie: u64, port: u16) -> Result<(), KernelError> {
        if !self.tells_netns {
            return Err(KernelError::NoNamespaces);
        }
        self.guard
            .netns
            .insert(cookie, port, 0)
            .map_err(map("NETNS", "add a namespace"))
    }

    /// Refuses connections of a network namespace from here on.
    ///
    /// # Errors
    ///
    /// If the map cannot be written. A namespace that is not there is none.
    pub fn remove_netns(&mut self, cookie: u64) -> Result<(), KernelError> {
        removed(self.guard.netns.remove(&cookie), "NETNS")
    }
}

/// What is gone already need not be removed.
fn removed(
    outcome: Result<(), aya::maps::MapError>,
    name: &'static str,
) -> Result<(), KernelError> {
    match outcome {
        Err(source) if !is_absent(&source) => Err(map(name, "remove an entry")(source)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn address(text: &str) -> Option<Guarded> {
        Guarded::of_address(text.parse().unwrap())
    }

    #[test]
    fn a_name_cannot_have_the_hosts_own_addresses_guarded() {
        for own in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "::ffff:127.0.0.1",
            "169.254.169.254",
            "169.254.1.1",
            "fe80::1",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
            "168.63.129.16",
        ] {
            assert_eq!(address(own), None, "{own}");
        }
        for far in ["192.0.2.7", "10.0.0.5", "2001:db8::7", "fd12::1"] {
            assert_eq!(address(far), Some(Guarded::Address(far.parse().unwrap())));
        }
        let mapped = Guarded::Address("192.0.2.7".parse().unwrap());
        assert_eq!(address("::ffff:192.0.2.7"), Some(mapped));
    }

    #[test]
    fn on_loopback_one_port_alone_is_guarded() {
        let fixed = |text: &str| Guarded::of_fixed(text.parse().unwrap());
        let port = Guarded::Port("127.0.0.1:8443".parse().unwrap());
        assert_eq!(fixed("127.0.0.1:8443"), Some(port));
        let address = Guarded::Address("10.0.0.7".parse().unwrap());
        assert_eq!(fixed("10.0.0.7:443"), Some(address));
        assert_eq!(fixed("169.254.169.254:80"), None);
    }

    #[test]
    fn ipv4_is_guarded_under_its_nat64_name_too() {
        let place = Guarded::Address("192.0.2.7".parse().unwrap());
        let keys: Vec<Guarded> = place.keys().map(|key| Guarded::of_key(&key)).collect();
        let translated = Guarded::Address("64:ff9b::192.0.2.7".parse().unwrap());
        assert_eq!(keys, [place, translated]);
        let port = Guarded::Port("[::1]:8443".parse().unwrap());
        let keys: Vec<Guarded> = port.keys().map(|key| Guarded::of_key(&key)).collect();
        assert_eq!(keys, [port]);
    }
}
