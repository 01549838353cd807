//! Quoted texts and characters, as Go's `strconv` writes them.

use std::fmt::Write;

use fleetgate_value::go;

/// `strconv.Quote`, or `strconv.QuoteToASCII`.
pub(super) fn string(text: &str, ascii: bool) -> String {
    if !ascii || text.is_ascii() {
        return go::quote(text);
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        escape(&mut out, character, '"', true);
    }
    out.push('"');
    out
}

/// `strconv.QuoteRune`, or `strconv.QuoteRuneToASCII`.
pub(super) fn character(character: char, ascii: bool) -> String {
    let mut out = String::from("'");
    escape(&mut out, character, '\'', ascii);
    out.push('\'');
    out
}

fn escape(out: &mut String, character: char, quote: char, ascii: bool) {
    if character == quote || character == '\\' {
        out.extend(['\\', character]);
    } else if character == '"' || character == '\'' {
        out.push(character);
    } else if ascii && !character.is_ascii() {
        let code = u32::from(character);
        // Writing to a string cannot fail.
        let _ = if code < 0x1_0000 { write!(out, "\\u{code:04x}") } else { write!(out, "\\U{code:08x}") };
    } else {
        let quoted = go::quote(character.encode_utf8(&mut [0; 4]));
        out.push_str(quoted.get(1..quoted.len() - 1).unwrap_or_default());
    }
}

/// `strconv.IsPrint`
pub(super) fn prints(character: char) -> bool {
    matches!(character, '"' | '\\') || {
        let quoted = go::quote(character.encode_utf8(&mut [0; 4]));
        quoted.len() == character.len_utf8() + 2
    }
}

/// `strconv.CanBackquote`
pub(super) fn can_backquote(text: &str) -> bool {
    !text.chars().any(|character| matches!(character, '\0'..='\u{8}' | '\n'..='\u{1f}' | '`' | '\u{7f}' | '\u{feff}'))
}
