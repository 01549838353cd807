//! Instants, and dates and clocks of the Gregorian calendar, which is taken to go on without end.

const NANOS: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// Days of 400 years.
const ERA: i64 = 146_097;

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Names by [`Civil::weekday`].
pub(super) const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The name at an index; empty beyond.
pub(super) fn name(names: &[&'static str], index: i64) -> &'static str {
    usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or_default()
}

/// A point of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant {
    /// Seconds since 1970.
    pub(super) seconds: i64,
    /// Nanoseconds of the second.
    pub(super) nanosecond: i64,
}

impl Instant {
    pub(super) const fn of_nanos(nanos: i64) -> Self {
        Self { seconds: nanos.div_euclid(NANOS as i64), nanosecond: nanos.rem_euclid(NANOS as i64) }
    }

    /// Nanoseconds since 1970, where they fit.
    pub(super) fn nanos(self) -> Option<i64> {
        i64::try_from(i128::from(self.seconds) * NANOS + i128::from(self.nanosecond)).ok()
    }

    pub(super) const fn plus_seconds(self, seconds: i64) -> Self {
        Self { seconds: self.seconds.saturating_add(seconds), ..self }
    }
}

/// A date and a clock. Month and day count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanosecond: i64,
}

impl Civil {
    /// What calendar and clock show at an instant where they are `offset` seconds before UTC.
    pub(super) const fn of(instant: Instant, offset: i64) -> Self {
        let seconds = instant.seconds.saturating_add(offset);
        let (days, second) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        Self {
            year,
            month,
            day,
            hour: second / 3600,
            minute: second % 3600 / 60,
            second: second % 60,
            nanosecond: instant.nanosecond,
        }
    }

    /// The instant in UTC. Months and days may be any: the 32nd of January is the 1st of February.
    pub(super) const fn utc(self) -> Instant {
        let month = self.month.saturating_sub(1);
        let year = self.year.saturating_add(month.div_euclid(12));
        let days = days_before(year, month.rem_euclid(12) + 1).saturating_add(self.day.saturating_sub(1));
        let clock = self.hour * 3600 + self.minute * 60 + self.second;
        Instant { seconds: days.saturating_mul(DAY).saturating_add(clock), nanosecond: self.nanosecond }
    }

    /// Days since Sunday.
    pub(super) const fn weekday(self) -> i64 {
        // 1970 began on a Thursday.
        (self.utc().seconds.div_euclid(DAY) + 4).rem_euclid(7)
    }

    /// The day of the year, from 1.
    pub(super) const fn year_day(self) -> i64 {
        days_before(self.year, self.month) - days_before(self.year, 1) + self.day
    }
}

pub(super) const fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(super) const fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 => 28 + is_leap(year) as i64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970 to the first of a month. The year is counted from March, so that the leap day ends it.
const fn days_before(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year.saturating_sub(1) } else { year };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let days = (153 * ((month + 9) % 12) + 2) / 5;
    era.saturating_mul(ERA).saturating_add(year * 365 + year / 4 - year / 100 + days - 719_468)
}

/// Year, month and day by days since 1970.
const fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (day - day / 1460 + day / 36_524 - day / (ERA - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + (month <= 2) as i64, month, day - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_inverse() {
        let mut previous = date(-1_000_001);
        for days in -1_000_000..1_000_000 {
            let (year, month, day) = date(days);
            assert_eq!(days_before(year, month) + day - 1, days);
            let (last_year, last_month, last_day) = previous;
            let follows = if last_day < days_in(last_month, last_year) {
                (last_year, last_month, last_day + 1)
            } else {
                (last_year + last_month / 12, last_month % 12 + 1, 1)
            };
            assert_eq!((year, month, day), follows);
            previous = follows;
        }
        assert_eq!(date(0), (1970, 1, 1));
    }
}
