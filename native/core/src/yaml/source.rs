//! Text that stands inside a document, such as a Rego module, and where each of its lines stands in the file.

use std::sync::Arc;

use crate::diagnostic::Location;

/// Text of a scalar and the way back from a place in it to a place in the file.
#[derive(Clone, Debug)]
pub struct SourceText {
    /// The text, as the document means it.
    pub text: Arc<str>,
    path: Arc<str>,
    map: SourceMap,
}

/// How places in a scalar's text relate to places in its file.
#[derive(Clone, Debug)]
pub(super) enum SourceMap {
    /// Stretches of text that run side by side with the file, ascending.
    Stretches(Arc<[Stretch]>),
    /// Lines were folded: only the scalar's own place is known.
    Whole { line: u32, column: u32 },
}

/// From a place of the text on, to the end of its line or the next stretch, columns of text and file advance together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// Line and column of the text.
    pub(super) text: (u32, u32),
    /// Line and column of the file.
    pub(super) file: (u32, u32),
}

impl SourceText {
    pub(super) fn new(text: Arc<str>, path: Arc<str>, map: SourceMap) -> Self {
        Self { text, path, map }
    }

    /// Text without a file, for callers that have none.
    #[must_use]
    pub fn detached(text: impl Into<Arc<str>>, path: impl Into<Arc<str>>) -> Self {
        let text: Arc<str> = text.into();
        let lines = 1..=u32::try_from(text.split('\n').count()).unwrap_or(u32::MAX);
        let stretches = lines.map(|line| Stretch { text: (line, 1), file: (line, 1) }).collect();
        Self { text, path: path.into(), map: SourceMap::Stretches(stretches) }
    }

    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &Arc<str> {
        &self.path
    }

    /// Where the text begins.
    #[must_use]
    pub fn start(&self) -> Location {
        self.locate(1, 1)
    }

    /// The place in the file of a 1-based line and column of the text. Places beyond the text give its last line.
    #[must_use]
    pub fn locate(&self, line: u32, column: u32) -> Location {
        let (line, column) = match &self.map {
            SourceMap::Whole { line, column } => (*line, *column),
            SourceMap::Stretches(stretches) => {
                let wanted = (line.max(1), column.max(1));
                let after = stretches.partition_point(|stretch| stretch.text <= wanted);
                match stretches.get(after.saturating_sub(1)) {
                    None => (0, 0),
                    Some(Stretch { text, file }) if text.0 == wanted.0 => {
                        (file.0, file.1.saturating_add(wanted.1.saturating_sub(text.1)))
                    }
                    Some(Stretch { file, .. }) => *file,
                }
            }
        };
        Location { path: self.path.clone(), line, column }
    }
}
