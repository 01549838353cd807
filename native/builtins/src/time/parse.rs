//! Texts as times: Go's `time.Parse`.
//!
//! A time without time zone is in UTC; of an abbreviation of a zone Go knows no offset, and so the time is taken as UTC's too.

use super::civil::{Civil, Instant, MONTHS, WEEKDAYS, days_in, is_leap};
use super::layout::{Element, OffsetShape, first_chunk};

/// Why an element does not fit.
enum Misfit {
    Bad,
    /// What is out of range.
    Range(&'static str),
}

type Rest<'a> = Result<&'a [u8], Misfit>;

/// What was read so far.
#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    is_afternoon: bool,
    is_morning: bool,
    is_utc: bool,
    offset: Option<i64>,
}

/// The instant that a text of a layout means.
///
/// # Errors
/// Go's text.
pub(super) fn parse(layout: &[u8], text: &[u8]) -> Result<Instant, String> {
    let error = |message: &str| format!("parsing time {}{message}", quote(text));
    let mismatch = |value: &[u8], wanted: &[u8]| {
        error(&format!(" as {}: cannot parse {} as {}", quote(layout), quote(value), quote(wanted)))
    };
    let mut fields = Fields::default();
    let (mut layout_rest, mut rest) = (layout, text);
    loop {
        let chunk = first_chunk(layout_rest);
        rest = skip(rest, chunk.prefix).map_err(|value| mismatch(value, chunk.prefix))?;
        let Some((element, written)) = chunk.element else { break };
        layout_rest = chunk.suffix;
        rest = fields.read(element, rest, layout_rest).map_err(|misfit| match misfit {
            Misfit::Bad => mismatch(rest, written),
            Misfit::Range(what) => error(&format!(": {what} out of range")),
        })?;
    }
    if !rest.is_empty() {
        return Err(error(&format!(": extra text: {}", quote(rest))));
    }
    fields.instant().map_err(|what| error(&format!(": {what}")))
}

/// The text after a prefix, in which any number of spaces is as good as one. Else what does not fit.
fn skip<'a>(text: &'a [u8], prefix: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    let (mut text, mut prefix) = (text, prefix);
    while let Some((first, after)) = prefix.split_first() {
        if *first == b' ' {
            if text.first().is_some_and(|byte| *byte != b' ') {
                return Err(text);
            }
            (text, prefix) = (without_spaces(text), without_spaces(prefix));
            continue;
        }
        text = match text.split_first() {
            Some((byte, rest)) if byte == first => rest,
            _ => return Err(text),
        };
        prefix = after;
    }
    Ok(text)
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(spaces..).unwrap_or_default()
}

