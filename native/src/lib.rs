//! The Python door of the decision core. PyO3 only: register, convert, detach, map errors.

mod allocator;
mod audit;
mod batch;
mod decision;
mod documents;
mod engine;
mod enter;
mod errors;
mod feed;
mod generation;
mod inventory;
mod lint;
mod policy;
mod rego;

use pyo3::prelude::*;

/// The native core of fleetgate.
#[pymodule]
mod _native {
    #[pymodule_export]
    use super::audit::{AuditRun, ContinuousAudit, ViolationListing};
    #[pymodule_export]
    use super::batch::BatchDecision;
    #[pymodule_export]
    use super::decision::Decision;
    #[pymodule_export]
    use super::documents::{Document, read_documents};
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::feed::{Agent, ClusterFeed, ClusterIdentity, Feeds, KindFeed, ObjectWatch};
    #[pymodule_export]
    use super::generation::Generation;
    #[pymodule_export]
    use super::inventory::{ClusterStatus, KindStatus};
    #[pymodule_export]
    use super::lint::{LintFinding, LintReport, LintRule, lint_files, lint_rules};
    #[pymodule_export]
    use super::policy::{ResourcesApplied, WatchPlan};
    #[pymodule_export]
    use super::rego::{RegoAnswers, evaluate_rego};

    /// SHA-256 over the sources that this was built from; the build script computes it.
    #[pymodule_export]
    const SOURCE_DIGEST: &str = env!("FLEETGATE_SOURCE_DIGEST");
    /// Version of regorus, the engine that cross-checks, as the lock file pins it.
    #[pymodule_export]
    const REGORUS_VERSION: &str = env!("FLEETGATE_REGORUS_VERSION");

    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        super::allocator::give_back_at_once();
        Ok(())
    }
}
