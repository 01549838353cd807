//! Regular expressions of schemas: RE2's syntax, run by the `regex` crate.
//!
//! Both are finite automata with nearly the same syntax. Where they differ, the expression is rewritten or refused: Go's
//! `\d`, `\w`, `\s` and `\b` are ASCII; in Go's character classes `[`, `&&`, `--` and `~~` have no meaning of their own;
//! Go knows fewer flags and escapes and refuses repeated repetitions.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// Most bytes of a compiled expression.
const SIZE_LIMIT: usize = 1 << 20;
/// Most groups inside one another.
const NEST_LIMIT: u32 = 250;
/// Most repetitions that a count may ask for.
const MAX_COUNT: u32 = 1000;

/// A pattern as written, and compiled.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    compiled: Result<Regex, String>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let compiled = Translation::of(text).and_then(|translated| {
            let built = RegexBuilder::new(&translated).size_limit(SIZE_LIMIT).nest_limit(NEST_LIMIT).build();
            built.map_err(|error| reason(&error))
        });
        Self { text: text.to_owned(), compiled }
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

/// An expression on its way from Go's spelling to the crate's.
struct Translation<'text> {
    rest: Peekable<Chars<'text>>,
    out: String,
}

impl Translation<'_> {
    fn of(text: &str) -> Result<String, String> {
        let mut translation = Translation { rest: text.chars().peekable(), out: String::with_capacity(text.len() + 8) };
        translation.expression()?;
        Ok(translation.out)
    }

    fn expression(&mut self) -> Result<(), String> {
        let mut repeated = false;
        while let Some(symbol) = self.rest.next() {
            let repeats = matches!(symbol, '*' | '+' | '?') || symbol == '{' && self.is_count();
            if repeats && repeated {
                return Err("error parsing regexp: invalid nested repetition operator".to_owned());
            }
            match symbol {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                '{' if repeats => self.count()?,
                // Not a count: Go takes the brace as it stands.
                '{' => self.out.push_str("\\{"),
                other => self.out.push(other),
            }
            if repeats && let Some(lazy) = self.rest.next_if_eq(&'?') {
                self.out.push(lazy);
            }
            repeated = repeats;
        }
        Ok(())
    }

    /// Whether `{` begins a count such as `{2}`, `{2,}` or `{2,3}`.
    fn is_count(&self) -> bool {
        let body: String = self.rest.clone().take_while(|symbol| *symbol != '}').collect();
        let closed = self.rest.clone().any(|symbol| symbol == '}');
        let (low, high) = body.split_once(',').unwrap_or((&body, ""));
        closed && !low.is_empty() && low.chars().chain(high.chars()).all(|symbol| symbol.is_ascii_digit())
    }

    fn count(&mut self) -> Result<(), String> {
        let body: String = self.rest.by_ref().take_while(|symbol| *symbol != '}').collect();
        let numbers = body.split(',').filter(|number| !number.is_empty());
        if numbers.map(str::parse::<u32>).any(|number| !number.is_ok_and(|number| number <= MAX_COUNT)) {
            return Err(format!("error parsing regexp: invalid repeat count: `{{{body}}}`"));
        }
        self.out.push_str(&format!("{{{body}}}"));
        Ok(())
    }

    /// A group's head: the crate knows flags that Go does not.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        let flags: String =
            self.rest.clone().take_while(|symbol| symbol.is_ascii_alphabetic() || *symbol == '-').collect();
        let named = flags.starts_with('P') || flags.is_empty();
        if !named && flags.chars().any(|flag| !matches!(flag, 'i' | 'm' | 's' | 'U' | '-')) {
            return Err(format!("error parsing regexp: invalid or unsupported Perl syntax: `(?{flags}`"));
        }
        Ok(())
    }

    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(escaped) = self.rest.next() else {
            return Err("error parsing regexp: trailing backslash at end of expression: ``".to_owned());
        };
        match (escaped, in_class) {
            ('Q', false) => self.quoted(),
            ('d', _) => self.out.push_str("[0-9]"),
            ('D', _) => self.out.push_str("[^0-9]"),
            ('w', _) => self.out.push_str("[0-9A-Za-z_]"),
            ('W', _) => self.out.push_str("[^0-9A-Za-z_]"),
            ('s', _) => self.out.push_str("[\\t\\n\\f\\r ]"),
            ('S', _) => self.out.push_str("[^\\t\\n\\f\\r ]"),
            ('b', false) => self.out.push_str("(?-u:\\b)"),
            ('B', false) => self.out.push_str("(?-u:\\B)"),
            ('u' | 'U' | 'b' | 'B', _) => {
                return Err(format!("error parsing regexp: invalid escape sequence: `\\{escaped}`"));
            }
            // Other escaped punctuation stands for itself in Go; the crate gives some of it a meaning.
            (other, _) if other.is_ascii_punctuation() => {
                self.out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4])))
            }
            ('p' | 'P' | 'x', _) => {
                self.out.extend(['\\', escaped]);
                if self.rest.peek() == Some(&'{') {
                    let closed = |symbol: &char| *symbol != '}';
                    while let Some(symbol) = self.rest.next_if(closed) {
                        self.out.push(symbol);
                    }
                }
            }
            (other, _) => self.out.extend(['\\', other]),
        }
        Ok(())
    }

    /// The text between `\Q` and `\E` as text.
    fn quoted(&mut self) {
        while let Some(symbol) = self.rest.next() {
            if symbol == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.out.push_str(&regex::escape(symbol.encode_utf8(&mut [0; 4])));
        }
    }

    /// A character class, after its `[`.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if let Some(negation) = self.rest.next_if_eq(&'^') {
            self.out.push(negation);
        }
        let (mut first, mut range) = (true, false);
        while let Some(symbol) = self.rest.next() {
            let was_range = std::mem::replace(&mut range, false);
            match symbol {
                ']' if !first => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => self.escape(true)?,
                '[' if self.rest.peek() == Some(&':') => {
                    self.out.push('[');
                    for symbol in self.rest.by_ref() {
                        self.out.push(symbol);
                        if symbol == ']' {
                            break;
                        }
                    }
                }
                // A hyphen between two ends is a range; at either end of the class, or as an end itself, a character.
                '-' if !first && !was_range => {
                    self.out.push('-');
                    range = true;
                }
                ']' | '[' | '&' | '~' | '-' => self.out.extend(['\\', symbol]),
                other => self.out.push(other),
            }
            first = false;
        }
        Err("error parsing regexp: missing closing ]".to_owned())
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
            (r"^\p{L}\pN\x{41}\x41$", "é1AA", true),
            (r"^[\p{L}]{2}$", "éa", true),
            ("^a{,2}$", "a{,2}", true),
            (r"^a\<b$", "a<b", true),
        ] {
            let compiled = Pattern::new(pattern);
            assert_eq!(compiled.defect(), None, "{pattern}");
            assert_eq!(compiled.matches(text), matched, "{pattern} {text}");
        }
    }

    #[test]
    fn refuses_what_re2_refuses() {
        for pattern in [
            "(",
            "(?=a)",
            r"(a)\1",
            "[z-a]",
            "a**",
            "a{2}{3}",
            "a\\",
            "a{1001}",
            "(?x)a",
            r"\u0041",
            "[a--b]",
            "(a{1000}){1000}",
        ] {
            assert!(Pattern::new(pattern).defect().is_some(), "{pattern}");
        }
    }
}
