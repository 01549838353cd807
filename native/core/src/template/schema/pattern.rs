//! Regular expressions of schemas: RE2's syntax, run by the `regex` crate.
//!
//! Both are finite automata with nearly the same syntax. Where they differ, the expression is rewritten: Go's `\d`, `\w`,
//! `\s` and `\b` are ASCII, and in Go's character classes `[`, `&&`, `--` and `~~` have no meaning of their own.

use std::fmt::Write as _;

use regex::{Regex, RegexBuilder};

/// Most bytes of a compiled expression.
const SIZE_LIMIT: usize = 1 << 20;

/// A pattern as written, and compiled.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    compiled: Result<Regex, String>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let compiled = RegexBuilder::new(&translate(text)).size_limit(SIZE_LIMIT).nest_limit(250).build();
        Self { text: text.to_owned(), compiled: compiled.map_err(|error| reason(&error)) }
    }

    /// Why it is no regular expression.
    pub(crate) fn defect(&self) -> Option<&str> {
        self.compiled.as_ref().err().map(String::as_str)
    }

    /// Whether it matches somewhere in the text. A defective pattern matches nothing.
    pub(crate) fn matches(&self, text: &str) -> bool {
        self.compiled.as_ref().is_ok_and(|regex| regex.is_match(text))
    }
}

/// The last line of the crate's message: its first ones draw the expression.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut symbols = text.chars().peekable();
    // Inside a class: how many characters of it were seen, since `]` may stand first.
    let mut class: Option<usize> = None;
    while let Some(symbol) = symbols.next() {
        match (symbol, class) {
            ('\\', _) => {
                let Some(escaped) = symbols.next() else {
                    out.push('\\');
                    break;
                };
                match (escaped, class.is_some()) {
                    ('Q', false) => quote(&mut symbols, &mut out),
                    ('d', _) => out.push_str("[0-9]"),
                    ('D', _) => out.push_str("[^0-9]"),
                    ('w', _) => out.push_str("[0-9A-Za-z_]"),
                    ('W', _) => out.push_str("[^0-9A-Za-z_]"),
                    ('s', _) => out.push_str("[\\t\\n\\f\\r ]"),
                    ('S', _) => out.push_str("[^\\t\\n\\f\\r ]"),
                    ('b', false) => out.push_str("(?-u:\\b)"),
                    ('B', false) => out.push_str("(?-u:\\B)"),
                    // `\1` is a back reference that RE2 refuses; the crate does so too. The rest is the same.
                    (other, _) => out.extend(['\\', other]),
                }
                class = class.map(|seen| seen + 1);
            }
            ('[', None) => {
                out.push('[');
                if symbols.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                class = Some(0);
            }
            ('[', Some(seen)) => {
                out.push_str(if symbols.peek() == Some(&':') { "[" } else { "\\[" });
                if symbols.next_if_eq(&':').is_some() {
                    out.push(':');
                    for symbol in symbols.by_ref() {
                        out.push(symbol);
                        if symbol == ']' {
                            break;
                        }
                    }
                }
                class = Some(seen + 1);
            }
            (']', Some(0)) => {
                out.push_str("\\]");
                class = Some(1);
            }
            (']', Some(_)) => {
                out.push(']');
                class = None;
            }
            ('&' | '~', Some(seen)) => {
                out.extend(['\\', symbol]);
                class = Some(seen + 1);
            }
            ('-', Some(seen)) => {
                // The second of two hyphens is an operator to the crate only.
                let doubled = symbols.peek() == Some(&'-');
                out.push_str(if doubled && seen == 0 { "\\-" } else { "-" });
                class = Some(seen + 1);
            }
            (other, seen) => {
                out.push(other);
                class = seen.map(|seen| seen + 1);
            }
        }
    }
    out
}

/// Copies the text between `\Q` and `\E` as text.
fn quote(symbols: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(symbol) = symbols.next() {
        if symbol == '\\' && symbols.next_if_eq(&'E').is_some() {
            return;
        }
        // Writing into a string never fails.
        let _ = write!(out, "{}", regex::escape(symbol.encode_utf8(&mut [0; 4])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_re2_does() {
        for (pattern, text, matched) in [
            (r"^\d+$", "١", false),
            (r"^\d+$", "12", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^\w$", "é", false),
            (r"^[[]$", "[", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]a]$", "b", true),
            (r"^[a&&b]+$", "&", true),
            (r"^[a~~b]+$", "~", true),
            (r"^[[:alpha:]]+$", "ab", true),
            (r"^\Qa.b\E$", "a.b", true),
            (r"^\Qa.b\E$", "axb", false),
            (r"\bfoo\b", "a foo b", true),
            ("foo", "a foo b", true),
            (r"^\*?[-:a-z0-9]*\*?$", "kube-*", true),
            (r"^\*?[-:a-z0-9]*\*?$", "n*1", false),
            (r"(?i)^A$", "a", true),
        ] {
            let compiled = Pattern::new(pattern);
            assert_eq!(compiled.defect(), None, "{pattern}");
            assert_eq!(compiled.matches(text), matched, "{pattern} {text}");
        }
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for pattern in ["(", "(?=a)", r"(a)\1", "[z-a]", "a**b\\", "(a{1000}){1000}"] {
            assert!(Pattern::new(pattern).defect().is_some(), "{pattern}");
        }
    }
}
