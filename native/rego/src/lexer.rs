//! Text to tokens.
//!
//! A module is cut into tokens once, before it is parsed. Two things about Rego's tokens depend on the grammar. Words
//! become keywords by imports, so each word keeps the kind it could have and the parser decides. Inside a template
//! string (`$"a {x} b"`) a brace closes an expression and the string goes on, so the lexer counts braces.

use std::collections::BTreeMap;

use crate::digits::is_decimal_digit;
use crate::span::Span;
use crate::token::{Kind, Token};

const BYTE_ORDER_MARK: char = '\u{feff}';
const NO_BREAK_SPACE: char = '\u{a0}';

/// A comment, from its `#` to the end of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comment {
    /// The comment's place, its `#` included, its line end not.
    pub(crate) span: Span,
}

/// The tokens of one source text; the last one is always [`Kind::Eof`].
pub(crate) struct Tokens {
    pub(crate) tokens: Vec<Token>,
    pub(crate) comments: Vec<Comment>,
    /// Why the token of that index is illegal, where there is more to say than that.
    pub(crate) faults: BTreeMap<usize, &'static str>,
    /// For the index of each opening brace, the index of the token that closes it.
    pub(crate) closing: BTreeMap<usize, usize>,
}

/// Cuts `source` into tokens. Text that is no token becomes [`Kind::Illegal`]: whether that is an error depends on
/// whether the parser gets that far.
pub(crate) fn tokenize(source: &str) -> Tokens {
    let mut lexer = Lexer {
        source,
        position: if source.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 },
        fault: None,
        templates: Vec::new(),
        braces: Vec::new(),
        out: Tokens {
            tokens: Vec::with_capacity(source.len() / 4),
            comments: Vec::new(),
            faults: BTreeMap::new(),
            closing: BTreeMap::new(),
        },
    };
    while lexer.next_token() != Kind::Eof {}
    lexer.out
}

/// An open template string.
struct Template {
    raw: bool,
    /// Braces opened inside the expression being read.
    depth: usize,
}

