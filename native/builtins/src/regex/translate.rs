//! Go's regular expressions in the spelling of the `regex` crate.
//!
//! Both are finite automata that prefer the leftmost alternative, with nearly the same syntax. Where they differ, an
//! expression is rewritten or refused: Go's `\d`, `\w`, `\s` and `\b` are ASCII; in Go's classes `[`, `&&`, `--` and `~~`
//! have no meaning of their own; Go knows fewer flags and escapes, more names of groups, and refuses repeated repetitions.

use std::fmt::Write;

/// Most repetitions that counts may ask for, those inside one another multiplied.
const MOST_REPETITIONS: u32 = 1000;

/// The class of no character.
const NEVER: &str = "[^\\x{0}-\\x{10FFFF}]";

/// An expression in the crate's spelling.
pub(super) struct Translated {
    pub(super) text: String,
    /// Names of the groups from 1 on; Go's need not be names to the crate, so the groups have none there.
    pub(super) names: Vec<Option<String>>,
}

/// What a repetition would repeat.
#[derive(Clone, Copy)]
enum Last {
    Nothing,
    /// Something that repeats at most so often inside.
    Atom(u32),
    Repeated(u32),
}

/// Translates an expression.
///
/// # Errors
/// Go's message.
pub(super) fn translate(text: &str) -> Result<Translated, String> {
    let mut translation = Translation {
        whole: text,
        rest: text,
        out: String::with_capacity(text.len() + 16),
        flags: String::new(),
        names: Vec::new(),
        swapped: false,
        written_swapped: false,
        outer: Vec::new(),
        most: 1,
        last: Last::Nothing,
    };
    translation.expression()?;
    Ok(Translated { text: translation.out, names: translation.names })
}

struct Translation<'t> {
    whole: &'t str,
    rest: &'t str,
    out: String,
    /// A change of flags that is not written yet: a repetition after it repeats what stands before it.
    flags: String,
    names: Vec<Option<String>>,
    /// Whether the flag `U` turns greed around here, and whether what is written so far says so.
    swapped: bool,
    written_swapped: bool,
    /// Of each open group: the most repetitions of what stands before it in the group around, and that group's `swapped`.
    outer: Vec<(u32, bool)>,
    /// The most repetitions of what was read in this group.
    most: u32,
    last: Last,
}

fn error(code: &str, expression: &str) -> String {
    format!("error parsing regexp: {code}: `{expression}`")
}

fn invalid_escape(at: &str, rest: &str) -> String {
    let end = at.len() - rest.len();
    error("invalid escape sequence", at.get(..end).unwrap_or(at))
}

