//! Bounds on the shape of a text, checked before regorus's recursive parser and its passes see it.
//!
//! A stack that overflows cannot be caught, so nothing may reach them that is nested too deeply: brackets within
//! brackets, and chains of operators, prefixes or references, which become trees as deep as they are long.

/// Brackets may be nested this deep.
const MAX_BRACKETS: usize = 64;

/// An expression may hold this many operators, prefixes and reference steps outside of brackets.
const MAX_OPERATORS: usize = 500;

/// Where a text exceeds a bound.
pub(super) struct Excess {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) message: String,
}

/// The first place of a Rego text that is beyond a bound. The text need not be valid.
pub(super) fn excess(text: &str) -> Option<Excess> {
    let mut scan = Scan { line: 1, column: 1, open: Vec::new(), operators: 0, after_operand: false };
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let exceeded = scan.take(character, characters.peek().copied());
        if let Some(what) = exceeded {
            return Some(Excess { line: scan.line, column: scan.column, message: what });
        }
        scan.advance(character);
        match character {
            '#' => scan.skip(&mut characters, |c| c == '\n', false),
            '"' => scan.skip(&mut characters, |c| c == '"' || c == '\n', true),
            '`' => scan.skip(&mut characters, |c| c == '`', false),
            _ if is_word(character) => {
                while characters.peek().is_some_and(|next| is_word(*next)) {
                    if let Some(character) = characters.next() {
                        scan.advance(character);
                    }
                }
            }
            _ => {}
        }
    }
    None
}

struct Scan {
    line: u32,
    column: u32,
    /// Operators counted outside of each open bracket.
    open: Vec<usize>,
    /// Operators of the expression at hand.
    operators: usize,
    /// Whether the last token ended an operand, so that a further operand begins another expression.
    after_operand: bool,
}

impl Scan {
    /// Counts a token by its first character; gives the bound that it exceeds.
    fn take(&mut self, character: char, next: Option<char>) -> Option<String> {
        match character {
            '(' | '[' | '{' => {
                // An index or a call goes on with the reference before it.
                self.operators += usize::from(self.after_operand && character != '{');
                self.open.push(self.operators);
                self.operators = 0;
                self.after_operand = false;
            }
            ')' | ']' | '}' => {
                self.operators = self.open.pop().unwrap_or_default();
                self.after_operand = true;
            }
            ';' | ',' => {
                self.operators = 0;
                self.after_operand = false;
            }
            '"' | '`' => self.operand(),
            _ if is_word(character) => self.operand(),
            '=' | ':' if next == Some('=') => {}
            '+' | '-' | '*' | '/' | '%' | '&' | '|' | '<' | '>' | '=' | '!' | '.' => {
                self.operators += 1;
                self.after_operand = false;
            }
            _ => {}
        }
        if self.open.len() > MAX_BRACKETS {
            return Some(format!("brackets are nested deeper than {MAX_BRACKETS}"));
        }
        (self.operators > MAX_OPERATORS).then(|| format!("an expression of more than {MAX_OPERATORS} operators"))
    }

    fn operand(&mut self) {
        if self.after_operand {
            self.operators = 0;
        }
        self.after_operand = true;
    }

    fn advance(&mut self, character: char) {
        if character == '\n' {
            self.line += 1;
            self.column = 1;
        } else {
            self.column += 1;
        }
    }

    /// Passes over the rest of a comment or string.
    fn skip(
        &mut self,
        characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
        ends: fn(char) -> bool,
        escapes: bool,
    ) {
        while let Some(character) = characters.next() {
            self.advance(character);
            if escapes && character == '\\' {
                if let Some(escaped) = characters.next() {
                    self.advance(escaped);
                }
            } else if ends(character) {
                return;
            }
        }
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Option<(u32, u32)> {
        excess(text).map(|excess| (excess.line, excess.column))
    }

    #[test]
    fn brackets() {
        assert_eq!(place(&"(".repeat(64)), None);
        assert_eq!(place(&format!("x\n{}", "(".repeat(65))), Some((2, 65)));
        assert_eq!(place(&"x([{}]);".repeat(10_000)), None);
        assert_eq!(place(&format!("\"{0}\" `{0}` # {0}", "(".repeat(100))), None);
        assert_eq!(place(&format!("\"\\\"{}\"", "(".repeat(100))), None);
    }

    #[test]
    fn chains() {
        for link in ["+ 1 ", "- ", ".a", "[b]", "| 1\n", "+ f(x, y) ", "(x)"] {
            assert_eq!(place(&format!("a{}", link.repeat(240))), None, "{link}");
            assert!(place(&format!("a{}", link.repeat(600))).is_some(), "{link}");
        }
        assert_eq!(place(&"a := b.c + 1\n".repeat(10_000)), None);
        assert_eq!(place(&format!("[{}]", "1 + 1, ".repeat(10_000))), None);
        assert_eq!(place(&"f(x) { x.y == 1 }\n".repeat(10_000)), None);
    }
}
