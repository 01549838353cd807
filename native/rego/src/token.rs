//! The words and signs of Rego.

use crate::span::Span;

/// What a token is. Every word that is a keyword in some version of Rego has its own kind: whether it counts as one is
/// the parser's to decide, since imports change that halfway through a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Eof,
    Illegal,
    /// White space, where the grammar asks whether there is any; the lexer never produces it.
    Space,
    Ident,
    Number,
    String,
    RawString,
    /// Text of `$"…"` up to the brace that opens an expression.
    TemplatePart,
    /// Text of `$"…"` up to its closing quote.
    TemplateEnd,
    RawTemplatePart,
    RawTemplateEnd,

    Package,
    Import,
    As,
    Default,
    Else,
    Not,
    Some,
    With,
    Null,
    True,
    False,
    In,
    Every,
    Contains,
    If,
    LogicalAnd,
    LogicalOr,

    LBrack,
    RBrack,
    LBrace,
    RBrace,
    LParen,
    RParen,
    Comma,
    Colon,
    Semicolon,
    Dot,
    Add,
    Sub,
    Mul,
    Quo,
    Rem,
    And,
    Or,
    Unify,
    Assign,
    Equal,
    Neq,
    Lt,
    Gt,
    Lte,
    Gte,
}

impl Kind {
    /// The keyword that `word` is in some version of Rego, else [`Kind::Ident`].
    pub(crate) fn of_word(word: &str) -> Self {
        match word {
            "package" => Self::Package,
            "import" => Self::Import,
            "as" => Self::As,
            "default" => Self::Default,
            "else" => Self::Else,
            "not" => Self::Not,
            "some" => Self::Some,
            "with" => Self::With,
            "null" => Self::Null,
            "true" => Self::True,
            "false" => Self::False,
            "in" => Self::In,
            "every" => Self::Every,
            "contains" => Self::Contains,
            "if" => Self::If,
            "and" => Self::LogicalAnd,
            "or" => Self::LogicalOr,
            _ => Self::Ident,
        }
    }

    /// Whether the token is a keyword.
    pub(crate) fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Package
                | Self::Import
                | Self::As
                | Self::Default
                | Self::Else
                | Self::Not
                | Self::Some
                | Self::With
                | Self::Null
                | Self::True
                | Self::False
                | Self::In
                | Self::Every
                | Self::Contains
                | Self::If
                | Self::LogicalAnd
                | Self::LogicalOr
        )
    }

    /// How a message names the token.
    pub(crate) fn describe(self, text: &str) -> String {
        match self {
            Self::Eof => "end of module".to_owned(),
            Self::Illegal => "illegal token".to_owned(),
            Self::Space => "white space".to_owned(),
            Self::Ident => format!("identifier `{text}`"),
            Self::Number => format!("number `{text}`"),
            Self::String | Self::RawString => "string".to_owned(),
            Self::TemplatePart | Self::TemplateEnd | Self::RawTemplatePart | Self::RawTemplateEnd => {
                "template string".to_owned()
            }
            keyword if keyword.is_keyword() => format!("keyword `{text}`"),
            _ => format!("`{text}`"),
        }
    }
}

/// One token, with what stands between it and the token before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    /// White space or a comment comes directly before.
    pub(crate) spaced: bool,
    /// A line ends between the token before and this one.
    pub(crate) on_new_line: bool,
    /// A comment stands between the token before and this one.
    pub(crate) after_comment: bool,
}
