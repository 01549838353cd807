//! UUIDs.

use fleetgate_value::Value;

use crate::operand::{any, string};
use crate::{Answer, Context, Error, Table, random};

pub(crate) const TABLE: Table = &[("uuid.parse", parse), ("uuid.rfc4122", rfc4122)];

/// 100 ns steps from the start of the Gregorian calendar to 1970.
const GREGORIAN_TO_UNIX: i64 = 122_192_928_000_000_000;

/// A random UUID, the same for the same operand within a query.
fn rfc4122(context: &mut Context, operands: &[Value]) -> Answer {
    context.once(&format!("uuid.rfc4122/{}", any(operands, 1)), || {
        // Version 4 and the variant of RFC 4122.
        let random = u128::from_be_bytes(random::bytes()?);
        let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
        Ok(hyphenated(bits).into())
    })
}

fn hyphenated(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

/// What a UUID says; undefined for what is none.
fn parse(_: &mut Context, operands: &[Value]) -> Answer {
    let bits = read(string(operands, 1)?).ok_or(Error::Undefined)?;
    let bytes = bits.to_be_bytes();
    let field = |shift: u32, width: u32| i64::try_from(bits >> shift & ((1 << width) - 1)).unwrap_or(0);
    let version = field(76, 4);
    let variant = match field(61, 3) {
        0b100 | 0b101 => "RFC4122",
        0b110 => "Microsoft",
        0b111 => "Future",
        _ => "Reserved",
    };
    let mut pairs: Vec<(Value, Value)> = vec![("version".into(), version.into()), ("variant".into(), variant.into())];
    if matches!(version, 1 | 2) {
        let steps = field(96, 32) | field(80, 16) << 32 | field(64, 12) << 48;
        let node: Vec<String> = bytes.iter().skip(10).map(|byte| format!("{byte:02x}")).collect();
        pairs.push(("time".into(), (steps - GREGORIAN_TO_UNIX).wrapping_mul(100).into()));
        pairs.push(("nodeid".into(), node.join("-").into()));
        pairs.push(("macvariables".into(), mac_variables(field(40, 8)).into()));
        pairs.push(("clocksequence".into(), field(48, 14).into()));
    }
    if version == 2 {
        let domain = match field(48, 8) {
            0 => "Person".to_owned(),
            1 => "Group".to_owned(),
            2 => "Org".to_owned(),
            other => format!("Domain{other}"),
        };
        pairs.push(("id".into(), field(96, 32).into()));
        pairs.push(("domain".into(), domain.into()));
    }
    Ok(Value::object(pairs))
}

const fn mac_variables(first: i64) -> &'static str {
    match first & 0b11 {
        0b11 => "local:multicast",
        0b01 => "global:multicast",
        0b10 => "local:unicast",
        _ => "global:unicast",
    }
}

/// Plain, hyphenated, in braces (any first and last byte will do) or as a URN.
fn read(text: &str) -> Option<u128> {
    let hyphenated = match text.len() {
        32 => return hex(text),
        36 => text,
        38 => text.get(1..37)?,
        45 if text.get(..9)?.eq_ignore_ascii_case("urn:uuid:") => text.get(9..)?,
        _ => return None,
    };
    let hyphens = [8, 13, 18, 23];
    let is_hyphen = |(index, byte): (usize, u8)| (byte == b'-') == hyphens.contains(&index);
    if !hyphenated.bytes().enumerate().all(is_hyphen) {
        return None;
    }
    hex(&hyphenated.replace('-', ""))
}

fn hex(text: &str) -> Option<u128> {
    text.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}
