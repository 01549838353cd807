//! Texts of integers.

use super::quote;
use super::state::State;

/// The digits of an integer without sign, in the base of the verb.
pub(super) fn digits(value: u64, verb: char) -> String {
    match verb {
        'b' => format!("{value:b}"),
        'o' | 'O' => format!("{value:o}"),
        'x' => format!("{value:x}"),
        'X' => format!("{value:X}"),
        _ => value.to_string(),
    }
}

/// The character of a code point; U+FFFD where there is none.
pub(super) fn character(code: i64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// `U+0078`, or `U+0078 'x'` under the flag `#`.
pub(super) fn unicode(code: i64, state: &State) -> String {
    let code = code.cast_unsigned();
    let digits = state.precision.unwrap_or(4).max(4);
    let hex = format!("{code:X}");
    let zeros = "0".repeat(digits.saturating_sub(hex.len()));
    let printed = u32::try_from(code).ok().and_then(char::from_u32).filter(|shown| state.sharp && quote::prints(*shown));
    match printed {
        Some(shown) => format!("U+{zeros}{hex} '{shown}'"),
        None => format!("U+{zeros}{hex}"),
    }
}
