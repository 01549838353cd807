//! How far what is cached is known.

use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

use super::{Kind, Snapshot, State};
use crate::config::GroupVersionKind;

/// How far something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Whether it is followed.
    pub state: State,
    /// How long ago it was last known to be complete; none where it never was.
    pub age: Option<Duration>,
}

impl Extent {
    /// Complete at this moment.
    pub const NOW: Self = Self { state: State::Synced, age: Some(Duration::ZERO) };
    /// Never read.
    pub const UNKNOWN: Self = Self { state: State::Pending, age: None };

    /// Both together: as far as the one of which less is known.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let age = self.age.zip(other.age).map(|(one, other)| one.max(other));
        Self { state: self.state.max(other.state), age }
    }

    /// What is the less known, the greater it is.
    fn order(&self) -> (bool, Option<Duration>, State) {
        (self.age.is_none(), self.age, self.state)
    }

    /// Whether less is known than of another.
    #[must_use]
    pub fn is_less_than(&self, other: &Self) -> bool {
        self.order() > other.order()
    }
}

/// How far something is known, whenever that is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) state: State,
    since: Since,
}

/// Up to when something is known; what is the more known, the greater it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Since {
    Never,
    At(SystemTime),
    Always,
}

impl Known {
    pub(super) const ALWAYS: Self = Self { state: State::Synced, since: Since::Always };
    const NEVER: Self = Self { state: State::Pending, since: Since::Never };

    /// Both together: as far as the one of which less is known.
    pub(super) fn and(self, other: Self) -> Self {
        Self { state: self.state.max(other.state), since: self.since.min(other.since) }
    }

    /// How far that is at a moment.
    pub(super) fn extent(self, at: SystemTime) -> Extent {
        let age = match self.since {
            Since::Never => None,
            Since::At(since) => Some(at.duration_since(since).unwrap_or_default()),
            Since::Always => Some(Duration::ZERO),
        };
        Extent { state: self.state, age }
    }
}

impl Kind {
    fn known(&self) -> Known {
        Known { state: self.state(), since: self.watermark().observed_at.map_or(Since::Never, Since::At) }
    }

    /// How far it is known.
    #[must_use]
    pub fn extent(&self, at: SystemTime) -> Extent {
        self.known().extent(at)
    }
}

/// How far that one of some kinds is known of which most is. Of objects that were handed over as a whole, those that are not
/// there are known to be none.
pub(super) fn best<'a>(kinds: impl Iterator<Item = &'a Kind>, is_given: bool) -> Known {
    let known = kinds.map(Kind::known).min_by_key(|known| (Reverse(known.since), known.state));
    known.unwrap_or(if is_given { Known::ALWAYS } else { Known::NEVER })
}

impl Snapshot {
    /// How far one of some kinds is known, each of which does for the others: that of which most is known. It counts what
    /// `shows` admits.
    pub fn extent_of<'a>(
        &self,
        alternatives: impl IntoIterator<Item = &'a GroupVersionKind>,
        at: SystemTime,
        shows: impl Fn(&Kind) -> bool,
    ) -> Extent {
        let known = alternatives.into_iter().filter_map(|kind| self.kind(kind)).filter(|known| shows(known));
        best(known, self.is_given()).extent(at)
    }

    /// Whether its objects were handed over as a whole, by somebody who has no cluster to follow.
    #[must_use]
    pub fn is_given(&self) -> bool {
        self.kinds().any(Kind::is_given)
    }
}
