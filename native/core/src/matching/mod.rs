//! Which Constraints apply to a review: `spec.match`, as Gatekeeper 3.23 reads it.
//!
//! A match block is a conjunction of criteria. Each criterion is one function over the block, an object and what is known
//! of the object's surroundings; they run in Gatekeeper's order with an early exit, because the order is visible: a
//! criterion that says no hides the error of a later one. A review has up to two objects (`object`, `oldObject`); the
//! first that satisfies *all* criteria makes the Constraint match.
//!
//! A criterion that cannot be decided is an [`AutoReject`]: Gatekeeper then reports a violation with the Constraint's own
//! action rather than skip the Constraint.

mod criteria;
pub(crate) mod facts;
mod glob;
mod parse;
mod selector;
mod selector_text;
#[cfg(test)]
mod tests;

use std::fmt;

pub use facts::{Facts, Subject};
pub use glob::Glob;
pub use selector::{Labels, Selector};

/// A defect of a match block: the field is relative to `spec.match`, for instance `kinds[0].apiGroups`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Path below `spec.match`; empty for the block itself.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Why a Constraint could not be matched: the text after `unable to match constraints: `.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AutoReject(String);

impl fmt::Display for AutoReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unable to match constraints: {}", self.0)
    }
}

/// Where a reviewed object comes from, as far as the review says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Nobody said.
    Unspecified,
    /// Somebody wrote it.
    Original,
    /// A controller would make it (expansion).
    Generated,
}

/// `match.source`; absent means all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SourceCriterion {
    All,
    Only(Source),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Any,
    Cluster,
    Namespaced,
}

/// One entry of `match.kinds`: an empty list or `*` means any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KindSelector {
    groups: Vec<Box<str>>,
    kinds: Vec<Box<str>>,
}

impl KindSelector {
    /// The API groups, or none for any.
    pub fn groups(&self) -> Option<&[Box<str>]> {
        unless_any(&self.groups)
    }

    /// The kinds, or none for any.
    pub fn kinds(&self) -> Option<&[Box<str>]> {
        unless_any(&self.kinds)
    }

    /// Whether it selects a group and kind. The version never matters.
    pub fn selects(&self, group: &str, kind: &str) -> bool {
        let has = |list: Option<&[Box<str>]>, wanted| list.is_none_or(|list| list.iter().any(|e| &**e == wanted));
        has(self.kinds(), kind) && has(self.groups(), group)
    }
}

fn unless_any(list: &[Box<str>]) -> Option<&[Box<str>]> {
    (!list.is_empty() && !list.iter().any(|entry| &**entry == "*")).then_some(list)
}

/// A validated match block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matcher {
    kinds: Vec<KindSelector>,
    scope: Scope,
    namespaces: Vec<Glob>,
    excluded_namespaces: Vec<Glob>,
    label_selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    name: Option<Glob>,
    source: SourceCriterion,
}

impl Matcher {
    /// Reads and validates a `spec.match` block.
    ///
    /// # Errors
    /// Every defect of the block: unknown fields, wrong types, invalid globs, selectors and sources.
    pub fn parse(block: &serde_json::Value) -> Result<Self, Vec<FieldError>> {
        parse::matcher(block)
    }

    /// The selectors of `match.kinds`; none of them selects means no match, an empty list selects all.
    pub fn kinds(&self) -> &[KindSelector] {
        &self.kinds
    }

    /// Whether the labels of Namespaces count.
    pub fn selects_namespaces(&self) -> bool {
        self.namespace_selector.is_some()
    }

    /// Whether `match.kinds` admits a group and kind.
    pub fn selects_kind(&self, group: &str, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.iter().any(|selector| selector.selects(group, kind))
    }

    /// Whether the Constraint applies to a review's object or oldObject.
    ///
    /// # Errors
    /// [`AutoReject`] where a criterion cannot be decided, or the review has no object that can be read.
    pub fn matches(&self, subject: &Subject<'_>) -> Result<bool, AutoReject> {
        self.unmet(subject).map(|unmet| unmet.is_none())
    }

    /// The first criterion that does not hold; none where the Constraint applies. Of an object and an oldObject to which it
    /// does not apply, it is the object's.
    ///
    /// # Errors
    /// As [`Self::matches`].
    pub fn unmet<'a>(&self, subject: &'a Subject<'_>) -> Result<Option<Unmet<'a>>, AutoReject> {
        let mut unmet = None;
        for facts in subject.objects()?.into_iter().flatten() {
            match self.unmet_by(facts, subject)? {
                None => return Ok(None),
                Some(criterion) => unmet = unmet.or(Some(Unmet { criterion, facts, subject })),
            }
        }
        Ok(unmet)
    }

    fn unmet_by(
        &self,
        facts: &Facts<'_>,
        subject: &Subject<'_>,
    ) -> Result<Option<&'static criteria::Criterion>, AutoReject> {
        for criterion in &criteria::IN_ORDER {
            let admitted = (criterion.admits)(self, facts, subject).map_err(|error| {
                AutoReject(format!(
                    "error matching the requested object: {} :failed to run Match criteria: {error}",
                    facts.name
                ))
            })?;
            if !admitted {
                return Ok(Some(criterion));
            }
        }
        Ok(None)
    }
}

/// A criterion that does not hold, and of what.
#[derive(Debug, Clone, Copy)]
pub struct Unmet<'a> {
    criterion: &'static criteria::Criterion,
    facts: &'a Facts<'a>,
    subject: &'a Subject<'a>,
}

impl Unmet<'_> {
    /// Its field in the match block.
    pub const fn field(&self) -> &'static str {
        self.criterion.field
    }

    /// What it looked at, such as the object's labels or the name of its namespace.
    pub fn found(&self) -> serde_json::Value {
        (self.criterion.found)(self.facts, self.subject)
    }
}
