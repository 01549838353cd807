//! Text being written, with the places it comes from.

use crate::ast::TermRef;
use crate::span::Span;
use crate::token::Kind;

#[derive(Default)]
pub(super) struct Writer {
    pub(super) text: String,
    pub(super) origins: Vec<(u32, Span)>,
}

impl Writer {
    pub(super) fn raw(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// What is written next comes from `span`; of several that start at once the first, the widest, counts.
    pub(super) fn mark(&mut self, span: Span) {
        let offset = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
        if self.origins.last().is_none_or(|last| last.0 < offset) {
            self.origins.push((offset, span));
        }
    }

    /// Names with dots between them, in brackets where a name is not plain.
    pub(super) fn path(&mut self, parts: &[TermRef]) {
        for (index, part) in parts.iter().enumerate() {
            match part.as_str().or_else(|| part.as_var().map(|name| &**name)) {
                Some(name) if index == 0 => self.raw(name),
                Some(name) => self.name_step(name),
                None => {}
            }
        }
    }

    /// `.name` or `["name"]`.
    pub(super) fn name_step(&mut self, name: &str) {
        if is_plain_name(name) {
            self.raw(".");
            self.raw(name);
        } else {
            self.raw("[");
            self.string(name);
            self.raw("]");
        }
    }

    /// A string between quotes, escaped as JSON.
    pub(super) fn string(&mut self, text: &str) {
        self.text.push('"');
        for c in text.chars() {
            match c {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\n' => self.raw("\\n"),
                '\r' => self.raw("\\r"),
                '\t' => self.raw("\\t"),
                c if u32::from(c) < 0x20 || c == '\u{7f}' || c == '\u{feff}' => {
                    self.text.push_str(&format!("\\u{:04x}", u32::from(c)));
                }
                c => self.text.push(c),
            }
        }
        self.text.push('"');
    }
}

/// Whether `word` is a keyword in any version of Rego.
pub(super) fn is_keyword(word: &str) -> bool {
    Kind::of_word(word) != Kind::Ident && !matches!(word, "and" | "or")
}

fn is_plain_name(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && !is_keyword(name)
}
