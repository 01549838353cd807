//! Time zones, from a database that is part of the program.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::civil::{Civil, Instant};

/// A time zone.
#[derive(Debug, Clone, Default)]
pub(super) enum Zone {
    #[default]
    Utc,
    Named(TimeZone),
}

impl Zone {
    /// Seconds before UTC and the abbreviation, such as `CEST`, at an instant.
    pub(super) fn at(&self, instant: Instant) -> (i64, String) {
        let (Self::Named(zone), Ok(at)) = (self, Timestamp::from_second(instant.seconds)) else {
            return (0, "UTC".to_owned());
        };
        let info = zone.to_offset_info(at);
        (info.offset().seconds().into(), info.abbreviation().to_owned())
    }

    /// The instant at which a calendar and a clock of the zone show this. Where they skip it or show it twice, Go's choice.
    pub(super) fn instant(&self, civil: Civil) -> Instant {
        let as_if_utc = civil.utc();
        let (guess, _) = self.at(as_if_utc);
        if guess == 0 {
            return as_if_utc;
        }
        let (offset, _) = self.at(as_if_utc.plus_seconds(-guess));
        as_if_utc.plus_seconds(-offset)
    }
}

/// Time zones that were asked for, by name. There are not many: others than those of the database are not kept.
#[derive(Debug)]
pub(super) struct Zones {
    database: TimeZoneDatabase,
    known: HashMap<String, Zone>,
}

impl Default for Zones {
    fn default() -> Self {
        Self { database: TimeZoneDatabase::bundled(), known: HashMap::new() }
    }
}

impl Zones {
    /// The zone of a name of the database, such as `Europe/Berlin`.
    ///
    /// # Errors
    /// Go's text where there is none.
    pub(super) fn get(&mut self, name: &str) -> Result<Zone, String> {
        // Where policies run, the local time is UTC.
        if matches!(name, "" | "UTC" | "Local") {
            return Ok(Zone::Utc);
        }
        if let Some(zone) = self.known.get(name) {
            return Ok(zone.clone());
        }
        if name.contains("..") || name.starts_with(['/', '\\']) {
            return Err("time: invalid location name".to_owned());
        }
        let zone = self.database.get(name).ok().filter(|zone| zone.iana_name() == Some(name));
        let zone = Zone::Named(zone.ok_or_else(|| format!("unknown time zone {name}"))?);
        self.known.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }
}
