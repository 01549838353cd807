//! Where a piece of syntax stands in its source.

/// A half-open range of byte offsets into one source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset one past the last byte.
    pub end: u32,
}

impl Span {
    /// The range from `start` up to, not including, `end`; empty when `end` lies before `start`.
    #[must_use]
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end: end.max(start) }
    }

    /// The text of this range, empty when the range does not lie in `source`.
    #[must_use]
    pub fn text(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or("")
    }
}

/// A place in a source text as people count: both numbers start at one, columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line number.
    pub row: u32,
    /// Column number, in characters.
    pub col: u32,
}

/// Translates byte offsets of one source text into lines and columns.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<u32>,
}

impl LineIndex {
    /// Indexes the lines of `source`; only a line feed ends a line.
    #[must_use]
    pub fn new(source: &str) -> Self {
        let mut starts = vec![0];
        let breaks = source.bytes().zip(1_u32..).filter(|(byte, _)| *byte == b'\n');
        starts.extend(breaks.map(|(_, next)| next));
        Self { starts }
    }

    /// The line and column of `offset`.
    #[must_use]
    pub fn position(&self, source: &str, offset: u32) -> Position {
        let row = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(row - 1).copied().unwrap_or(0);
        let col = Span::new(start, offset).text(source).chars().count() + 1;
        Position { row: saturate(row), col: saturate(col) }
    }

    /// The text of line `row` (from one) without its line end.
    #[must_use]
    pub fn line<'s>(&self, source: &'s str, row: u32) -> &'s str {
        let index = (row as usize).saturating_sub(1);
        let start = self.starts.get(index).copied().unwrap_or(0);
        let end = self.starts.get(index + 1).copied().map_or_else(|| saturate(source.len()), |next| next - 1);
        Span::new(start, end).text(source).trim_end_matches('\r')
    }
}

/// Sources are refused above `u32::MAX` bytes, so no count can reach the limit.
fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_rows_line_feeds() {
        let source = "ä := 1\r\nb\n";
        let index = LineIndex::new(source);
        assert_eq!(index.position(source, 3), Position { row: 1, col: 3 });
        assert_eq!(index.position(source, 9), Position { row: 2, col: 1 });
        assert_eq!(index.position(source, 11), Position { row: 3, col: 1 });
        assert_eq!(index.line(source, 1), "ä := 1");
        assert_eq!(index.line(source, 2), "b");
    }
}
