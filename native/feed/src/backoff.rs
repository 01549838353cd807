//! Waiting longer after each failure, and never in step with others.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(30);

/// The waits after failures in a row: doubled up to 30 s, each drawn from the upper half, so that a thousand feeds that
/// lost the same server do not come back together.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure; never shorter than the server asks for (up to five minutes, whatever it asks).
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let ceiling = FIRST.saturating_mul(1_u32.checked_shl(self.failures.min(20)).unwrap_or(u32::MAX)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let drawn = ceiling.mul_f64(0.5 + fastrand::f64() / 2.0);
        let asked = asked.unwrap_or_default().min(Duration::from_secs(300));
        if asked > drawn { asked + drawn } else { drawn }
    }

    /// The last attempt went well.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A time from `base` to a tenth more.
pub(crate) fn jittered(base: Duration) -> Duration {
    base.mul_f64(1.0 + fastrand::f64() / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_bounds_and_start_over() {
        let mut backoff = Backoff::default();
        let mut ceiling = FIRST;
        for _ in 0..40 {
            let wait = backoff.next(None);
            assert!(wait >= ceiling / 2 && wait <= ceiling, "{wait:?} of {ceiling:?}");
            ceiling = (ceiling * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }

    #[test]
    fn waits_differ() {
        let waits: std::collections::BTreeSet<_> = (0..50).map(|_| Backoff { failures: 9 }.next(None)).collect();
        assert!(waits.len() > 40);
    }

    #[test]
    fn the_server_may_ask_for_more_but_not_for_hours() {
        let asked = Duration::from_secs(60);
        assert!(Backoff::default().next(Some(asked)) >= asked);
        assert!(Backoff::default().next(Some(Duration::from_secs(86_400))) <= Duration::from_secs(301));
    }
}