impl Fields {
    /// Reads an element; `layout` is what follows it in the layout.
    fn read<'a>(&mut self, element: Element, text: &'a [u8], layout: &[u8]) -> Rest<'a> {
        match element {
            Element::Year => {
                let (year, rest) = split(text, 2)?;
                let year = integer(year)?;
                self.year = year + if year >= 69 { 1900 } else { 2000 };
                Ok(rest)
            }
            Element::LongYear => {
                let (year, rest) = split(text, 4)?;
                if !is_digit(year, 0) {
                    return Err(Misfit::Bad);
                }
                self.year = integer(year)?;
                Ok(rest)
            }
            Element::Month => named(&MONTHS, Some(3), text, &mut self.month),
            Element::LongMonth => named(&MONTHS, None, text, &mut self.month),
            Element::NumMonth | Element::ZeroMonth => {
                let (month, rest) = two_digits(text, element == Element::ZeroMonth)?;
                self.month = Some(within(month, 1..=12, "month")?);
                Ok(rest)
            }
            Element::Weekday => named(&WEEKDAYS, Some(3), text, &mut None),
            Element::LongWeekday => named(&WEEKDAYS, None, text, &mut None),
            Element::Day | Element::UnderDay | Element::ZeroDay => {
                let text = if element == Element::UnderDay { text.strip_prefix(b" ").unwrap_or(text) } else { text };
                let (day, rest) = two_digits(text, element == Element::ZeroDay)?;
                self.day = Some(day);
                Ok(rest)
            }
            Element::UnderYearDay | Element::ZeroYearDay => self.read_year_day(element == Element::ZeroYearDay, text),
            Element::Hour => {
                let (hour, rest) = two_digits(text, false)?;
                self.hour = within(hour, 0..=23, "hour")?;
                Ok(rest)
            }
            Element::Hour12 | Element::ZeroHour12 => {
                let (hour, rest) = two_digits(text, element == Element::ZeroHour12)?;
                self.hour = within(hour, 0..=12, "hour")?;
                Ok(rest)
            }
            Element::Minute | Element::ZeroMinute => {
                let (minute, rest) = two_digits(text, element == Element::ZeroMinute)?;
                self.minute = within(minute, 0..=59, "minute")?;
                Ok(rest)
            }
            Element::Second | Element::ZeroSecond => self.read_second(element == Element::ZeroSecond, text, layout),
            Element::UpperHalf => self.read_half(text, [b"AM", b"PM"]),
            Element::LowerHalf => self.read_half(text, [b"am", b"pm"]),
            Element::ZoneName => self.read_zone_name(text),
            Element::Offset { z, shape } => match text.strip_prefix(b"Z") {
                Some(rest) if z => {
                    self.is_utc = true;
                    Ok(rest)
                }
                _ => self.read_offset(text, shape),
            },
            Element::Fraction { digits, trims: false, .. } => {
                if text.len() <= digits {
                    return Err(Misfit::Bad);
                }
                self.read_fraction(text, digits)
            }
            Element::Fraction { .. } => {
                // None is as good as zeros.
                if starts_fraction(text) { self.read_fraction(text, digits_after_first(text)) } else { Ok(text) }
            }
        }
    }

    fn read_year_day<'a>(&mut self, is_fixed: bool, text: &'a [u8]) -> Rest<'a> {
        let mut text = text;
        if !is_fixed {
            for _ in 0..2 {
                text = text.strip_prefix(b" ").unwrap_or(text);
            }
        }
        let digits = text.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || (is_fixed && digits != 3) {
            return Err(Misfit::Bad);
        }
        let (day, rest) = split(text, digits)?;
        self.year_day = Some(integer(day)?);
        Ok(rest)
    }

    fn read_second<'a>(&mut self, is_fixed: bool, text: &'a [u8], layout: &[u8]) -> Rest<'a> {
        let (second, rest) = two_digits(text, is_fixed)?;
        self.second = within(second, 0..=59, "second")?;
        // A fraction may follow that the layout says nothing of.
        let comes = matches!(first_chunk(layout).element, Some((Element::Fraction { .. }, _)));
        if starts_fraction(rest) && !comes { self.read_fraction(rest, digits_after_first(rest)) } else { Ok(rest) }
    }

    /// A separator and that many digits; those beyond the ninth are dropped.
    fn read_fraction<'a>(&mut self, text: &'a [u8], digits: usize) -> Rest<'a> {
        let (fraction, rest) = split(text, digits + 1)?;
        let Some((b'.' | b',', fraction)) = fraction.split_first() else { return Err(Misfit::Bad) };
        let shown = fraction.get(..9).unwrap_or(fraction);
        let value = integer(shown)?;
        if value < 0 {
            return Err(Misfit::Range("fractional second"));
        }
        self.nanosecond = value * 10_i64.pow(9_u32.saturating_sub(u32::try_from(shown.len()).unwrap_or(9)));
        Ok(rest)
    }

    fn read_half<'a>(&mut self, text: &'a [u8], [morning, afternoon]: [&[u8; 2]; 2]) -> Rest<'a> {
        let (half, rest) = split(text, 2)?;
        if half == afternoon {
            self.is_afternoon = true;
        } else if half == morning {
            self.is_morning = true;
        } else {
            return Err(Misfit::Bad);
        }
        Ok(rest)
    }

    fn read_zone_name<'a>(&mut self, text: &'a [u8]) -> Rest<'a> {
        if let Some(rest) = text.strip_prefix(b"UTC") {
            self.is_utc = true;
            return Ok(rest);
        }
        let length = zone_name(text).ok_or(Misfit::Bad)?;
        split(text, length).map(|(_, rest)| rest)
    }

    fn read_offset<'a>(&mut self, text: &'a [u8], shape: OffsetShape) -> Rest<'a> {
        let colon = |text: &'a [u8]| {
            if shape.has_colons() { text.strip_prefix(b":").ok_or(Misfit::Bad) } else { Ok(text) }
        };
        let (sign, rest) = split(text, 1)?;
        let (hours, mut rest) = split(rest, 2)?;
        let (mut minutes, mut seconds): (&[u8], &[u8]) = (b"00", b"00");
        if shape.has_minutes() {
            (minutes, rest) = split(colon(rest)?, 2)?;
        }
        if shape.has_seconds() {
            (seconds, rest) = split(colon(rest)?, 2)?;
        }
        let [hours, minutes, seconds] =
            [hours, minutes, seconds].map(|part| two_digits(part, true).map(|(part, _)| part));
        // Go reads on after a part that is no number, and then finds what is out of range first.
        if let Ok(hours) = hours {
            within(hours, 0..=24, "time zone offset hour")?;
        }
        let (hours, minutes, seconds) = (hours?, minutes?, seconds?);
        within(minutes, 0..=60, "time zone offset minute")?;
        within(seconds, 0..=60, "time zone offset second")?;
        let offset = (hours * 60 + minutes) * 60 + seconds;
        let offset = match sign {
            b"+" => offset,
            b"-" => -offset,
            _ => return Err(Misfit::Bad),
        };
        // In Go, -1 stands for none.
        self.offset = Some(offset).filter(|offset| *offset != -1);
        Ok(rest)
    }

    /// The instant, or what is wrong.
    fn instant(mut self) -> Result<Instant, &'static str> {
        if self.is_afternoon && self.hour < 12 {
            self.hour += 12;
        } else if self.is_morning && self.hour == 12 {
            self.hour = 0;
        }
        let (month, day) = match self.year_day {
            Some(year_day) => self.date_of(year_day)?,
            None => (self.month.unwrap_or(1), self.day.unwrap_or(1)),
        };
        if day < 1 || day > days_in(month, self.year) {
            return Err("day out of range");
        }
        let Self { year, hour, minute, second, nanosecond, .. } = self;
        let utc = Civil { year, month, day, hour, minute, second, nanosecond }.utc();
        let offset = self.offset.filter(|_| !self.is_utc).unwrap_or(0);
        Ok(utc.plus_seconds(-offset))
    }

    /// Month and day of a day of the year, which those that were read may not contradict.
    fn date_of(&self, year_day: i64) -> Result<(i64, i64), &'static str> {
        if year_day < 1 || year_day > 365 + i64::from(is_leap(self.year)) {
            return Err("day-of-year out of range");
        }
        let (mut month, mut day) = (1, year_day);
        while day > days_in(month, self.year) {
            day -= days_in(month, self.year);
            month += 1;
        }
        if self.month.is_some_and(|other| other != month) {
            return Err("day-of-year does not match month");
        }
        if self.day.is_some_and(|other| other != day) {
            return Err("day-of-year does not match day");
        }
        Ok((month, day))
    }
}