impl<'t> Translation<'t> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn skip(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn atom(&mut self, most: u32) {
        self.most = self.most.max(most);
        self.last = Last::Atom(most);
    }

    /// Something without a meaning of its own: what was repeated before it may be repeated again.
    fn part(&mut self) {
        if let Last::Repeated(most) = self.last {
            self.last = Last::Atom(most);
        }
    }

    fn literal(&mut self, character: char) {
        push_literal(&mut self.out, character);
        self.atom(1);
    }

    fn expression(&mut self) -> Result<(), String> {
        loop {
            let at = self.rest;
            let Some(symbol) = self.next() else { break };
            let repeats = matches!(symbol, '*' | '+' | '?') || symbol == '{' && count(self.rest).is_some();
            if !repeats && symbol != '(' {
                self.write_flags();
            }
            match symbol {
                '(' if self.rest.starts_with('?') => self.group_head(at)?,
                '(' => {
                    self.names.push(None);
                    self.open("(");
                }
                '|' => {
                    self.out.push('|');
                    self.last = Last::Nothing;
                }
                ')' => {
                    let Some((most, swapped)) = self.outer.pop() else { return Err(error("unexpected )", self.whole)) };
                    self.out.push(')');
                    (self.swapped, self.written_swapped) = (swapped, swapped);
                    let inner = std::mem::replace(&mut self.most, most);
                    self.atom(inner);
                }
                '^' | '$' | '.' => {
                    self.out.push(symbol);
                    self.atom(1);
                }
                '[' => {
                    self.class(at)?;
                    self.atom(1);
                }
                '*' | '+' | '?' => {
                    self.out.push(symbol);
                    self.repeat(at, 1)?;
                }
                '{' => match count(self.rest) {
                    Some((low, high, rest)) => self.counted(at, low, high, rest)?,
                    None => self.literal('{'),
                },
                '\\' => self.escape(at)?,
                other => self.literal(other),
            }
        }
        if self.outer.is_empty() { Ok(()) } else { Err(error("missing closing )", self.whole)) }
    }

    fn write_flags(&mut self) {
        let flags = std::mem::take(&mut self.flags);
        self.out.push_str(&flags);
        self.written_swapped = self.swapped;
    }

    fn open(&mut self, head: &str) {
        self.write_flags();
        self.out.push_str(head);
        self.outer.push((self.most, self.swapped));
        self.most = 1;
        self.last = Last::Nothing;
    }

    /// After a repetition operator: it needs something to repeat that is no repetition itself.
    fn repeat(&mut self, at: &str, times: u32) -> Result<(), String> {
        let lazy = self.skip("?");
        if lazy != (self.swapped != self.written_swapped) {
            self.out.push('?');
        }
        let operator = at.get(..at.len() - self.rest.len()).unwrap_or(at);
        let most = match self.last {
            Last::Nothing => return Err(error("missing argument to repetition operator", operator)),
            Last::Repeated(_) => return Err(error("invalid nested repetition operator", operator)),
            Last::Atom(most) => most.saturating_mul(times),
        };
        if times > 1 && most > MOST_REPETITIONS {
            return Err(error("invalid repeat count", operator));
        }
        self.most = self.most.max(most);
        self.last = Last::Repeated(most);
        Ok(())
    }

    fn counted(&mut self, at: &'t str, low: Option<u32>, high: Count, rest: &'t str) -> Result<(), String> {
        let operator = at.get(..at.len() - rest.len()).unwrap_or(at);
        self.rest = rest;
        let low = low.filter(|low| *low <= MOST_REPETITIONS);
        let (Some(low), true) = (low, high.is_sound(low)) else {
            return Err(error("invalid repeat count", operator));
        };
        self.out.push_str(operator);
        let times = match high {
            Count::Same | Count::Open => low.max(1),
            // Nothing at all: what is inside does not count.
            Count::Upto(Some(0)) => 0,
            Count::Upto(high) => high.unwrap_or(1),
        };
        if times == 0 || matches!((low, high), (0, Count::Same)) {
            self.last = match self.last {
                Last::Atom(_) => Last::Atom(1),
                other => other,
            };
        }
        self.repeat(at, times.max(1))
    }

    /// A group that begins with `(?`.
    fn group_head(&mut self, at: &'t str) -> Result<(), String> {
        for head in ["?P<", "?<"] {
            let Some(named) = self.rest.strip_prefix(head) else { continue };
            let Some((name, rest)) = named.split_once('>') else { return Err(error("invalid named capture", at)) };
            let sound = !name.is_empty() && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
            if !sound {
                let head = at.get(..at.len() - rest.len()).unwrap_or(at);
                return Err(error("invalid named capture", head));
            }
            self.rest = rest;
            self.names.push(Some(name.to_owned()));
            self.open("(");
            return Ok(());
        }
        self.skip("?");
        let (mut on, mut off, mut negative) = (String::new(), String::new(), false);
        while let Some(symbol) = self.next() {
            match symbol {
                'i' | 'm' | 's' | 'U' => {
                    let flags = if negative { &mut off } else { &mut on };
                    if !flags.contains(symbol) {
                        flags.push(symbol);
                    }
                }
                '-' if !negative => negative = true,
                ':' | ')' if !negative || !off.is_empty() => {
                    on.retain(|flag| !off.contains(flag));
                    let minus = if off.is_empty() { "" } else { "-" };
                    let swapped = (self.swapped || on.contains('U')) && !off.contains('U');
                    if symbol == ':' {
                        self.open(&format!("(?{on}{minus}{off}:"));
                        (self.swapped, self.written_swapped) = (swapped, swapped);
                    } else {
                        self.swapped = swapped;
                        if !on.is_empty() || !off.is_empty() {
                            self.flags.push_str(&format!("(?{on}{minus}{off})"));
                        }
                        self.part();
                    }
                    return Ok(());
                }
                _ => break,
            }
        }
        let head = at.get(..at.len() - self.rest.len()).unwrap_or(at);
        Err(error("invalid or unsupported Perl syntax", head))
    }

    fn escape(&mut self, at: &'t str) -> Result<(), String> {
        let assertion = match self.rest.chars().next() {
            Some('A') => "\\A",
            Some('z') => "\\z",
            Some('b') => "(?-u:\\b)",
            Some('B') => "(?-u:\\B)",
            Some('Q') => {
                self.skip("Q");
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                quoted.chars().for_each(|character| self.literal(character));
                self.rest = rest;
                if quoted.is_empty() {
                    self.part();
                }
                return Ok(());
            }
            _ => "",
        };
        if !assertion.is_empty() {
            self.next();
            self.out.push_str(assertion);
        } else if let Some(class) = self.escaped_class(at)? {
            self.out.push_str(&class);
        } else {
            let code = self.escaped_character(at)?;
            match char::from_u32(code) {
                Some(character) => push_literal(&mut self.out, character),
                // Half of a surrogate pair: Go takes it, but no text has it.
                None => self.out.push_str(NEVER),
            }
        }
        self.atom(1);
        Ok(())
    }

    /// What `\d`, `\pL` and the like mean, after their backslash.
    fn escaped_class(&mut self, at: &'t str) -> Result<Option<String>, String> {
        let class = match self.rest.chars().next() {
            Some('d') => "[0-9]",
            Some('D') => "[^0-9]",
            Some('w') => "[0-9A-Za-z_]",
            Some('W') => "[^0-9A-Za-z_]",
            Some('s') => "[\\t\\n\\f\\r ]",
            Some('S') => "[^\\t\\n\\f\\r ]",
            Some('p' | 'P') => return self.unicode_class(at).map(Some),
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(class.to_owned()))
    }

    fn unicode_class(&mut self, at: &'t str) -> Result<String, String> {
        let negative = self.next() == Some('P');
        let (name, rest) = if self.rest.starts_with('{') {
            let Some((name, rest)) = self.rest.split_once('}') else {
                return Err(error("invalid character class range", at));
            };
            (name.get(1..).unwrap_or_default(), rest)
        } else {
            let length = self.rest.chars().next().map_or(0, char::len_utf8);
            self.rest.split_at_checked(length).unwrap_or((self.rest, ""))
        };
        self.rest = rest;
        let (inverted, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
        // Go knows categories and scripts, the crate other properties too.
        let plain = !name.is_empty() && !name.contains(['=', ':', '!', '^', '{']);
        let known = |property: &&str| plain && regex::Regex::new(&format!("\\p{{{property}={name}}}")).is_ok();
        let Some(property) = ["gc", "sc"].into_iter().find(known) else {
            let written = at.get(..at.len() - rest.len()).unwrap_or(at);
            return Err(error("invalid character class range", written));
        };
        Ok(format!("\\{}{{{property}={name}}}", if negative == inverted { 'p' } else { 'P' }))
    }

    /// The code point that an escape stands for, after its backslash.
    fn escaped_character(&mut self, at: &'t str) -> Result<u32, String> {
        let Some(escaped) = self.next() else {
            return Err(error("trailing backslash at end of expression", ""));
        };
        let code = match escaped {
            'a' => 0x07,
            'f' => 0x0c,
            'n' => 0x0a,
            'r' => 0x0d,
            't' => 0x09,
            'v' => 0x0b,
            'x' => return self.hexadecimal(at),
            // A lone digit would refer back to a group.
            '1'..='7' if !self.rest.starts_with(|next| matches!(next, '0'..='7')) => {
                return Err(invalid_escape(at, self.rest));
            }
            '0'..='7' => {
                let mut code = u32::from(escaped) - u32::from('0');
                for _ in 0..2 {
                    let Some(digit) = self.rest.chars().next().and_then(|next| next.to_digit(8)) else { break };
                    code = code * 8 + digit;
                    self.next();
                }
                code
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => u32::from(other),
            _ => return Err(invalid_escape(at, self.rest)),
        };
        Ok(code)
    }

    fn hexadecimal(&mut self, at: &'t str) -> Result<u32, String> {
        let (digits, rest) = match self.rest.strip_prefix('{') {
            Some(braced) => braced.split_once('}').unwrap_or((braced, "")),
            None => self.rest.split_at_checked(2).unwrap_or((self.rest, "")),
        };
        let braced = self.rest.starts_with('{');
        let sound = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let closed = if braced { self.rest.contains('}') } else { digits.len() == 2 };
        self.rest = rest;
        let significant = digits.trim_start_matches('0');
        let code = if significant.is_empty() { Some(0) } else { u32::from_str_radix(significant, 16).ok() };
        code.filter(|code| sound && closed && *code <= u32::from(char::MAX)).ok_or_else(|| invalid_escape(at, rest))
    }

    /// A class, after its `[`.
    fn class(&mut self, at: &'t str) -> Result<(), String> {
        self.out.push('[');
        if self.skip("^") {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            if !first && self.skip("]") {
                self.out.push(']');
                return Ok(());
            }
            first = false;
            let item = self.rest;
            if let Some(named) = item.strip_prefix("[:")
                && let Some((name, rest)) = named.split_once(":]")
            {
                self.rest = rest;
                if !is_posix(name) {
                    let written = item.get(..item.len() - rest.len()).unwrap_or(item);
                    return Err(error("invalid character class range", written));
                }
                let _ = write!(self.out, "[:{name}:]");
                continue;
            }
            if self.skip("\\") {
                if let Some(class) = self.escaped_class(item)? {
                    self.out.push_str(&class);
                    continue;
                }
                self.rest = item;
            }
            let low = self.class_character(at)?;
            let mut high = low;
            if self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1 {
                self.next();
                high = self.class_character(at)?;
                if high < low {
                    let written = item.get(..item.len() - self.rest.len()).unwrap_or(item);
                    return Err(error("invalid character class range", written));
                }
            }
            push_range(&mut self.out, low, high);
        }
    }

    fn class_character(&mut self, class: &'t str) -> Result<u32, String> {
        let at = self.rest;
        match self.next() {
            Some('\\') => self.escaped_character(at),
            Some(other) => Ok(other.into()),
            None => Err(error("missing closing ]", class)),
        }
    }
}

/// The characters from one code point to another; halves of surrogate pairs, which Go allows here, are none.
fn push_range(out: &mut String, low: u32, high: u32) {
    let low = char::from_u32(low).unwrap_or('\u{e000}');
    let high = char::from_u32(high).unwrap_or('\u{d7ff}');
    if low > high {
        out.push_str(NEVER);
        return;
    }
    push_literal(out, low);
    if low < high {
        out.push('-');
        push_literal(out, high);
    }
}

/// A character as itself.
fn push_literal(out: &mut String, character: char) {
    if character.is_ascii_alphanumeric() || !character.is_ascii() {
        out.push(character);
    } else {
        // Writing to a string cannot fail.
        let _ = write!(out, "\\x{:02X}", u32::from(character));
    }
}

fn is_posix(name: &str) -> bool {
    let name = name.strip_prefix('^').unwrap_or(name);
    matches!(
        name,
        "alnum"
            | "alpha"
            | "ascii"
            | "blank"
            | "cntrl"
            | "digit"
            | "graph"
            | "lower"
            | "print"
            | "punct"
            | "space"
            | "upper"
            | "word"
            | "xdigit"
    )
}

/// The upper end of a count.
#[derive(Clone, Copy)]
enum Count {
    /// `{2}`
    Same,
    /// `{2,}`
    Open,
    /// `{2,3}`; none where the number is far too large.
    Upto(Option<u32>),
}

impl Count {
    fn is_sound(self, low: Option<u32>) -> bool {
        match self {
            Self::Same | Self::Open => true,
            Self::Upto(None) => false,
            Self::Upto(Some(high)) => high <= MOST_REPETITIONS && low.is_some_and(|low| low <= high),
        }
    }
}

/// A count such as `2}`, `2,}` or `2,3}`, after its brace, and what follows it; anything else is text to Go.
fn count(text: &str) -> Option<(Option<u32>, Count, &str)> {
    let (low, rest) = number(text)?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((low, Count::Same, rest));
    }
    let rest = rest.strip_prefix(',')?;
    if let Some(rest) = rest.strip_prefix('}') {
        return Some((low, Count::Open, rest));
    }
    let (high, rest) = number(rest)?;
    rest.strip_prefix('}').map(|rest| (low, Count::Upto(high), rest))
}

/// A number without leading zeros; the value is none where it is far too large.
fn number(text: &str) -> Option<(Option<u32>, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length)?;
    if digits.is_empty() || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((digits.parse().ok(), rest))
}
