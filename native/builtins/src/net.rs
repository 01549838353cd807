//! Networks in CIDR notation.

mod merge;
mod network;

use fleetgate_value::Value;

use self::network::{Address, Network};
use crate::operand::{any, string};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("net.cidr_contains", contains),
    ("net.cidr_contains_matches", contains_matches),
    ("net.cidr_expand", expand),
    ("net.cidr_intersects", intersects),
    ("net.cidr_is_valid", is_valid),
    ("net.cidr_merge", merge::merge),
    ("net.cidr_overlap", contains),
];

/// Bytes that the text of an address may take as a member of a set.
const ADDRESS_BYTES: usize = 64;

fn network(text: &str) -> Result<Network, Error> {
    Network::parse(text).ok_or_else(|| Error::Builtin(format!("invalid CIDR address: {text}")))
}

/// The operand's text; OPA calls each of these operands the first.
fn text(value: &Value) -> Result<&str, Error> {
    string(std::slice::from_ref(value), 1)
}

fn contains(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(holds(any(operands, 1), any(operands, 2))?.into())
}

/// Whether a network contains an address or a network.
fn holds(outer: &Value, inner: &Value) -> Result<bool, Error> {
    let outer = network(text(outer)?)?;
    let inner = text(inner)?;
    if let Some(address) = Address::parse(inner) {
        return Ok(outer.contains(address));
    }
    let error = || Error::Builtin(format!("not a valid textual representation of an IP address or CIDR: {inner}"));
    Ok(outer.contains_network(Network::parse(inner).ok_or_else(error)?))
}

fn intersects(_: &mut Context, operands: &[Value]) -> Answer {
    let (a, b) = (network(text(any(operands, 1))?)?, network(text(any(operands, 2))?)?);
    Ok((a.contains(b.first()) || b.contains(a.first())).into())
}

fn is_valid(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(any(operands, 1).as_str().is_some_and(|text| Network::parse(text).is_some()).into())
}

/// The addresses of a network.
fn expand(context: &mut Context, operands: &[Value]) -> Answer {
    let network = network(string(operands, 1)?)?;
    let count = network.host_count().and_then(|count| usize::try_from(count).ok()).ok_or(Error::Size)?;
    context.fits(count.saturating_mul(ADDRESS_BYTES))?;
    let addresses = (0..count).map(|index| network.first().plus(index as u128).to_string().into());
    Ok(Value::set(addresses.collect()))
}

/// Pairs of what names a network of the first operand and what names an address or network of the second that it
/// contains.
fn contains_matches(_: &mut Context, operands: &[Value]) -> Answer {
    let mut pairs = Vec::new();
    for outer in Named::of(any(operands, 1)) {
        let (outer_text, outer_name) = outer.checked(1)?;
        for inner in Named::of(any(operands, 2)) {
            let (inner_text, inner_name) = inner.checked(2)?;
            if holds(outer_text, inner_text)? {
                pairs.push(Value::array(vec![outer_name.clone(), inner_name]));
            }
        }
    }
    Ok(Value::set(pairs))
}

/// A network or address with the name that a result calls it by.
struct Named<'a> {
    value: &'a Value,
    name: Value,
}

impl<'a> Named<'a> {
    /// A string by itself, items of an array by their index, members of a set by themselves, values of an object by their
    /// key.
    fn of(operand: &'a Value) -> Vec<Self> {
        let named = |(value, name): (&'a Value, Value)| Self { value, name };
        match operand {
            Value::String(_) => vec![Self { value: operand, name: operand.clone() }],
            Value::Array(items) => items.iter().zip((0_usize..).map(Value::from)).map(named).collect(),
            Value::Set(set) => set.iter().map(|member| named((member, member.clone()))).collect(),
            Value::Object(object) => object.iter().map(|(key, value)| named((value, key.clone()))).collect(),
            _ => Vec::new(),
        }
    }

    /// The text, which may be the first of an array whose others are labels.
    fn checked(self, operand: usize) -> Result<(&'a Value, Value), Error> {
        let text = match self.value {
            Value::String(_) => Some(self.value),
            Value::Array(items) => items.first(),
            _ => None,
        };
        let error = || Error::Builtin(format!("operand {operand}: element must be string or non-empty array"));
        Ok((text.ok_or_else(error)?, self.name))
    }
}
