//! Modules that are almost right.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

/// Tokens that mutations put in.
const POOL: &[&str] = &[
    "not",
    "some",
    "every",
    "in",
    "if",
    "contains",
    "else",
    "default",
    "with",
    "as",
    "import",
    "package",
    "true",
    "null",
    "and",
    "or",
    "x",
    "_",
    "input",
    "data",
    "1",
    "-",
    "-1",
    "\"s\"",
    "`r`",
    "$\"a{x}\"",
    "$`{1}`",
    "$\"{{x}}\"",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "|",
    "&",
    ",",
    ":",
    ";",
    ":=",
    "=",
    "==",
    "!=",
    "<",
    "+",
    "*",
    ".",
    "\n",
    " ",
    "# c\n",
    "set()",
    "f(x)",
    "{}",
    "[]",
    "import rego.v1\n",
    "import future.keywords\n",
    "import future.keywords.and\n",
    "import future.keywords.or\n",
    "import future.keywords.not\n",
    "import rego.v2\n",
    "and {",
    "or (",
    "not {",
    "x in y",
    "else := 1",
    "0x",
    ".5",
    "1e5",
    "01",
    "a.b",
    "a[x]",
    "{x | x := 1}",
    "[x |",
    "{a, b |",
    "if {",
    "contains x",
    "@",
    "!",
];

/// Changes one to three tokens of `text`.
pub fn mutate(text: &str, random: &mut Random) -> String {
    let mut tokens = split(text);
    for _ in 0..=random.below(4) / 2 {
        let at = random.below(tokens.len().max(1)).min(tokens.len().saturating_sub(1));
        let fresh = POOL[random.below(POOL.len())].to_owned();
        match random.below(5) {
            _ if tokens.is_empty() => tokens.push(fresh),
            0 => drop(tokens.remove(at)),
            1 => tokens.insert(at, fresh),
            2 => tokens[at] = fresh,
            3 => tokens.insert(at, tokens[at].clone()),
            _ => {
                let other = random.below(tokens.len());
                tokens.swap(at, other);
            }
        }
    }
    tokens.concat()
}

/// Cuts `text` into words, numbers, strings, spaces and single signs; not by our own lexer, which is under test.
fn split(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(first) = rest.next() {
        let mut token = String::from(first);
        let word = |c: char| c.is_alphanumeric() || c == '_';
        if word(first) {
            while let Some(c) = rest.next_if(|c| word(*c)) {
                token.push(c);
            }
        } else if first == '"' || first == '`' {
            while let Some(c) = rest.next() {
                token.push(c);
                if c == first || c == '\n' && first == '"' {
                    break;
                }
                if c == '\\'
                    && first == '"'
                    && let Some(escaped) = rest.next()
                {
                    token.push(escaped);
                }
            }
        } else if let ':' | '=' | '!' | '<' | '>' = first
            && let Some(c) = rest.next_if(|c| *c == '=')
        {
            token.push(c);
        }
        out.push(token);
    }
    out
}

/// A small generator, so that a seed means the same everywhere.
pub struct Random(u64);

impl Random {
    /// A generator for `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}
