//! Programs by their code: a template that many clusters have is compiled once and runs as one program.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use sha2::{Digest as _, Sha256};

use crate::diagnostic::Diagnostic;
use crate::evaluate::{Driver, Program};
use crate::template::Template;

/// The programs that are in use somewhere.
#[derive(Default)]
pub(super) struct Programs(Mutex<HashMap<Code, Weak<dyn Program>>>);

/// SHA-256 of everything that a program is made of.
type Code = [u8; 32];

/// A driver that compiles nothing twice.
#[derive(Clone, Copy)]
pub(super) struct Compiler<'a> {
    pub(super) driver: &'a dyn Driver,
    pub(super) programs: &'a Programs,
}

impl Compiler<'_> {
    /// The program of a template's code.
    ///
    /// # Errors
    /// The defects of the code.
    pub(super) fn compile(&self, template: &Template) -> Result<Arc<dyn Program>, Vec<Diagnostic>> {
        let code = code_of(template);
        let known = self.programs.lock().get(&code).and_then(Weak::upgrade);
        if let Some(program) = known {
            return Ok(program);
        }
        let program = self.driver.compile(template)?;
        self.programs.lock().insert(code, Arc::downgrade(&program));
        Ok(program)
    }
}

impl Programs {
    /// Forgets the programs that nobody has any more.
    pub(super) fn sweep(&self) {
        self.lock().retain(|_, program| program.strong_count() > 0);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Code, Weak<dyn Program>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn code_of(template: &Template) -> Code {
    let mut hasher = Sha256::new();
    let texts = std::iter::once(&template.module).chain(&template.libs).map(|source| &*source.text);
    let sees = if template.fleet.is_some() { "fleet" } else { "inventory" };
    for text in [&*template.kind, template.version.language(), sees].into_iter().chain(texts) {
        // The length keeps the end of one text from being the beginning of the next.
        hasher.update(text.len().to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}
