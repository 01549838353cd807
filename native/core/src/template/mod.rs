//! ConstraintTemplates and Constraints: what the documents say, checked as Gatekeeper checks them.
//!
//! A ConstraintTemplate defines a kind of Constraint: the Rego that decides and the schema of its parameters. A
//! Constraint of that kind chooses objects (`spec.match`), parameters and what to do about a violation. Nothing here
//! compiles Rego: that is the driver's work.

mod actions;
mod admit;
mod annotations;
mod constraint_schema;
pub(crate) mod fields;
mod names;
mod operations;
mod read_constraint;
mod read_template;
pub(crate) mod schema;
mod sync_requirements;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use crate::yaml::SourceText;
pub use actions::EnforcementActions;
pub use annotations::{Freshness, OnStale, Reach};
pub use operations::Operations;
pub use sync_requirements::{EquivalenceSet, SyncRequirements};

pub(crate) use admit::{Refusal, admit_constraint, admit_template};
pub(crate) use constraint_schema::ConstraintSchema;
pub(crate) use names::{did_you_mean, subdomain_defect};
pub(crate) use read_constraint::read_constraint;
pub(crate) use read_template::read_template;

use crate::config::GroupVersionKind;
use crate::diagnostic::Location;
use crate::matching::Matcher;

/// The Rego dialect of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegoVersion {
    /// Before OPA 1.0: bodies without `if`, partial sets without `contains`.
    V0,
    /// OPA 1.0's.
    V1,
}

impl RegoVersion {
    /// `rego/v0` or `rego/v1`.
    #[must_use]
    pub fn language(self) -> &'static str {
        match self {
            Self::V0 => "rego/v0",
            Self::V1 => "rego/v1",
        }
    }
}

/// A ConstraintTemplate that passed every check but its compiler's.
#[derive(Clone, Debug)]
pub struct Template {
    /// Kind of its Constraints, as `spec.crd.spec.names.kind` spells it.
    pub kind: Arc<str>,
    /// The dialect of `module` and `libs`.
    pub version: RegoVersion,
    /// The entry module, as written.
    pub module: SourceText,
    /// Library modules, as written, in the template's order.
    pub libs: Vec<SourceText>,
    /// Operations that it is evaluated for at `validation.gatekeeper.sh`.
    pub operations: Operations,
    /// The kinds that it looks for in the inventory, or why its annotation that says so cannot be read.
    pub sync_requirements: Result<SyncRequirements, String>,
    /// For a fleet template, which sees other clusters of its cluster set: the kinds that it sees of them. None for any other.
    pub fleet: Option<Arc<BTreeSet<GroupVersionKind>>>,
    /// What its Constraints may look like.
    pub(crate) schema: Arc<ConstraintSchema>,
    /// The whole document.
    pub document: serde_json::Value,
    /// Where the document begins.
    pub origin: Location,
    /// Name of its bundle.
    pub bundle: Arc<str>,
}

/// A Constraint that its template's schema accepts.
#[derive(Clone, Debug)]
pub struct Constraint {
    /// Kind, as its template defines it.
    pub kind: Arc<str>,
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `spec.parameters` with the schema's defaults; `{}` when absent.
    pub parameters: serde_json::Value,
    /// `None` where there is no `spec.match` at all: such a Constraint matches without the object being looked at.
    pub matcher: Option<Matcher>,
    /// What to do about a violation, by enforcement point.
    pub actions: EnforcementActions,
    /// Where it applies, and how old what it reads may be.
    pub reach: Reach,
    /// The whole document, with defaults: what `fleetgate test -o json` shows of it.
    pub document: serde_json::Value,
    /// Where the document begins.
    pub origin: Location,
    /// Name of its bundle.
    pub bundle: Arc<str>,
}

/// A field below another one; the inner path may be empty or begin with an index.
fn schema_path(outer: &str, inner: &str) -> String {
    match inner.chars().next() {
        None => outer.to_owned(),
        Some('[') => format!("{outer}{inner}"),
        Some(_) => format!("{outer}.{inner}"),
    }
}
