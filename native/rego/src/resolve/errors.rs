//! What the stages found wrong, and whether to go on.

use crate::capabilities::Release;
use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;

use super::ModuleError;

/// As many errors as OPA reports.
pub(super) const LIMIT: usize = 10;

/// The errors of a compilation.
pub(super) struct Errors {
    release: Release,
    list: Vec<ModuleError>,
    stop: bool,
}

impl Errors {
    pub(super) fn new(release: Release) -> Self {
        Self { release, list: Vec::new(), stop: false }
    }

    /// An error after which the later stages cannot run.
    pub(super) fn fatal(&mut self, module: usize, code: Code, span: Span, message: impl Into<String>) {
        self.add(ModuleError { module, error: Diagnostic::new(code, span, message) }, true);
    }

    /// Records errors; `fatal` if the later stages cannot run after them. Since OPA 1.22 some stages can.
    pub(super) fn all(&mut self, module: usize, errors: impl IntoIterator<Item = Diagnostic>, fatal: bool) {
        for error in errors {
            self.add(ModuleError { module, error }, fatal);
        }
    }

    fn add(&mut self, error: ModuleError, fatal: bool) {
        if self.list.len() >= LIMIT {
            return;
        }
        self.list.push(error);
        self.stop |= fatal || self.release == Release::Opa1_17 || self.list.len() == LIMIT;
    }

    /// Whether a stage was the last.
    pub(super) fn stop(&self) -> bool {
        self.stop
    }

    /// The errors in the order of their places.
    pub(super) fn finish(mut self) -> Result<(), Vec<ModuleError>> {
        if self.list.is_empty() {
            return Ok(());
        }
        sort(&mut self.list);
        Err(self.list)
    }
}

/// Puts errors in the order of their places, those of one place in that of their texts.
pub(super) fn sort(errors: &mut [ModuleError]) {
    let key = |error: &ModuleError| {
        let ModuleError { module, error } = error;
        (*module, error.span.start, error.code.as_str(), error.message.clone(), error.details.clone())
    };
    errors.sort_by_cached_key(key);
}
