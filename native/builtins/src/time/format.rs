//! Times as text: Go's `Time.Format`.

use std::fmt::Write;

use super::civil::{Civil, MONTHS, WEEKDAYS, name};
use super::layout::{Element, OffsetShape, first_chunk};

/// The text of a time that is `offset` seconds before UTC, in a zone of that name.
pub(super) fn format(layout: &[u8], time: Civil, offset: i64, zone: &str) -> String {
    let mut out = String::with_capacity(layout.len());
    let mut layout = layout;
    loop {
        let chunk = first_chunk(layout);
        out.push_str(&String::from_utf8_lossy(chunk.prefix));
        let Some((element, _)) = chunk.element else { return out };
        layout = chunk.suffix;
        // Writing to a string cannot fail.
        let _ = write_element(&mut out, element, time, offset, zone);
    }
}

fn write_element(out: &mut String, element: Element, time: Civil, offset: i64, zone: &str) -> std::fmt::Result {
    let short = |name: &'static str| name.get(..3).unwrap_or(name);
    let hour12 = (time.hour + 11) % 12 + 1;
    let month = name(&MONTHS, time.month - 1);
    let weekday = name(&WEEKDAYS, time.weekday());
    match element {
        Element::Year => write!(out, "{:02}", time.year.abs() % 100),
        Element::LongYear => write!(out, "{:04}", time.year),
        Element::Month => write!(out, "{}", short(month)),
        Element::LongMonth => write!(out, "{month}"),
        Element::NumMonth => write!(out, "{}", time.month),
        Element::ZeroMonth => write!(out, "{:02}", time.month),
        Element::Weekday => write!(out, "{}", short(weekday)),
        Element::LongWeekday => write!(out, "{weekday}"),
        Element::Day => write!(out, "{}", time.day),
        Element::UnderDay => write!(out, "{:2}", time.day),
        Element::ZeroDay => write!(out, "{:02}", time.day),
        Element::UnderYearDay => write!(out, "{:3}", time.year_day()),
        Element::ZeroYearDay => write!(out, "{:03}", time.year_day()),
        Element::Hour => write!(out, "{:02}", time.hour),
        Element::Hour12 => write!(out, "{hour12}"),
        Element::ZeroHour12 => write!(out, "{hour12:02}"),
        Element::Minute => write!(out, "{}", time.minute),
        Element::ZeroMinute => write!(out, "{:02}", time.minute),
        Element::Second => write!(out, "{}", time.second),
        Element::ZeroSecond => write!(out, "{:02}", time.second),
        Element::UpperHalf => write!(out, "{}", if time.hour < 12 { "AM" } else { "PM" }),
        Element::LowerHalf => write!(out, "{}", if time.hour < 12 { "am" } else { "pm" }),
        Element::ZoneName if zone.is_empty() => write_offset(out, OffsetShape::Minutes, offset),
        Element::ZoneName => write!(out, "{zone}"),
        Element::Offset { z: true, .. } if offset == 0 => write!(out, "Z"),
        Element::Offset { shape, .. } => write_offset(out, shape, offset),
        Element::Fraction { digits, trims, separator } => {
            write_fraction(out, time.nanosecond, digits, trims, char::from(separator));
            Ok(())
        }
    }
}

fn write_offset(out: &mut String, shape: OffsetShape, offset: i64) -> std::fmt::Result {
    // The sign is that of the whole minutes.
    let minutes = offset / 60;
    let (sign, minutes, seconds) = if minutes < 0 { ('-', -minutes, -offset) } else { ('+', minutes, offset) };
    let colon = if shape.has_colons() { ":" } else { "" };
    write!(out, "{sign}{:02}", minutes / 60)?;
    if shape.has_minutes() {
        write!(out, "{colon}{:02}", minutes % 60)?;
    }
    if shape.has_seconds() {
        write!(out, "{colon}{:02}", seconds % 60)?;
    }
    Ok(())
}

fn write_fraction(out: &mut String, nanosecond: i64, digits: usize, trims: bool, separator: char) {
    let all = format!("{nanosecond:09}");
    let shown = all.get(..digits).unwrap_or(&all);
    let shown = if trims { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push(separator);
        out.push_str(shown);
    }
}