struct Lexer<'s> {
    source: &'s str,
    position: usize,
    fault: Option<&'static str>,
    templates: Vec<Template>,
    braces: Vec<usize>,
    out: Tokens,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        let byte = *self.source.as_bytes().get(self.position)?;
        if byte.is_ascii() { Some(char::from(byte)) } else { self.source.get(self.position..)?.chars().next() }
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.position += c.len_utf8();
        match c {
            '\0' => self.fault = Some("illegal null character"),
            BYTE_ORDER_MARK => self.fault = Some("illegal byte-order mark"),
            _ => {}
        }
        Some(c)
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn eat_while(&mut self, accept: impl Fn(char) -> bool) -> bool {
        let start = self.position;
        while self.peek().is_some_and(&accept) {
            self.bump();
        }
        self.position > start
    }

    /// Reads one token with the space before it.
    fn next_token(&mut self) -> Kind {
        let before = self.position;
        let (mut on_new_line, mut after_comment) = (false, false);
        loop {
            match self.peek() {
                Some('\n') => {
                    on_new_line = true;
                    self.bump();
                }
                Some(' ' | '\t' | '\r') => {
                    self.bump();
                }
                Some('#') => {
                    after_comment = true;
                    self.comment();
                }
                _ => break,
            }
        }
        let start = self.position;
        let kind = self.token();
        self.push(kind, start, start > before, on_new_line, after_comment);
        if kind == Kind::RBrace {
            self.close_brace();
        }
        kind
    }

    /// After a closing brace: the one that ends an expression inside a template string is followed by the rest of the
    /// string at once.
    fn close_brace(&mut self) {
        match self.templates.last_mut() {
            Some(template) if template.depth > 0 => template.depth -= 1,
            Some(&mut Template { raw, .. }) => {
                self.templates.pop();
                let start = self.position;
                let rest = self.template(raw);
                self.push(rest, start, false, false, false);
            }
            None => {}
        }
    }

    fn push(&mut self, kind: Kind, start: usize, spaced: bool, on_new_line: bool, after_comment: bool) {
        let index = self.out.tokens.len();
        let kind = match self.fault.take() {
            Some(why) => {
                self.out.faults.insert(index, why);
                if kind == Kind::Eof { kind } else { Kind::Illegal }
            }
            None => kind,
        };
        match kind {
            // A template's text ends with the brace that opens its expression.
            Kind::LBrace | Kind::TemplatePart | Kind::RawTemplatePart => self.braces.push(index),
            Kind::RBrace => {
                if let Some(open) = self.braces.pop() {
                    self.out.closing.insert(open, index);
                }
            }
            _ => {}
        }
        let span = Span::new(offset(start), offset(self.position));
        self.out.tokens.push(Token { kind, span, spaced, on_new_line, after_comment });
    }

    fn comment(&mut self) {
        let start = self.position;
        self.eat_while(|c| c != '\n');
        let text = self.source.get(start..self.position).unwrap_or("");
        let end = start + text.strip_suffix('\r').unwrap_or(text).len();
        self.out.comments.push(Comment { span: Span::new(offset(start), offset(end)) });
    }

    fn token(&mut self) -> Kind {
        let start = self.position;
        let Some(first) = self.bump() else {
            return Kind::Eof;
        };
        match first {
            c if is_letter(c) => {
                self.eat_while(|c| is_letter(c) || is_decimal_digit(c));
                Kind::of_word(self.source.get(start..self.position).unwrap_or(""))
            }
            '0'..='9' => self.number(),
            '"' => self.string(),
            '`' => self.raw_string(),
            '$' if self.eat('"') => self.template(false),
            '$' if self.eat('`') => self.template(true),
            '$' => self.illegal("illegal $ character"),
            '[' => Kind::LBrack,
            ']' => Kind::RBrack,
            '{' => {
                if let Some(template) = self.templates.last_mut() {
                    template.depth += 1;
                }
                Kind::LBrace
            }
            '}' => Kind::RBrace,
            '(' => Kind::LParen,
            ')' => Kind::RParen,
            ',' => Kind::Comma,
            ';' => Kind::Semicolon,
            '.' => Kind::Dot,
            '+' => Kind::Add,
            '-' => Kind::Sub,
            '*' => Kind::Mul,
            '/' => Kind::Quo,
            '%' => Kind::Rem,
            '&' => Kind::And,
            '|' => Kind::Or,
            ':' if self.eat('=') => Kind::Assign,
            ':' => Kind::Colon,
            '=' if self.eat('=') => Kind::Equal,
            '=' => Kind::Unify,
            '<' if self.eat('=') => Kind::Lte,
            '<' => Kind::Lt,
            '>' if self.eat('=') => Kind::Gte,
            '>' => Kind::Gt,
            '!' if self.eat('=') => Kind::Neq,
            '!' => self.illegal("illegal ! character"),
            NO_BREAK_SPACE => self.illegal("illegal non-breaking space character, use a regular space instead"),
            _ => Kind::Illegal,
        }
    }

    fn illegal(&mut self, why: &'static str) -> Kind {
        self.fault = Some(why);
        Kind::Illegal
    }

    /// The rest of a number whose first digit is read. `0a2b` is one wrong number, not a number and a word.
    fn number(&mut self) -> Kind {
        let digit = |c: char| c.is_ascii_digit();
        self.eat_while(digit);
        if self.eat('.') && !self.eat_while(digit) {
            self.fault = Some("expected fraction");
        }
        if self.eat('e') || self.eat('E') {
            let _ = self.eat('+') || self.eat('-');
            if !self.eat_while(digit) {
                self.fault = Some("expected exponent");
            }
        }
        if self.peek().is_some_and(is_letter) {
            self.eat_while(|c| is_letter(c) || is_decimal_digit(c));
            self.fault = Some("illegal number format");
        }
        Kind::Number
    }

    fn string(&mut self) -> Kind {
        loop {
            match self.peek() {
                None | Some('\n') => return self.illegal("non-terminated string"),
                Some('"') => {
                    self.bump();
                    return Kind::String;
                }
                Some('\\') => {
                    self.bump();
                    self.escape(false);
                }
                Some(_) => {
                    self.bump();
                }
            }
        }
    }

    /// What follows a backslash. The digits after `\u` are checked when the text is decoded.
    fn escape(&mut self, in_template: bool) {
        match self.peek() {
            Some('\\' | '"' | '/' | 'b' | 'f' | 'n' | 'r' | 't') => {
                self.bump();
            }
            Some('{') if in_template => {
                self.bump();
            }
            Some('u') => {
                for _ in 0..4 {
                    self.bump();
                }
            }
            _ => self.fault = Some("illegal escape sequence"),
        }
    }

    fn raw_string(&mut self) -> Kind {
        loop {
            match self.bump() {
                None => return self.illegal("non-terminated string"),
                Some('`') => return Kind::RawString,
                Some(_) => {}
            }
        }
    }

    /// Template text up to its end or to the brace of the next expression.
    fn template(&mut self, raw: bool) -> Kind {
        let (quote, part, end) = if raw {
            ('`', Kind::RawTemplatePart, Kind::RawTemplateEnd)
        } else {
            ('"', Kind::TemplatePart, Kind::TemplateEnd)
        };
        loop {
            match self.peek() {
                None => return self.illegal("non-terminated string"),
                Some('\n') if !raw => return self.illegal("non-terminated string"),
                Some(c) if c == quote => {
                    self.bump();
                    return end;
                }
                Some('{') => {
                    self.bump();
                    self.templates.push(Template { raw, depth: 0 });
                    return part;
                }
                Some('\\') => {
                    self.bump();
                    if !raw {
                        self.escape(true);
                    } else if self.peek() == Some('{') {
                        self.bump();
                    }
                }
                Some(_) => {
                    self.bump();
                }
            }
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

/// Sources are refused above `u32::MAX` bytes before they are read.
fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "a wrong index is a failed test")]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<Kind> {
        tokenize(source).tokens.into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn template_strings_nest_and_count_braces() {
        use Kind::{Eof, Ident, LBrace, RBrace, TemplateEnd, TemplatePart};
        assert_eq!(
            kinds(r#"$"a {x} {{y}} b""#),
            [TemplatePart, Ident, RBrace, TemplatePart, LBrace, Ident, RBrace, RBrace, TemplateEnd, Eof]
        );
        assert_eq!(
            kinds(r#"$"{$"{x}"}""#),
            [TemplatePart, TemplatePart, Ident, RBrace, TemplateEnd, RBrace, TemplateEnd, Eof]
        );
        assert_eq!(kinds(r#"$"\{x}""#), [TemplateEnd, Eof]);
    }

    #[test]
    fn space_lines_and_comments_are_kept_as_marks() {
        let lexed = tokenize("a # c\r\n(b)");
        let paren = lexed.tokens[1];
        assert_eq!(paren.kind, Kind::LParen);
        assert!(paren.spaced && paren.on_new_line && paren.after_comment);
        assert!(!lexed.tokens[2].spaced);
        assert_eq!(lexed.comments[0].span.text("a # c\r\n(b)"), "# c");
    }

    #[test]
    fn faults_make_their_token_illegal() {
        for source in ["1.", "1e", "0a2b", "\"a", "`a", "$x", "!a", "\"\\q\"", "a\0", "\u{a0}", "a\u{feff}", "@"] {
            assert!(kinds(source).contains(&Kind::Illegal), "{source:?}");
        }
        assert_eq!(kinds("\u{feff}a"), [Kind::Ident, Kind::Eof]);
    }

    #[test]
    fn braces_know_where_they_close() {
        let lexed = tokenize("{ { } $\"{a}\" }");
        assert_eq!(lexed.closing.get(&0), Some(&7), "the brace of a template's expression is not the outer one");
        assert_eq!(lexed.closing.get(&1), Some(&2));
    }
}
