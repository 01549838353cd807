//! Percent-encoding, as Go's `net/url` does it in the parts of a URL.

/// The part of a URL that a text stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Query,
    Host,
    Zone,
    /// User, password and fragment: anything may be escaped, and what is not is left.
    Other,
}

/// Whether Go leaves the byte as it is in that part.
fn is_plain(byte: u8, part: Part) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'_' | b'.' | b'~')
        || match part {
            Part::Path => matches!(byte, b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@'),
            Part::Query | Part::Other => false,
            Part::Host | Part::Zone => matches!(
                byte,
                b'!' | b'$'
                    | b'&'
                    | b'\''
                    | b'('
                    | b')'
                    | b'*'
                    | b'+'
                    | b','
                    | b';'
                    | b'='
                    | b':'
                    | b'['
                    | b']'
                    | b'<'
                    | b'>'
                    | b'"'
            ),
        }
}

/// The text with what is not plain escaped; in a query a space is a plus.
pub(super) fn escape(bytes: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(bytes.len());
    for byte in bytes {
        if is_plain(*byte, part) {
            out.push(char::from(*byte));
        } else if *byte == b' ' && part == Part::Query {
            out.push('+');
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The bytes that an escaped text stands for.
///
/// # Errors
/// Go's message.
pub(super) fn unescape(text: &str, part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        at += 1;
        if *byte != b'%' {
            if matches!(part, Part::Host | Part::Zone) && byte.is_ascii() && !is_plain(*byte, part) {
                let shown = fleetgate_value::go::quote(char::from(*byte).encode_utf8(&mut [0; 4]));
                return Err(format!("invalid character {shown} in host name"));
            }
            out.push(if *byte == b'+' && part == Part::Query { b' ' } else { *byte });
            continue;
        }
        let wrong = || {
            let shown = bytes.get(at - 1..).unwrap_or_default();
            let shown = String::from_utf8_lossy(shown.get(..3).unwrap_or(shown)).into_owned();
            format!("invalid URL escape {}", fleetgate_value::go::quote(&shown))
        };
        let digit = |at: usize| {
            let digit = bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok()).ok_or_else(wrong)
        };
        let value = digit(at)? << 4 | digit(at + 1)?;
        // In a host only what is beyond ASCII is escaped; in its zone, what could stand there as it is.
        let allowed = match part {
            Part::Host => !value.is_ascii() || value == b'%',
            Part::Zone => value == b'%' || value == b' ' || is_plain(value, Part::Host),
            Part::Path | Part::Query | Part::Other => true,
        };
        if !allowed {
            return Err(wrong());
        }
        out.push(value);
        at += 2;
    }
    Ok(out)
}
