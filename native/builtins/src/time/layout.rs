//! Layouts of Go's `time` package: a time is described by how Monday, January 2nd 2006, 15:04:05 at -0700 is written.

/// A part of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    Year,
    LongYear,
    Month,
    LongMonth,
    NumMonth,
    ZeroMonth,
    Weekday,
    LongWeekday,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    UpperHalf,
    LowerHalf,
    ZoneName,
    /// Where `z` is set, UTC is written `Z`.
    Offset {
        z: bool,
        shape: OffsetShape,
    },
    /// Where `trims` is set, trailing zeros are not written.
    Fraction {
        digits: usize,
        trims: bool,
        separator: u8,
    },
}

/// How an offset from UTC is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OffsetShape {
    /// `-07`
    Hours,
    /// `-0700`
    Minutes,
    /// `-07:00`
    ColonMinutes,
    /// `-070000`
    Seconds,
    /// `-07:00:00`
    ColonSeconds,
}

impl OffsetShape {
    pub(super) const fn has_colons(self) -> bool {
        matches!(self, Self::ColonMinutes | Self::ColonSeconds)
    }

    pub(super) const fn has_minutes(self) -> bool {
        !matches!(self, Self::Hours)
    }

    pub(super) const fn has_seconds(self) -> bool {
        matches!(self, Self::Seconds | Self::ColonSeconds)
    }
}

const fn offset(z: bool, shape: OffsetShape) -> Element {
    Element::Offset { z, shape }
}

/// Elements by their text; of those that begin alike the first counts.
const ELEMENTS: &[(&[u8], Element)] = &[
    (b"January", Element::LongMonth),
    (b"Jan", Element::Month),
    (b"Monday", Element::LongWeekday),
    (b"Mon", Element::Weekday),
    (b"MST", Element::ZoneName),
    (b"01", Element::ZeroMonth),
    (b"02", Element::ZeroDay),
    (b"03", Element::ZeroHour12),
    (b"04", Element::ZeroMinute),
    (b"05", Element::ZeroSecond),
    (b"06", Element::Year),
    (b"002", Element::ZeroYearDay),
    (b"15", Element::Hour),
    (b"1", Element::NumMonth),
    (b"2006", Element::LongYear),
    (b"2", Element::Day),
    (b"_2", Element::UnderDay),
    (b"__2", Element::UnderYearDay),
    (b"3", Element::Hour12),
    (b"4", Element::Minute),
    (b"5", Element::Second),
    (b"PM", Element::UpperHalf),
    (b"pm", Element::LowerHalf),
    (b"-070000", offset(false, OffsetShape::Seconds)),
    (b"-07:00:00", offset(false, OffsetShape::ColonSeconds)),
    (b"-0700", offset(false, OffsetShape::Minutes)),
    (b"-07:00", offset(false, OffsetShape::ColonMinutes)),
    (b"-07", offset(false, OffsetShape::Hours)),
    (b"Z070000", offset(true, OffsetShape::Seconds)),
    (b"Z07:00:00", offset(true, OffsetShape::ColonSeconds)),
    (b"Z0700", offset(true, OffsetShape::Minutes)),
    (b"Z07:00", offset(true, OffsetShape::ColonMinutes)),
    (b"Z07", offset(true, OffsetShape::Hours)),
];

/// The beginning of a layout.
pub(super) struct Chunk<'a> {
    /// Text before the first element; all of a layout that has none.
    pub(super) prefix: &'a [u8],
    /// The first element and how it is written.
    pub(super) element: Option<(Element, &'a [u8])>,
    pub(super) suffix: &'a [u8],
}

/// The first element of a layout with what is before and after it.
pub(super) fn first_chunk(layout: &[u8]) -> Chunk<'_> {
    for index in 0..layout.len() {
        let (prefix, rest) = layout.split_at(index);
        if let Some((element, length)) = element(rest)
            && let Some((text, suffix)) = rest.split_at_checked(length)
        {
            return Chunk { prefix, element: Some((element, text)), suffix };
        }
    }
    Chunk { prefix: layout, element: None, suffix: &[] }
}

/// The element that a text begins with, and its length.
fn element(text: &[u8]) -> Option<(Element, usize)> {
    // The underscore before a year is nothing but one.
    if text.starts_with(b"_2006") {
        return None;
    }
    let begins = |(name, element): &&(&[u8], Element)| match element {
        // Neither "Janitor" nor "Month" is a date.
        Element::Month | Element::Weekday => {
            text.strip_prefix(*name).is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_lowercase))
        }
        _ => text.starts_with(name),
    };
    ELEMENTS.iter().find(begins).map(|(name, element)| (*element, name.len())).or_else(|| fraction(text))
}

/// `.000`, `,999`, as long as no other digit follows.
fn fraction(text: &[u8]) -> Option<(Element, usize)> {
    let (separator, rest) = text.split_first()?;
    let digit = *rest.first().filter(|digit| matches!(digit, b'0' | b'9'))?;
    let digits = rest.iter().take_while(|other| **other == digit).count();
    if !matches!(separator, b'.' | b',') || rest.get(digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    Some((Element::Fraction { digits, trims: digit == b'9', separator: *separator }, digits + 1))
}
