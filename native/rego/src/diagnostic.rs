//! What is wrong with a module, where, and what may help.

use std::fmt;

use crate::span::{LineIndex, Position, Span};

/// OPA's class of an error; the names are those that OPA reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The text is not Rego.
    Parse,
    /// The module is Rego but its parts do not fit together.
    Compile,
    /// A variable is never bound.
    UnsafeVar,
    /// A rule depends on itself.
    Recursion,
    /// A call or reference that no value can satisfy.
    Type,
}

impl Code {
    /// OPA's name of the code, as in `rego_parse_error`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "rego_parse_error",
            Self::Compile => "rego_compile_error",
            Self::UnsafeVar => "rego_unsafe_var_error",
            Self::Recursion => "rego_recursion_error",
            Self::Type => "rego_type_error",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One error, located in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// OPA's class of the error.
    pub code: Code,
    /// What is wrong, in one line.
    pub message: String,
    /// What is there and what should be, a line each, where OPA says so.
    pub details: Vec<String>,
    /// What to try, where we can tell.
    pub hint: Option<String>,
    /// The offending text.
    pub span: Span,
}

impl Diagnostic {
    /// An error of `code` at `span`, without a hint.
    #[must_use]
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Vec::new(), hint: None, span }
    }

    /// The same error with more lines.
    #[must_use]
    pub fn with_details(mut self, details: Vec<String>) -> Self {
        self.details = details;
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The line and column at which the error starts.
    #[must_use]
    pub fn position(&self, source: &str) -> Position {
        LineIndex::new(source).position(source, self.span.start)
    }

    /// The error as people read it: code and place, the source line, a caret under the offence, the hint.
    ///
    /// `file` names the source; tabs before the caret are kept so that it stands under its character.
    #[must_use]
    pub fn render(&self, file: &str, source: &str) -> String {
        let index = LineIndex::new(source);
        let at = index.position(source, self.span.start);
        let line = index.line(source, at.row);
        let before = line.chars().take(at.col as usize - 1);
        let pad: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let room = line.chars().count().saturating_sub(at.col as usize - 1).max(1);
        let carets = "^".repeat(self.span.text(source).lines().next().unwrap_or("").chars().count().clamp(1, room));
        let mut out =
            format!("{file}:{}:{}: {}: {}\n\t{line}\n\t{pad}{carets}", at.row, at.col, self.code, self.message);
        for line in &self.details {
            out.push_str("\n\t");
            out.push_str(line);
        }
        if let Some(hint) = &self.hint {
            out.push_str("\n\thint: ");
            out.push_str(hint);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_offence() {
        let source = "package a\n\tp := ]\n";
        let error = Diagnostic::new(Code::Parse, Span::new(16, 17), "unexpected `]`").with_hint("remove it");
        let expected = "t.rego:2:7: rego_parse_error: unexpected `]`\n\t\tp := ]\n\t\t     ^\n\thint: remove it";
        assert_eq!(error.render("t.rego", source), expected);
    }
}
