//! What-if: what would change if other policies were published, or whether objects would be admitted, before anything is.
//!
//! Existing objects are judged as a run judges them, by the published policies and by the proposed ones ([`compare`]). Objects
//! that somebody would write are reviewed as admission would review them ([`written`]). What is said of an object is whether
//! it is allowed before and after, and by which violations; the rest is counted ([`counts`]).

mod compare;
mod counts;
mod run;
mod written;

use std::sync::Arc;

use prost::Message as _;

use super::AuditRun;
use super::plan::Plan;
use super::scope::Scope;
use crate::decide::{CallError, Caller, Engine};
use crate::diagnostic::Diagnostic;
use crate::wire;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhatIfError {
    /// The call itself failed.
    Call(CallError),
    /// The proposed policies are refused: every defect, sorted by place.
    Policy(Vec<Diagnostic>),
}

impl From<CallError> for WhatIfError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Starts what an encoded `fleetgate.v1.WhatIfRequest` asks for; its messages are encoded `WhatIfResponse`s.
///
/// # Errors
/// [`WhatIfError`]
pub fn start(engine: &Arc<Engine>, request: &[u8], caller: &Caller<'_>) -> Result<AuditRun, WhatIfError> {
    let request = wire::WhatIfRequest::decode(request).map_err(|error| CallError::undecodable(&error))?;
    caller.check_deadline()?;
    let proposes = !request.files.is_empty() || !request.bundle.is_empty();
    if !proposes && request.objects.is_empty() {
        return Err(CallError::invalid("files", "policies, objects or both are expected").into());
    }
    let scope = Scope::of(request.scope);
    let after = proposes
        .then(|| {
            let files: Vec<(&str, &[u8])> = request.files.iter().map(|file| (&*file.path, &*file.content)).collect();
            engine.policies.propose(&request.bundle, &files)
        })
        .transpose()
        .map_err(WhatIfError::Policy)?;
    let plan = Plan::new(engine, &scope, caller.cluster, after.as_deref())?;
    let work = run::Question { scope, after, objects: request.objects, unchanged: request.unchanged };
    run::start(engine, plan, work, caller).map_err(WhatIfError::Call)
}
