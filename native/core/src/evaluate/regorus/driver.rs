//! The driver of an engine that cross-checks.

use std::sync::Arc;

use fleetgate_eval::{InventoryReads, Locality};

use super::super::rego::RegoDriver;
use super::super::{Driver, Instance, Program};
use super::SecondProgram;
use crate::diagnostic::Diagnostic;
use crate::template::Template;

/// Compiles with the driver whose programs decide, and gives each a second program where that is possible.
#[derive(Debug, Clone, Copy, Default)]
pub struct CrossCheckedDriver(pub RegoDriver);

impl Driver for CrossCheckedDriver {
    fn compile(&self, template: &Template) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
        let first = self.0.compile(template)?;
        let second = SecondProgram::compile(template, first.referential(), self.0.lib_rewrite).ok().map(Arc::new);
        Ok(Arc::new(CrossCheckedProgram { first, second }))
    }
}

pub(super) struct CrossCheckedProgram {
    pub(super) first: Arc<dyn Program>,
    pub(super) second: Option<Arc<SecondProgram>>,
}

impl Program for CrossCheckedProgram {
    fn engine(&self) -> &'static str {
        self.first.engine()
    }

    fn referential(&self) -> bool {
        self.first.referential()
    }

    fn volatile(&self) -> bool {
        self.first.volatile()
    }

    fn looks_at(&self, part: &[&str]) -> bool {
        self.first.looks_at(part)
    }

    fn locality(&self) -> Locality {
        self.first.locality()
    }

    fn reads(&self) -> &Arc<InventoryReads> {
        self.first.reads()
    }

    fn instance(&self) -> Box<dyn Instance> {
        self.first.instance()
    }

    fn second(&self) -> Option<&Arc<SecondProgram>> {
        self.second.as_ref()
    }
}
