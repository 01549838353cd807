//! Two judgements of an object → what is said of it.

use super::counts::Counts;
use crate::audit::scope::Scope;
use crate::decide::Both;
use crate::wire::{self, audit_error};

/// What was found in some objects.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) message: wire::WhatIfFindings,
    pub(super) counts: Counts,
    pub(super) objects: u64,
}

/// What is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saying<'a> {
    /// The Constraints that are asked about.
    pub(super) scope: &'a Scope,
    pub(super) which: Which,
}

/// Which objects are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// Those of which something changes.
    Changed,
    /// Those with which something is wrong, too.
    Wrong,
    All,
}

impl Found {
    /// Adds an object with its judgements.
    pub(super) fn add(&mut self, object: wire::AuditedObject, judged: Both<wire::ReviewResponse>, saying: Saying<'_>) {
        self.objects += 1;
        let review_error = judged.after.review_error.clone().or_else(|| judged.before.review_error.clone());
        if let Some(error) = review_error {
            self.error(object, audit_error::Error::Review(error));
            return;
        }
        let Both { before, after } = judged.map(|response| Verdict::of(response, saying.scope));
        for error in after.errors {
            self.error(object.clone(), audit_error::Error::Constraint(error));
        }
        self.counts.add(&object, before.allowed, after.allowed);
        let is_changed = before.allowed != after.allowed || before.violations != after.violations;
        let is_wrong = !after.violations.is_empty() || !before.violations.is_empty();
        let is_said = match saying.which {
            Which::Changed => is_changed,
            Which::Wrong => is_changed || is_wrong,
            Which::All => true,
        };
        if is_said {
            self.message.findings.push(wire::WhatIfFinding {
                object: Some(object),
                allowed_before: before.allowed,
                allowed_after: after.allowed,
                gone: only_first(before.violations, &after.violations),
                violations: after.violations,
            });
        }
    }

    pub(super) fn error(&mut self, object: wire::AuditedObject, error: audit_error::Error) {
        self.message.errors.push(wire::AuditError { object: Some(object), error: Some(error) });
    }
}

/// What the chosen Constraints say.
struct Verdict {
    allowed: bool,
    violations: Vec<wire::Violation>,
    errors: Vec<wire::ConstraintError>,
}

impl Verdict {
    fn of(response: wire::ReviewResponse, scope: &Scope) -> Self {
        let mut violations = response.violations;
        violations.retain(|one| scope.has_constraint(&one.constraint_kind, &one.constraint_name));
        let mut errors = response.constraint_errors;
        errors.retain(|one| scope.has_constraint(&one.constraint_kind, &one.constraint_name));
        let denies = |action: &str, scoped: &[String]| action == DENY || scoped.iter().any(|action| action == DENY);
        let is_denied = violations.iter().any(|one| denies(&one.enforcement_action, &one.scoped_enforcement_actions))
            || errors.iter().any(|one| denies(&one.enforcement_action, &one.scoped_enforcement_actions));
        Self { allowed: !is_denied, violations, errors }
    }
}

const DENY: &str = "deny";

/// Those that are not among the others, each as often as it is more often there.
fn only_first(mut first: Vec<wire::Violation>, others: &[wire::Violation]) -> Vec<wire::Violation> {
    let mut others: Vec<&wire::Violation> = others.iter().collect();
    first.retain(|one| match others.iter().position(|other| *other == one) {
        Some(at) => {
            others.swap_remove(at);
            false
        }
        None => true,
    });
    first
}
