//! Times in nanoseconds since 1970.

mod civil;
mod duration;
mod format;
mod layout;
mod parse;
mod zone;

use fleetgate_value::{Kind, Number, Value};

use self::civil::{Civil, Instant};
use self::zone::{Zone, Zones};
use crate::integer::{as_machine, machine};
use crate::operand::{any, mismatch, string};
use crate::{Answer, Context, Error, Table};

pub(crate) const TABLE: Table = &[
    ("time.add_date", add_date),
    ("time.clock", clock),
    ("time.date", date),
    ("time.diff", diff),
    ("time.format", format_time),
    ("time.now_ns", now),
    ("time.parse_duration_ns", parse_duration),
    ("time.parse_ns", parse_time),
    ("time.parse_rfc3339_ns", parse_rfc3339),
    ("time.weekday", weekday),
];

const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// Layouts that can be called by their name in Go.
const NAMED_LAYOUTS: &[(&str, &str)] = &[
    ("ANSIC", "Mon Jan _2 15:04:05 2006"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("RFC3339", RFC3339),
    ("RFC3339Nano", RFC3339_NANO),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006"),
    ("UnixDate", "Mon Jan _2 15:04:05 MST 2006"),
];

/// The layout of a name, or the layout itself.
fn layout(name: &str) -> &str {
    NAMED_LAYOUTS.iter().find(|(other, _)| *other == name).map_or(name, |(_, layout)| layout)
}

fn now(context: &mut Context, _: &[Value]) -> Answer {
    Ok(context.now_nanos.into())
}

fn parse_time(_: &mut Context, operands: &[Value]) -> Answer {
    let layout = layout(string(operands, 1)?);
    nanos(parse::parse(layout.as_bytes(), string(operands, 2)?.as_bytes()).map_err(Error::Builtin)?)
}

fn parse_rfc3339(_: &mut Context, operands: &[Value]) -> Answer {
    nanos(parse::parse(RFC3339.as_bytes(), string(operands, 1)?.as_bytes()).map_err(Error::Builtin)?)
}

fn parse_duration(_: &mut Context, operands: &[Value]) -> Answer {
    duration::parse_extended(string(operands, 1)?).map(Value::from).map_err(Error::Builtin)
}

fn nanos(instant: Instant) -> Answer {
    let nanos = instant.nanos().ok_or_else(|| Error::Builtin("time outside of valid range".to_owned()))?;
    Ok(nanos.into())
}

/// A time in a time zone.
struct Zoned {
    instant: Instant,
    zone: Zone,
    /// Empty where none is given.
    layout: String,
}

impl Zoned {
    /// The operand at `position`: nanoseconds, or an array of them, a time zone's name and a layout. In errors OPA calls any
    /// such operand the first.
    fn operand(context: &mut Context, operands: &[Value], position: usize) -> Result<Self, Error> {
        let operand = any(operands, position);
        let parts = match operand {
            Value::Number(_) => std::slice::from_ref(operand),
            Value::Array(items) if !items.is_empty() => items,
            other => {
                let wanted = "either number (ns) or [number (ns), string (tz)]";
                return Err(Error::Type(format!("operand 1 must be {wanted} but got {}", other.kind().name())));
            }
        };
        let part = |index: usize| parts.get(index);
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or_else(|| mismatch(1, value, &[Kind::String]));
        let time = any(parts, 1);
        let time = time.as_number().ok_or_else(|| mismatch(1, time, &[Kind::Number]))?;
        let zone = part(1).map(text).transpose()?.unwrap_or_default();
        let zone = context.cache::<Zones>().get(&zone).map_err(Error::Builtin)?;
        let layout = part(2).map(text).transpose()?.unwrap_or_default();
        let nanos = exact(time).ok_or_else(|| Error::Builtin("timestamp too big".to_owned()))?;
        Ok(Self { instant: Instant::of_nanos(nanos), zone, layout })
    }

    fn civil(&self) -> Civil {
        let (offset, _) = self.zone.at(self.instant);
        Civil::of(self.instant, offset)
    }
}

/// A number that is a machine integer, however it is written.
fn exact(number: &Number) -> Option<i64> {
    as_machine(number).or_else(|| {
        let float = number.to_float();
        float.is_integer().then(|| i64::try_from(float.truncate()).ok()).flatten()
    })
}

fn format_time(context: &mut Context, operands: &[Value]) -> Answer {
    let time = Zoned::operand(context, operands, 1)?;
    let layout = if time.layout.is_empty() { RFC3339_NANO } else { layout(&time.layout) };
    let (offset, name) = time.zone.at(time.instant);
    let text = format::format(layout.as_bytes(), Civil::of(time.instant, offset), offset, &name);
    Ok(text.into())
}

fn date(context: &mut Context, operands: &[Value]) -> Answer {
    let civil = Zoned::operand(context, operands, 1)?.civil();
    Ok(Value::array(vec![civil.year.into(), civil.month.into(), civil.day.into()]))
}

fn clock(context: &mut Context, operands: &[Value]) -> Answer {
    let civil = Zoned::operand(context, operands, 1)?.civil();
    Ok(Value::array(vec![civil.hour.into(), civil.minute.into(), civil.second.into()]))
}

fn weekday(context: &mut Context, operands: &[Value]) -> Answer {
    let civil = Zoned::operand(context, operands, 1)?.civil();
    Ok(civil::name(&civil::WEEKDAYS, civil.weekday()).into())
}

/// Adds years, months and days to the date in its time zone; what is no date goes on into the next month.
fn add_date(context: &mut Context, operands: &[Value]) -> Answer {
    let time = Zoned::operand(context, operands, 1)?;
    let (years, months, days) = (machine(operands, 2)?, machine(operands, 3)?, machine(operands, 4)?);
    let civil = time.civil();
    let civil = Civil {
        year: civil.year.saturating_add(years),
        month: civil.month.saturating_add(months),
        day: civil.day.saturating_add(days),
        ..civil
    };
    nanos(time.zone.instant(civil))
}

/// Years, months, days, hours, minutes and seconds between two times, in the time zone of the first.
fn diff(context: &mut Context, operands: &[Value]) -> Answer {
    let first = Zoned::operand(context, operands, 1)?;
    let second = Zoned { zone: first.zone.clone(), ..Zoned::operand(context, operands, 2)? };
    let (from, to) = if first.instant > second.instant { (second, first) } else { (first, second) };
    let (from, to) = (from.civil(), to.civil());
    let [years, months, days] = [to.year - from.year, to.month - from.month, to.day - from.day];
    let [hours, minutes, seconds] = [to.hour - from.hour, to.minute - from.minute, to.second - from.second];
    // From the smallest on, what is negative takes one of the next larger.
    let (seconds, minutes) = borrow(seconds, minutes, 60);
    let (minutes, hours) = borrow(minutes, hours, 60);
    let (hours, days) = borrow(hours, days, 24);
    let (days, months) = borrow(days, months, civil::days_in(from.month, from.year));
    let (months, years) = borrow(months, years, 12);
    Ok(Value::Array([years, months, days, hours, minutes, seconds].into_iter().map(Value::from).collect()))
}

const fn borrow(part: i64, larger: i64, whole: i64) -> (i64, i64) {
    if part < 0 { (part + whole, larger - 1) } else { (part, larger) }
}
