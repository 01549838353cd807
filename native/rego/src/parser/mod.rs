//! Tokens to syntax, as OPA's own parser reads them.
//!
//! A recursive descent with one token of lookahead. Rego is ambiguous in a few places (`{a | b}`, a body or a set after
//! `if`, a rule or an expression at the start of a statement); there one reading is tried and, when it fails, the other.
//! Terms that were read once are remembered, so trying again costs nothing and the time stays linear. Two counters guard
//! what remains: nesting depth, since a stack overflow cannot be caught, and steps.
//!
//! [`Stop`] means that the error is recorded already. Trying another reading drops the errors of the first one.

mod collection;
mod header;
mod literal;
mod logical;
mod rule;
mod statement;
mod template;
mod term;

use crate::ast::{Body, Module, TermRef};
use crate::capabilities::{Capabilities, Keywords};
use crate::diagnostic::{Code, Diagnostic};
use crate::lexer::{Tokens, tokenize};
use crate::span::Span;
use crate::token::{Kind, Token};

/// How deep brackets, bodies and operators may nest. OPA counts to 100,000 of its own calls and grows its stack; we
/// cannot, and no policy comes near.
pub const MAX_DEPTH: usize = 400;

/// The largest module that is read, in bytes.
pub const MAX_SOURCE_BYTES: usize = 16 << 20;

/// Tokens read, over tokens there are, before a module counts as made to waste time.
const MAX_REREADS: usize = 64;

/// Reading stopped; the error is recorded.
#[derive(Debug)]
pub(crate) struct Stop;

type Parse<T> = Result<T, Stop>;

/// Reads `source` as one module.
///
/// # Errors
///
/// Everything that is wrong with it, in the order of the text; never empty. After a statement that is wrong, reading goes
/// on with the next one that starts at the margin.
pub fn parse_module(source: &str, capabilities: &Capabilities) -> Result<Module, Vec<Diagnostic>> {
    if source.len() > MAX_SOURCE_BYTES {
        let message = format!("module of {} bytes is larger than {MAX_SOURCE_BYTES}", source.len());
        return Err(vec![Diagnostic::new(Code::Parse, Span::default(), message)]);
    }
    let tokens = tokenize(source);
    Parser::new(source, tokens, capabilities).module()
}

/// Reads `source` as a query: expressions on lines of their own or between semicolons.
///
/// # Errors
///
/// Everything that is wrong with it; never empty.
pub fn parse_query(source: &str, capabilities: &Capabilities) -> Result<Body, Vec<Diagnostic>> {
    if source.len() > MAX_SOURCE_BYTES {
        let message = format!("query of {} bytes is larger than {MAX_SOURCE_BYTES}", source.len());
        return Err(vec![Diagnostic::new(Code::Parse, Span::default(), message)]);
    }
    Parser::new(source, tokenize(source), capabilities).whole_query()
}

/// Where reading stands.
#[derive(Debug, Clone, Copy)]
struct State {
    /// The token ahead.
    position: usize,
    /// Whether the space before that token is still to be read.
    at_space: bool,
    /// The token ahead is a keyword that stands for a name.
    as_ident: bool,
    /// The token at this position was looked at before an import made it a keyword.
    plain_at: Option<usize>,
    /// How many `_` were seen.
    wildcards: u32,
}

/// A state to come back to.
#[derive(Debug, Clone, Copy)]
struct Saved {
    state: State,
    errors: usize,
}

/// A term that was read, or was not, at a position.
struct Remembered {
    position: usize,
    term: Option<TermRef>,
    after: State,
    errors: Vec<Diagnostic>,
}

struct Parser<'s> {
    source: &'s str,
    lexed: Tokens,
    capabilities: &'s Capabilities,
    keywords: Keywords,
    /// Reading an import's path, where words of newer versions are names.
    plain: bool,
    state: State,
    errors: Vec<Diagnostic>,
    /// An error that no other reading can undo.
    fatal: bool,
    /// By ascending position. A term replaces those inside and behind it: they were read on the way to it, and read
    /// again, perhaps as something else, only if it was no term.
    remembered: Vec<Remembered>,
    /// Parentheses found not to be a group of `and`, `or` or `not`, by whether they were an operand.
    not_groups: Vec<[bool; 2]>,
    depth: usize,
    steps: usize,
}

impl<'s> Parser<'s> {
    fn new(source: &'s str, lexed: Tokens, capabilities: &'s Capabilities) -> Self {
        let count = lexed.tokens.len();
        let mut parser = Self {
            source,
            lexed,
            capabilities,
            keywords: capabilities.initial_keywords(),
            plain: false,
            state: State { position: 0, at_space: false, as_ident: false, plain_at: None, wildcards: 0 },
            errors: Vec::new(),
            fatal: false,
            remembered: Vec::new(),
            not_groups: Vec::new(),
            depth: 0,
            steps: 0,
        };
        parser.not_groups.resize(count, [false; 2]);
        parser.arrive();
        parser
    }

