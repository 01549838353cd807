//! Name patterns with `*` at their start, their end or both; nothing else is special.

use std::fmt;

/// A pattern for names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    open_start: bool,
    open_end: bool,
}

impl Glob {
    /// Reads a pattern of the form that Gatekeeper's schema admits: `^\*?[-:a-z0-9]*\*?$`.
    pub fn parse(pattern: &str) -> Option<Self> {
        let (rest, open_start) = strip(pattern, str::strip_prefix);
        let (text, open_end) = strip(rest, str::strip_suffix);
        let admitted = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == ':';
        // A lone `*` is both ends at once.
        let open_end = open_end || (open_start && pattern == "*");
        text.chars().all(admitted).then(|| Self { text: text.into(), open_start, open_end })
    }

    /// Whether a name fits.
    pub fn matches(&self, name: &str) -> bool {
        match (self.open_start, self.open_end) {
            (true, true) => name.contains(&*self.text),
            (true, false) => name.ends_with(&*self.text),
            (false, true) => name.starts_with(&*self.text),
            (false, false) => name == &*self.text,
        }
    }

    /// Whether every name that the API server generates from a `generateName` would fit as far as its prefix tells:
    /// only patterns that are open at their end can say so.
    pub fn matches_generate_name(&self, prefix: &str) -> bool {
        self.open_end && self.matches(prefix)
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = |open| if open { "*" } else { "" };
        match (self.open_start && self.open_end, &*self.text) {
            (true, "") => f.write_str("*"),
            _ => write!(f, "{}{}{}", star(self.open_start), self.text, star(self.open_end)),
        }
    }
}

fn strip<'a>(text: &'a str, end: fn(&'a str, char) -> Option<&'a str>) -> (&'a str, bool) {
    end(text, '*').map_or((text, false), |rest| (rest, true))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names() {
        for (pattern, name, expected) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web-*", "web-1", true),
            ("web-*", "my-web-1", false),
            ("*-web", "my-web", true),
            ("*-web", "my-web-1", false),
            ("*eb*", "my-web-1", true),
            ("*eb*", "my-wab-1", false),
            ("*", "", true),
            ("*", "anything", true),
            ("**", "anything", true),
            ("a:b", "a:b", true),
        ] {
            let glob = Glob::parse(pattern).unwrap();
            assert_eq!(glob.matches(name), expected, "{pattern} on {name}");
            assert_eq!(Glob::parse(&glob.to_string()), Some(glob), "{pattern}");
        }
    }

    #[test]
    fn generate_names() {
        for (pattern, expected) in
            [("web-*", true), ("*eb*", true), ("*", true), ("*-web", false), ("web-", false), ("x*", false)]
        {
            assert_eq!(Glob::parse(pattern).unwrap().matches_generate_name("web-"), expected, "{pattern}");
        }
    }

    #[test]
    fn refused() {
        for pattern in ["n*1", "Web", "a.b", "a b", "***", "ü"] {
            assert_eq!(Glob::parse(pattern), None, "{pattern}");
        }
    }
}