fn split(text: &[u8], length: usize) -> Result<(&[u8], &[u8]), Misfit> {
    text.split_at_checked(length).ok_or(Misfit::Bad)
}

fn is_digit(text: &[u8], index: usize) -> bool {
    text.get(index).is_some_and(u8::is_ascii_digit)
}

/// All of a text as an integer, with a sign or without.
fn integer(text: &[u8]) -> Result<i64, Misfit> {
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    if digits.is_empty() {
        return Ok(0);
    }
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Misfit::Bad)
}

/// One digit or two; exactly two where that is fixed.
fn two_digits(text: &[u8], is_fixed: bool) -> Result<(i64, &[u8]), Misfit> {
    let digits = match (is_digit(text, 0), is_digit(text, 1)) {
        (true, true) => 2,
        (true, false) if !is_fixed => 1,
        _ => return Err(Misfit::Bad),
    };
    let (digits, rest) = split(text, digits)?;
    Ok((integer(digits)?, rest))
}

fn within(value: i64, range: std::ops::RangeInclusive<i64>, what: &'static str) -> Result<i64, Misfit> {
    if range.contains(&value) { Ok(value) } else { Err(Misfit::Range(what)) }
}

/// Reads a name in any case, or its first letters; `index` becomes its place, counted from 1.
fn named<'a>(names: &[&str], letters: Option<usize>, text: &'a [u8], index: &mut Option<i64>) -> Rest<'a> {
    for (name, place) in names.iter().zip(1..) {
        let name = name.get(..letters.unwrap_or(name.len())).unwrap_or(name);
        if let Some((start, rest)) = text.split_at_checked(name.len())
            && start.eq_ignore_ascii_case(name.as_bytes())
        {
            *index = Some(place);
            return Ok(rest);
        }
    }
    Err(Misfit::Bad)
}

fn starts_fraction(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'.' | b',')) && is_digit(text, 1)
}

fn digits_after_first(text: &[u8]) -> usize {
    text.iter().skip(1).take_while(|byte| byte.is_ascii_digit()).count()
}

/// The length of what Go takes for the abbreviation of a time zone.
fn zone_name(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(rest) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_hours(rest).unwrap_or(0));
    }
    if text.len() < 3 {
        return None;
    }
    if matches!(text.first(), Some(b'+' | b'-')) {
        return signed_hours(text);
    }
    let capitals = text.iter().take(6).take_while(|byte| byte.is_ascii_uppercase()).count();
    match capitals {
        5 if text.get(4) == Some(&b'T') => Some(5),
        4 if text.get(3) == Some(&b'T') || text.starts_with(b"WITA") => Some(4),
        3 => Some(3),
        _ => None,
    }
}

/// The length of `+3`, `-12`: hours up to 23.
fn signed_hours(text: &[u8]) -> Option<usize> {
    let Some((b'+' | b'-', rest)) = text.split_first() else { return None };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let hours = integer(rest.get(..digits).filter(|digits| !digits.is_empty())?).ok()?;
    (hours <= 23).then_some(digits + 1)
}

/// A text as the errors of Go's `time` package quote it: what is not ASCII, byte by byte.
pub(super) fn quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => out.extend(['\\', char::from(*byte)]),
            0..0x20 | 0x80.. => out.push_str(&format!("\\x{byte:02x}")),
            _ => out.push(char::from(*byte)),
        }
    }
    out.push('"');
    out
}
