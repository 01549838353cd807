//! `hex.*`, as Go's `encoding/hex` reads and writes them.

use fleetgate_value::Value;

use crate::operand::string;
use crate::text::{Text, from_bytes};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[("hex.decode", decode), ("hex.encode", encode)];

fn encode(context: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    let mut out = Text::with_capacity(context, text.len().saturating_mul(2))?;
    for byte in text.bytes() {
        out.display(format_args!("{byte:02x}"))?;
    }
    Ok(out.finish().into())
}

fn decode(_: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    let mut digits = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        let digit = char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let invalid = || Error::Builtin(format!("encoding/hex: invalid byte: U+{byte:04X} '{}'", char::from(byte)));
        digits.push(digit.ok_or_else(invalid)?);
    }
    let (pairs, rest) = digits.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Error::Builtin("encoding/hex: odd length hex string".to_owned()));
    }
    Ok(from_bytes(pairs.iter().map(|[high, low]| high << 4 | low).collect()).into())
}