    /// The token at `position`, or the end of the module past the last one.
    fn token_at(&self, position: usize) -> Token {
        let end = u32::try_from(self.source.len()).unwrap_or(u32::MAX);
        let nothing = Token {
            kind: Kind::Eof,
            span: Span::new(end, end),
            spaced: false,
            on_new_line: false,
            after_comment: false,
        };
        self.lexed.tokens.get(position).copied().unwrap_or(nothing)
    }

    /// What the token at `position` is under the keywords in force.
    fn kind_at(&self, position: usize) -> Kind {
        let kind = self.token_at(position).kind;
        let keyword = match kind {
            Kind::In => Keywords::IN,
            Kind::Every => Keywords::EVERY,
            Kind::Contains => Keywords::CONTAINS,
            Kind::If => Keywords::IF,
            Kind::LogicalAnd => Keywords::AND,
            Kind::LogicalOr => Keywords::OR,
            Kind::Not => Keywords::NONE,
            _ => return kind,
        };
        let plain = self.plain || self.state.plain_at == Some(position);
        if plain || !self.keywords.has(keyword) { Kind::Ident } else { kind }
    }

    /// The token ahead.
    fn kind(&self) -> Kind {
        if self.state.at_space {
            Kind::Space
        } else if self.state.as_ident {
            Kind::Ident
        } else {
            self.kind_at(self.state.position)
        }
    }

    fn at(&self, kind: Kind) -> bool {
        self.kind() == kind
    }

    fn token(&self) -> Token {
        self.token_at(self.state.position)
    }

    fn text(&self) -> &'s str {
        self.token().span.text(self.source)
    }

    /// Where the token ahead starts.
    fn start(&self) -> u32 {
        self.token().span.start
    }

    /// From `start` to the end of the last token read.
    fn span_from(&self, start: u32) -> Span {
        let last = self.state.position.checked_sub(1).map_or(0, |position| self.token_at(position).span.end);
        Span::new(start, last)
    }

    /// Steps over the token ahead and the space after it.
    fn scan(&mut self) {
        if self.state.at_space {
            self.state.at_space = false;
        } else {
            self.advance();
        }
        self.arrive();
    }

    /// Steps over the token ahead; space after it is the next token.
    fn scan_tight(&mut self) {
        self.advance();
        if self.token().spaced {
            self.state.at_space = true;
        } else {
            self.arrive();
        }
    }

    fn advance(&mut self) {
        self.steps += 1;
        self.state.as_ident = false;
        self.state.position = (self.state.position + 1).min(self.lexed.tokens.len().saturating_sub(1));
        if self.steps > self.lexed.tokens.len() * MAX_REREADS + 1024 && !self.fatal {
            self.error(self.token().span, "module takes too many attempts to read");
            self.fatal = true;
        }
    }

    /// Records what the lexer found wrong with the token ahead.
    fn arrive(&mut self) {
        if let Some(why) = self.lexed.faults.get(&self.state.position) {
            self.error(self.token().span, *why);
        }
    }

    /// The token after the one ahead, or the space before it.
    fn peek_tight(&self) -> Kind {
        let next = self.state.position + 1;
        if self.token_at(next).spaced { Kind::Space } else { self.kind_at(next) }
    }

    fn save(&self) -> Saved {
        Saved { state: self.state, errors: self.errors.len() }
    }

    /// Goes back to `saved` to try another reading; errors since are forgotten.
    ///
    /// # Errors
    ///
    /// [`Stop`] when the error is one that no other reading can undo.
    fn restore(&mut self, saved: Saved) -> Parse<()> {
        if self.fatal {
            return Err(Stop);
        }
        self.state = saved.state;
        self.errors.truncate(saved.errors);
        Ok(())
    }

    fn error(&mut self, span: Span, message: impl Into<String>) {
        if !self.fatal {
            self.errors.push(Diagnostic::new(Code::Parse, span, message));
        }
    }

    fn hinted(&mut self, span: Span, message: impl Into<String>, hint: impl Into<String>) {
        if !self.fatal {
            self.errors.push(Diagnostic::new(Code::Parse, span, message).with_hint(hint));
        }
    }

    /// Records that the token ahead cannot stand here.
    fn unexpected(&mut self, expected: &str) -> Stop {
        let token = self.token();
        // What the lexer found wrong is recorded already, and says more.
        if self.kind() == Kind::Illegal && self.lexed.faults.contains_key(&self.state.position) {
            return Stop;
        }
        let what = self.kind().describe(token.span.text(self.source));
        let message = if expected.is_empty() {
            format!("unexpected {what}")
        } else {
            format!("unexpected {what}: expected {expected}")
        };
        self.error(token.span, message);
        Stop
    }

    /// Reads `inner` one level deeper.
    fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        if self.depth >= MAX_DEPTH {
            self.too_deep();
            return Err(Stop);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn too_deep(&mut self) {
        self.errors.clear();
        self.error(self.token().span, format!("nested more than {MAX_DEPTH} levels deep"));
        self.fatal = true;
    }

    /// Lets a keyword that starts a reference be a name.
    fn keyword_as_ref_head(&mut self) -> bool {
        let starts = self.kind().is_keyword() && matches!(self.peek_tight(), Kind::Dot | Kind::LBrack);
        if starts {
            self.state.as_ident = true;
        }
        starts
    }
}
