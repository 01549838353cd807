//! The results of an object as they are kept: compressed, unit by unit, so that one unit's can be made anew.

use std::collections::BTreeMap;

use prost::Message as _;

use super::units::UnitName;
use crate::decide::Judgement;
use crate::inventory::Blob;
use crate::policy::{PolicySet, Scoped};
use crate::wire;

/// What is known of an object.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Results {
    #[prost(string, tag = "1")]
    pub(super) uid: String,
    #[prost(string, tag = "2")]
    pub(super) owner: String,
    /// In the order of the units; those of which no Constraint matches are left out.
    #[prost(message, repeated, tag = "3")]
    pub(super) units: Vec<UnitResult>,
    /// Why the object was not judged at all; empty where it was.
    #[prost(string, tag = "4")]
    pub(super) unread: String,
}

/// What one unit says of it.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct UnitResult {
    #[prost(bool, tag = "1")]
    of_cluster: bool,
    #[prost(string, tag = "2")]
    kind: String,
    /// Names of the Constraints that match.
    #[prost(string, repeated, tag = "3")]
    pub(super) matched: Vec<String>,
    #[prost(message, repeated, tag = "4")]
    pub(super) violations: Vec<wire::Violation>,
    #[prost(message, repeated, tag = "5")]
    pub(super) errors: Vec<wire::ConstraintError>,
    /// It fails the review as a whole.
    #[prost(message, optional, tag = "6")]
    pub(super) failure: Option<wire::ReviewError>,
}

impl UnitResult {
    pub(super) fn of(name: &UnitName, judgement: Judgement, sets: Scoped<&PolicySet>) -> Self {
        let Judgement { matched, findings } = judgement;
        let named = |(set, positions): (&PolicySet, Vec<usize>)| {
            let name = |position: usize| Some(set.constraints().get(position)?.constraint.name.to_string());
            positions.into_iter().filter_map(name).collect::<Vec<_>>()
        };
        Self {
            of_cluster: name.of_cluster,
            kind: name.kind.to_string(),
            matched: sets.zip(matched).map(named).iter().flatten().cloned().collect(),
            violations: findings.violations,
            errors: findings.constraint_errors,
            failure: findings.review_error,
        }
    }

    pub(super) fn is_of(&self, name: &UnitName) -> bool {
        self.of_cluster == name.of_cluster && *self.kind == *name.kind
    }

    pub(super) fn name(&self) -> UnitName {
        UnitName { of_cluster: self.of_cluster, kind: self.kind.as_str().into() }
    }

    /// Whether nothing was found and nothing went wrong.
    pub(super) fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.has_answer()
    }

    /// Whether every Constraint gave an answer.
    pub(super) fn has_answer(&self) -> bool {
        self.errors.is_empty() && self.failure.is_none()
    }
}

impl Results {
    pub(super) fn unpack(blob: &Blob) -> Self {
        // It was packed here; damaged memory reads as an object that was not judged, which counts as an error.
        let read = blob.bytes().and_then(|bytes| Self::decode(&*bytes).ok());
        read.unwrap_or_else(|| Self { unread: "its results cannot be read back".to_owned(), ..Self::default() })
    }

    /// Packed; none where there is nothing to keep.
    pub(super) fn pack(&self) -> Option<Blob> {
        if self.units.is_empty() && self.unread.is_empty() {
            return None;
        }
        Blob::new(&self.encode_to_vec())
    }

    pub(super) fn unit(&self, name: &UnitName) -> Option<&UnitResult> {
        self.units.iter().find(|result| result.is_of(name))
    }

    /// The failure of the review as a whole: that of the first unit that has one.
    pub(super) fn failure(&self) -> Option<wire::ReviewError> {
        if !self.unread.is_empty() {
            let (message, reason) = (self.unread.clone(), wire::ErrorReason::Evaluation.into());
            return Some(wire::ReviewError { code: 500, message, reason });
        }
        self.units.iter().find_map(|unit| unit.failure.clone())
    }

    /// Violations as an answer has them: a review that failed has none.
    pub(super) fn violations(&self) -> Vec<wire::Violation> {
        if self.failure().is_some() {
            return Vec::new();
        }
        let mut violations: Vec<_> = self.units.iter().flat_map(|unit| &unit.violations).cloned().collect();
        if self.units.last().is_some_and(|last| last.of_cluster) {
            violations.sort_by(|a, b| {
                (&a.constraint_kind, &a.constraint_name).cmp(&(&b.constraint_kind, &b.constraint_name))
            });
        }
        violations
    }

    /// Constraints that gave no answer.
    pub(super) fn errors(&self) -> Vec<wire::ConstraintError> {
        if self.failure().is_some() {
            return Vec::new();
        }
        self.units.iter().flat_map(|unit| &unit.errors).cloned().collect()
    }

    /// Adds what it counts for, or takes it away.
    pub(super) fn count(&self, counts: &mut Counts, sign: i64) {
        let has_failed = self.failure().is_some();
        counts.errors += if has_failed { sign } else { 0 };
        for unit in &self.units {
            for name in &unit.matched {
                counts.of(unit, name).matched += sign;
            }
            if has_failed {
                continue;
            }
            for violation in &unit.violations {
                counts.of(unit, &violation.constraint_name).violations += sign;
            }
            for error in &unit.errors {
                counts.errors += sign;
                counts.of(unit, &error.constraint_name).errors += sign;
            }
        }
    }
}

/// Counts of a cluster, or changes of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) errors: i64,
    pub(super) constraints: BTreeMap<(UnitName, String), Count>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) matched: i64,
    pub(super) violations: i64,
    pub(super) errors: i64,
}

impl Counts {
    fn of(&mut self, unit: &UnitResult, constraint: &str) -> &mut Count {
        self.constraints.entry((unit.name(), constraint.to_owned())).or_default()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.errors += other.errors;
        for (name, more) in &other.constraints {
            let count = self.constraints.entry(name.clone()).or_default();
            count.matched += more.matched;
            count.violations += more.violations;
            count.errors += more.errors;
            if *count == Count::default() {
                self.constraints.remove(name);
            }
        }
    }
}
