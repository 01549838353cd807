//! Text between quotes, as JSON reads it.

use std::borrow::Cow;

/// Resolves the escapes of `inner`, the text between two quotes. In a template string `\{` is a brace. `None` when OPA
/// refuses the text: it decodes text that has a backslash as JSON, which also forbids control characters.
pub(crate) fn unescape(inner: &str, in_template: bool) -> Option<Cow<'_, str>> {
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    let braces_only = in_template && only_brace_escapes(inner);
    let mut out = String::with_capacity(inner.len());
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            // Brace escapes are gone before OPA decides whether there is anything to decode.
            if u32::from(c) < 0x20 && !braces_only {
                return None;
            }
            out.push(c);
            continue;
        }
        match rest.next()? {
            c @ ('"' | '\\' | '/') => out.push(c),
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            '{' if in_template => out.push('{'),
            'u' => out.push(code_point(&mut rest)?),
            _ => return None,
        }
    }
    Some(Cow::Owned(out))
}

fn only_brace_escapes(inner: &str) -> bool {
    let mut rest = inner.chars();
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next() != Some('{') {
            return false;
        }
    }
    true
}

/// The character of `\uXXXX`, or of a surrogate pair; half a pair becomes the replacement character.
fn code_point(rest: &mut std::str::Chars<'_>) -> Option<char> {
    let unit = hex4(rest)?;
    if let Some(c) = char::from_u32(unit) {
        return Some(c);
    }
    let mut ahead = rest.clone();
    if unit < 0xdc00
        && ahead.next() == Some('\\')
        && ahead.next() == Some('u')
        && let Some(low @ 0xdc00..=0xdfff) = hex4(&mut ahead)
    {
        *rest = ahead;
        return char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
    }
    Some(char::REPLACEMENT_CHARACTER)
}

fn hex4(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + rest.next()?.to_digit(16)?))
}

/// The text of a raw template string, where `\{` is a brace and nothing else is an escape.
pub(crate) fn unescape_raw(inner: &str) -> String {
    inner.replace("\\{", "{")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_those_of_json() {
        assert_eq!(unescape(r#"a\n\u00e4\ud83d\ude00\/"#, false).as_deref(), Some("a\nä😀/"));
        assert_eq!(unescape(r"\ud83d!", false).as_deref(), Some("\u{fffd}!"));
        assert_eq!(unescape("tab\there", false).as_deref(), Some("tab\there"));
        assert_eq!(unescape("tab\there\\n", false), None);
        assert_eq!(unescape(r"\u12", false), None);
        assert_eq!(unescape(r"\{", false), None);
        assert_eq!(unescape("\\{\t", true).as_deref(), Some("{\t"));
    }
}
