//! What would be refused in policy files, and what is suspicious: accepted, and hardly what its author meant.
//!
//! Refusals are those of the loader itself ([`refusal`]). Suspicions come from [`rules`]: one file each, with a code that
//! never changes its meaning. They read the documents and the syntax of their Rego, and evaluate nothing. A rule that
//! cannot tell stays silent: a finding must be one that the policy's author would accept.
//!
//! A comment `# fleetgate:ignore FG101` silences a finding on its line (or, alone on a line, on the next one), the
//! annotation `fleetgate.dev/lint-ignore: FG101,FG104` silences it in a document. What is refused cannot be silenced.

mod access;
mod finding;
mod inventory;
mod kinds;
mod parameters;
mod policies;
mod refusal;
mod rules;
mod sprintf;
mod suppress;
mod walk;

pub use finding::{About, Finding, Severity};

use crate::diagnostic::Location;
use crate::evaluate::Driver;
use crate::yaml;
use finding::Findings;
use policies::Policies;

/// What the files gave.
#[derive(Debug)]
pub struct Report {
    /// Sorted by place, then code.
    pub findings: Vec<Finding>,
    /// ConstraintTemplates that were looked at.
    pub templates: usize,
    /// Constraints that were looked at.
    pub constraints: usize,
    /// Documents that are no policies and were passed over.
    pub others: usize,
}

/// Every code, sorted: refusals, then suspicions.
#[must_use]
pub fn catalogue() -> Vec<&'static About> {
    let mut all: Vec<&About> = refusal::ALL.iter().map(|(_, about)| about).collect();
    all.extend(rules::ALL.iter().map(|rule| &rule.about));
    all.push(&suppress::WITHOUT_EFFECT);
    all.sort_by_key(|about| about.code);
    all
}

/// Looks at files of (path, content) as if they were one bundle. `driver` says which Rego would be refused.
#[must_use]
pub fn lint(files: &[(&str, &[u8])], driver: &dyn Driver) -> Report {
    let mut documents = Vec::new();
    let mut refused = Vec::new();
    for (path, content) in files {
        let reading = yaml::read(path, content);
        documents.extend(reading.documents);
        refused.extend(reading.diagnostics);
    }
    let policies = Policies::new(documents);
    refused.extend(crate::policy::defects(policies.loadable(), driver));
    let mut findings: Vec<Finding> = refused.iter().map(refusal::finding).collect();
    let places: Vec<Location> = findings.iter().map(|finding| finding.location.clone()).collect();
    let mut suspicions = suspicions(&policies);
    // What is refused at a place is not suspicious there too.
    suspicions.retain(|finding| !places.contains(&finding.location));
    findings.extend(suppress::apply(files, &policies, suspicions));
    findings.sort_by(Finding::report_order);
    findings.dedup();
    Report {
        findings,
        templates: policies.templates.len(),
        constraints: policies.constraints.len(),
        others: policies.others,
    }
}

fn suspicions(policies: &Policies) -> Vec<Finding> {
    let mut all = Vec::new();
    for rule in rules::ALL {
        let mut findings = Findings::new(&rule.about);
        (rule.check)(policies, &mut findings);
        all.extend(findings.into_inner());
    }
    all
}

#[cfg(test)]
mod tests;
