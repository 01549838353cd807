//! Modules that are almost right.

#![allow(unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

/// Tokens that mutations put in.
#[allow(dead_code, reason = "not every test mutates tokens")]
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
#[allow(dead_code, reason = "not every test mutates tokens")]
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

/// Statements that mean something by themselves.
#[allow(dead_code, reason = "tests of the parser have no use for it")]
const STATEMENTS: &[&str] = &[
    "some x",
    "some x, y",
    "x := 1",
    "y := x",
    "x = y",
    "x == {}",
    "[x, y] := [1, \"a\"]",
    "{\"a\": x} = {\"a\": [1]}",
    "x = [1, \"a\"][_]",
    "every k, v in [1] { k == v }",
    "some i, v in [1, 2]",
    "some v in {\"a\": 1}; v == \"b\"",
    "1 in {1, 2}",
    "count({}) == 0",
    "concat(\",\", [1])",
    "sprintf(\"%v\", [input.x])",
    "input.x with input as 1",
    "true with data.x as 1",
    "count(input) with count as 1",
    "input.a[data.x]",
    "data[x]",
    "z := {a | a := input.b[_]}; z[_] == 1",
    "z := [a | a := 1]; z[0].b == 1",
    "z := {a: 1 | a := \"b\"}; z.c == 2",
    "z := {\"a\": {\"b\": 1}}; z.a.c",
    "z := {\"a\": 1}; z[input.k] == \"x\"",
    "walk(input, [p, v]); v == 1",
    "not x",
    "not input.a == {}",
    "print(x)",
    "object.get({}, \"a\", 1) == \"x\"",
    "{} == []",
    "set() == {1}",
    "x == x",
    "count := 3",
    "count = 3",
    "f(1)",
    "f(1, x)",
    "any([true])",
    "json.remove({}, [])",
    "to_number(\"1\") == \"1\"",
    "input := 1",
    "data.x == 1",
];

/// Rules that mean something by themselves.
#[allow(dead_code, reason = "tests of the parser have no use for it")]
const RULES: &[&str] = &[
    "default p := 1",
    "default q = false",
    "p := 2",
    "p[1] = 2",
    "f(x) = x",
    "f(x, y) = x",
    "f([x, {\"a\": y}]) = {y: x}",
    "q[x] = 1 { x = [1, 2][_] }",
    "q.a.b = 1",
    "q.a = {\"b\": 2}",
    "r { r }",
    "s = {\"a\": 1}",
    "s = [x | x = input.y[_]]",
    "t = s.b",
    "t = f(1)",
    "u = f",
    "input = 1",
    "import data.a as b",
    "import input.b",
];

/// Changes one or two things of `text` that the parser does not mind: names, constants, statements, rules.
#[allow(dead_code, reason = "tests of the parser have no use for it")]
pub fn mutate_meaning(text: &str, random: &mut Random) -> String {
    let mut tokens = split(text);
    let is_name = |token: &String| token.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let is_constant = |token: &String| token.starts_with('"') || token.chars().all(|c| c.is_ascii_digit());
    let pick = |tokens: &[String], wanted: &dyn Fn(&String) -> bool, random: &mut Random| {
        let all: Vec<usize> = (0..tokens.len()).filter(|at| wanted(&tokens[*at])).collect();
        if all.is_empty() { None } else { Some(all[random.below(all.len())]) }
    };
    for _ in 0..=random.below(2) {
        let lines: Vec<usize> = (0..tokens.len()).filter(|at| tokens[*at] == "\n").collect();
        let line = if lines.is_empty() { 0 } else { lines[random.below(lines.len())] };
        match random.below(8) {
            0 | 1 => {
                if let (Some(to), Some(from)) = (pick(&tokens, &is_name, random), pick(&tokens, &is_name, random)) {
                    tokens[to] = tokens[from].clone();
                }
            }
            2 => {
                if let Some(at) = pick(&tokens, &is_constant, random) {
                    tokens[at] = ["1", "\"a\"", "{}", "[]", "null", "x", "[1]", "{\"a\": 1}", "set()"][random.below(9)]
                        .to_owned();
                }
            }
            3 => {
                if let Some(at) = pick(&tokens, &is_name, random) {
                    tokens[at] =
                        ["1", "\"a\"", "x", "input", "data", "{\"a\": 1}", "count", "{1}"][random.below(8)].to_owned();
                }
            }
            4 | 5 => tokens.insert(line, format!("\n\t{}", STATEMENTS[random.below(STATEMENTS.len())])),
            6 => tokens.push(format!("\n{}\n", RULES[random.below(RULES.len())])),
            _ => {
                let end = (line + 1..tokens.len()).find(|at| tokens[*at] == "\n").unwrap_or(tokens.len());
                if line < end {
                    drop(tokens.drain(line..end));
                }
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
