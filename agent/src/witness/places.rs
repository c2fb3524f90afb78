//! How many connections one address may hold, so that nobody holds all of them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// Most connections of one address. A recorder has one open at a time; behind one address there may be some hosts.
const OF_ADDRESS: usize = 16;

/// How many bits of an IPv6 address its network has; the rest a client chooses (RFC 4291 section 2.5.4).
const NETWORK_BITS: u32 = 64;

/// Connections that are open, by address.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One connection's place, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    all: Places,
    address: IpAddr,
}

impl Places {
    /// Takes a place for a connection; none where its address has as many as it may.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        let address = network(address);
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= OF_ADDRESS {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Place {
            all: self.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Gives what counts as one address: an IPv4 address, or an IPv6 network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let host_bits = u128::BITS - NETWORK_BITS;
            IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() >> host_bits << host_bits,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = Places::default();
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, same, other) in [
            ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"),
            ("2001:db8::1", "2001:db8::ffff:0:0:2", "2001:db8:0:1::1"),
        ] {
            let mut taken: Vec<Place> = (0..OF_ADDRESS)
                .map(|_| places.take(address(one)).unwrap())
                .collect();
            assert!(places.take(address(same)).is_none());
            assert!(places.take(address(other)).is_some());
            taken.pop();
            assert!(places.take(address(same)).is_some());
        }
        assert!(places.0.lock().unwrap().is_empty());
    }
}
