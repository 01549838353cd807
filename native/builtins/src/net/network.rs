//! Addresses and networks as Go's `net` package takes them: an IPv4 address within IPv6 (`::ffff:1.2.3.4`) is that IPv4
//! address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IP address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Address {
    V4(u32),
    V6(u128),
}

impl Address {
    /// Reads an address without zone.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.parse().ok()? {
            IpAddr::V4(address) => Some(Self::V4(address.to_bits())),
            IpAddr::V6(address) => Some(Self::of_bits(address.to_bits())),
        }
    }

    /// The address of 128 bits.
    fn of_bits(bits: u128) -> Self {
        match Ipv6Addr::from_bits(bits).to_ipv4_mapped() {
            Some(address) => Self::V4(address.to_bits()),
            None => Self::V6(bits),
        }
    }

    /// The address that many further on; beyond the last one it goes on from the first.
    pub(super) fn plus(self, count: u128) -> Self {
        match self {
            #[allow(clippy::cast_possible_truncation, reason = "it wraps")]
            Self::V4(bits) => Self::V4(bits.wrapping_add(count as u32)),
            Self::V6(bits) => Self::of_bits(bits.wrapping_add(count)),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(bits) => Ipv4Addr::from_bits(*bits).fmt(f),
            Self::V6(bits) => Ipv6Addr::from_bits(*bits).fmt(f),
        }
    }
}

/// The addresses that agree with `first` in the first `prefix` bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    first: Address,
    prefix: u32,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let prefix: u32 = prefix.parse().ok()?;
        match address.parse().ok()? {
            IpAddr::V4(address) if prefix <= 32 => Some(Self::v4(address.to_bits(), prefix)),
            IpAddr::V6(address) if prefix <= 128 => {
                let bits = address.to_bits() & mask(prefix);
                Some(match Address::of_bits(bits) {
                    // Only with more than 96 bits the marks of IPv4 stay.
                    Address::V4(address) => Self::v4(address, prefix.saturating_sub(96)),
                    first @ Address::V6(_) => Self { first, prefix },
                })
            }
            _ => None,
        }
    }

    /// The IPv4 network of an address.
    pub(super) const fn v4(address: u32, prefix: u32) -> Self {
        let mask = match u32::MAX.checked_shl(32 - prefix) {
            Some(mask) => mask,
            None => 0,
        };
        Self { first: Address::V4(address & mask), prefix }
    }

    pub(super) const fn v6(bits: u128, prefix: u32) -> Self {
        Self { first: Address::V6(bits & mask(prefix)), prefix }
    }

    pub(super) const fn first(self) -> Address {
        self.first
    }

    /// Bits of an address of the network's kind.
    const fn width(self) -> u32 {
        match self.first {
            Address::V4(_) => 32,
            Address::V6(_) => 128,
        }
    }

    pub(super) const fn last(self) -> Address {
        match self.first {
            Address::V4(bits) => match u32::MAX.checked_shr(self.prefix) {
                Some(hosts) => Address::V4(bits | hosts),
                None => Address::V4(bits),
            },
            Address::V6(bits) => Address::V6(bits | !mask(self.prefix)),
        }
    }

    /// Number of its addresses; none for all of IPv6.
    pub(super) const fn host_count(self) -> Option<u128> {
        1_u128.checked_shl(self.width() - self.prefix)
    }

    pub(super) const fn contains(self, address: Address) -> bool {
        match (self.first, address) {
            (Address::V4(first), Address::V4(bits)) => match u32::MAX.checked_shl(32 - self.prefix) {
                Some(mask) => first & mask == bits & mask,
                None => true,
            },
            (Address::V6(first), Address::V6(bits)) => first == bits & mask(self.prefix),
            _ => false,
        }
    }

    pub(super) const fn contains_network(self, other: Self) -> bool {
        matches!((self.first, other.first), (Address::V4(_), Address::V4(_)) | (Address::V6(_), Address::V6(_)))
            && self.prefix <= other.prefix
            && self.contains(other.first)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.prefix)
    }
}

/// The mask of so many bits of an IPv6 address.
const fn mask(prefix: u32) -> u128 {
    match u128::MAX.checked_shl(128 - prefix) {
        Some(mask) => mask,
        None => 0,
    }
}
