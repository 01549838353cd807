//! `base64.*` and `base64url.*`, as Go's `encoding/base64` reads and writes them.

use fleetgate_value::Value;

use crate::operand::{any, string};
use crate::text::from_bytes;
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("base64.decode", decode),
    ("base64.encode", |context, operands| encode(context, operands, STANDARD, true)),
    ("base64.is_valid", is_valid),
    ("base64url.decode", url_decode),
    ("base64url.encode", |context, operands| encode(context, operands, URL, true)),
    ("base64url.encode_no_pad", |context, operands| encode(context, operands, URL, false)),
];

/// The digits beyond letters and numerals.
type Alphabet = [u8; 2];
const STANDARD: Alphabet = *b"+/";
const URL: Alphabet = *b"-_";

fn digit(value: u32, alphabet: Alphabet) -> char {
    let [plus, slash] = alphabet;
    let value = u8::try_from(value & 63).unwrap_or(0);
    char::from(match value {
        0..=25 => b'A' + value,
        26..=51 => b'a' + value - 26,
        52..=61 => b'0' + value - 52,
        62 => plus,
        _ => slash,
    })
}

fn value(digit: u8, alphabet: Alphabet) -> Option<u32> {
    let [plus, slash] = alphabet;
    Some(u32::from(match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        _ if digit == plus => 62,
        _ if digit == slash => 63,
        _ => return None,
    }))
}

fn encode(context: &Context, operands: &[Value], alphabet: Alphabet, pad: bool) -> Answer {
    let text = string(operands, 1)?;
    let length = text.len().div_ceil(3).saturating_mul(4);
    context.fits(length)?;
    let mut out = String::with_capacity(length);
    for three in text.as_bytes().chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..=three.len() {
            out.push(digit(bits >> (18 - 6 * place), alphabet));
        }
        if pad {
            out.extend(std::iter::repeat_n('=', 3 - three.len()));
        }
    }
    Ok(out.into())
}

/// Padded digits to bytes. Line ends count for nothing, and bits beyond the last byte may be any.
fn bytes(text: &str, alphabet: Alphabet) -> Result<Vec<u8>, Error> {
    let corrupt = |at: usize| Error::Builtin(format!("illegal base64 data at input byte {at}"));
    let mut digits = text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'));
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    loop {
        let mut bits = 0;
        for place in 0..4_usize {
            match digits.next() {
                None if place == 0 => return Ok(out),
                None => return Err(corrupt(text.len())),
                Some((at, b'=')) => {
                    let complete = match place {
                        0 | 1 => false,
                        2 => digits.next().is_some_and(|(_, byte)| byte == b'='),
                        _ => true,
                    };
                    if !complete || digits.next().is_some() {
                        return Err(corrupt(at));
                    }
                    let [_, first, second, _] = u32::to_be_bytes(bits << (6 * (4 - place)));
                    out.push(first);
                    out.extend((place == 3).then_some(second));
                    return Ok(out);
                }
                Some((at, byte)) => bits = bits << 6 | value(byte, alphabet).ok_or_else(|| corrupt(at))?,
            }
        }
        let [_, first, second, third] = u32::to_be_bytes(bits);
        out.extend([first, second, third]);
    }
}

/// The bytes of standard base64.
///
/// # Errors
/// Where the text is none.
pub(super) fn standard(text: &str) -> Result<Vec<u8>, Error> {
    bytes(text, STANDARD)
}

fn decode(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(from_bytes(bytes(string(operands, 1)?, STANDARD)?).into())
}

fn is_valid(_: &mut Context, operands: &[Value]) -> Answer {
    Ok(any(operands, 1).as_str().is_some_and(|text| bytes(text, STANDARD).is_ok()).into())
}

fn url_decode(_: &mut Context, operands: &[Value]) -> Answer {
    let text = string(operands, 1)?;
    let padding = match text.len() % 4 {
        _ if text.ends_with('=') => "",
        0 => "",
        2 => "==",
        3 => "=",
        _ => return Err(Error::Builtin(format!("illegal base64url string: {text}"))),
    };
    Ok(from_bytes(bytes(&format!("{text}{padding}"), URL)?).into())
}
