//! `net.cidr_merge`: as few networks as have the same addresses.

use fleetgate_value::Value;

use super::network::{Address, Network};
use crate::operand::any;
use crate::{Answer, Context, Error};

/// A run of addresses, ends included. IPv4 addresses stand among the IPv6 ones, where those that wrap them are.
struct Range {
    first: u128,
    last: u128,
    /// The text of the network while it is not merged with another.
    text: Option<String>,
}

/// Merges networks and IPv4 addresses; an address stands for the network of its class (`10.1.2.3` for `10.0.0.0/8`).
pub(super) fn merge(_: &mut Context, operands: &[Value]) -> Answer {
    let members = match any(operands, 1) {
        Value::Array(items) => &**items,
        Value::Set(set) => set.members(),
        _ => return Err(Error::Builtin("operand must be an array".to_owned())),
    };
    let mut ranges = members.iter().map(Range::read).collect::<Result<Vec<_>, _>>()?;
    ranges.sort_by_key(|range| (range.last, range.first));
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    // From the last one down: each takes up what it touches or overlaps.
    for range in ranges.into_iter().rev() {
        match merged.last_mut() {
            Some(above) if before(above.first) <= range.last => {
                above.first = above.first.min(range.first);
                above.text = None;
            }
            _ => merged.push(range),
        }
    }
    let mut texts = Vec::new();
    for range in merged {
        match range.text {
            Some(text) => texts.push(text.into()),
            None => split(range.first, range.last, &mut texts),
        }
    }
    Ok(Value::set(texts))
}

impl Range {
    fn read(member: &Value) -> Result<Self, Error> {
        let text = member.as_str().ok_or_else(|| Error::Builtin("element must be string".to_owned()))?;
        let (network, text) = match Address::parse(text) {
            Some(address @ Address::V4(bits)) => {
                let prefix = class_prefix(bits);
                // An address that is not merged keeps its own bits.
                (Network::v4(bits, prefix), format!("{address}/{prefix}"))
            }
            Some(Address::V6(_)) => return Err(Error::Builtin("IPv6 invalid: needs prefix length".to_owned())),
            None => {
                let network = super::network(text)?;
                (network, network.to_string())
            }
        };
        Ok(Self { first: wrapped(network.first()), last: wrapped(network.last()), text: Some(text) })
    }
}

/// The prefix of the network of an address's class.
const fn class_prefix(address: u32) -> u32 {
    match address >> 24 {
        0..0x80 => 8,
        0x80..0xc0 => 16,
        _ => 24,
    }
}

const V4: u128 = 0xffff_0000_0000;
const V4_LAST: u128 = 0xffff_ffff_ffff;

const fn wrapped(address: Address) -> u128 {
    match address {
        Address::V4(bits) => V4 | bits as u128,
        Address::V6(bits) => bits,
    }
}

/// The address before; before the first of its kind there is none other.
const fn before(address: u128) -> u128 {
    if address == V4 || address == 0 { address } else { address - 1 }
}

/// The networks that a range falls into, the largest that fit.
fn split(first: u128, last: u128, texts: &mut Vec<Value>) {
    let is_v4 = (V4..=V4_LAST).contains(&first);
    let width = if is_v4 { 32 } else { 128 };
    let mut first = first;
    loop {
        let length = last - first;
        // As many host bits as the first address has zeros and the range has addresses.
        let zeros = first.trailing_zeros().min(width);
        let bits = if length == u128::MAX { 128 } else { (length + 1).ilog2() };
        let hosts = zeros.min(bits);
        let network = if is_v4 {
            #[allow(clippy::cast_possible_truncation, reason = "the lowest bits are the IPv4 address")]
            Network::v4(first as u32, width - hosts)
        } else {
            Network::v6(first, width - hosts)
        };
        texts.push(network.to_string().into());
        let next = 1_u128.checked_shl(hosts).and_then(|count| first.checked_add(count));
        match next {
            Some(next) if next <= last => first = next,
            _ => return,
        }
    }
}
