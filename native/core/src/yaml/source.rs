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
    /// Where each line of the text begins: block literals, and quoted or plain scalars of one line.
    Lines(Arc<[LineStart]>),
    /// Lines were folded: only the scalar's own place is known.
    Whole { line: u32, column: u32 },
}

/// Where a line of text begins in its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LineStart {
    pub(super) line: u32,
    pub(super) column: u32,
    /// Escapes of this line: from which column of the text on the file is how many columns ahead. Ascending.
    pub(super) ahead: Vec<(u32, u32)>,
}

impl SourceText {
    pub(super) fn new(text: Arc<str>, path: Arc<str>, map: SourceMap) -> Self {
        Self { text, path, map }
    }

    /// Text without a file, for callers that have none.
    #[must_use]
    pub fn detached(text: impl Into<Arc<str>>, path: impl Into<Arc<str>>) -> Self {
        let text: Arc<str> = text.into();
        let starts =
            (1..).zip(text.lines()).map(|(line, _)| LineStart { line, column: 1, ahead: Vec::new() }).collect();
        Self { text, path: path.into(), map: SourceMap::Lines(starts) }
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
            SourceMap::Lines(starts) => {
                let wanted = line.max(1) as usize - 1;
                match starts.get(wanted).or(starts.last()) {
                    None => (0, 0),
                    Some(start) => {
                        let ahead = start.ahead.iter().take_while(|(from, _)| *from <= column).last();
                        let ahead = ahead.map_or(0, |(_, columns)| *columns);
                        (start.line, start.column.saturating_add(column.max(1) - 1).saturating_add(ahead))
                    }
                }
            }
        };
        Location { path: self.path.clone(), line, column }
    }
}
