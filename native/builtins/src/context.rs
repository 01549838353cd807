//! What built-ins know besides their operands.

use std::any::{Any, TypeId};
use std::collections::HashMap;

/// Bytes that one result may take.
const MAX_RESULT_BYTES: usize = 16 << 20;

/// The surroundings of a query: fixed while it runs, so that a built-in that is called twice answers the same twice.
///
/// A context belongs to one evaluation context and lives longer than a query: compiled patterns stay.
#[derive(Debug, Default)]
pub struct Context {
    /// The time, in nanoseconds since 1970; `time.now_ns` answers with it.
    pub now_nanos: i64,
    /// Calculate as OPA before 1.18 did, Gatekeeper's 1.17.1 included: integers beyond 64 bits lose digits.
    pub rounded_integers: bool,
    /// What is still as Gatekeeper's storage has it, where that makes a difference.
    pub stored: Option<Box<crate::Stored>>,
    /// Lines that `print` wrote; gathered where it is `Some`, dropped otherwise.
    pub prints: Option<Vec<String>>,
    /// YAML is read as OPA reads it from 1.22 on, where `yes` is a text and what follows the first document must be YAML too;
    /// otherwise as Gatekeeper's OPA reads it.
    pub yaml_core_schema: bool,
    /// What stays the same within one query (`uuid.rfc4122(k)`, `rand.intn(s, n)`); cleared when a query starts.
    memo: HashMap<String, fleetgate_value::Value>,
    /// Caches that outlive queries, by their type.
    caches: HashMap<TypeId, Box<dyn Any + Send>>,
}

impl Context {
    /// Makes ready for a query that starts now.
    pub fn start(&mut self, now_nanos: i64) {
        self.now_nanos = now_nanos;
        self.memo.clear();
        if let Some(prints) = &mut self.prints {
            prints.clear();
        }
    }

    /// A value that is made once in a query.
    ///
    /// # Errors
    /// What making it answers.
    pub(crate) fn once(&mut self, key: &str, make: impl FnOnce() -> crate::Answer) -> crate::Answer {
        if let Some(value) = self.memo.get(key) {
            return Ok(value.clone());
        }
        let value = make()?;
        self.memo.insert(key.to_owned(), value.clone());
        Ok(value)
    }

    /// The cache of a type, made when it is first asked for. A cache bounds itself.
    pub(crate) fn cache<T: Any + Send + Default>(&mut self) -> &mut T {
        let slot = self.caches.entry(TypeId::of::<T>()).or_insert_with(|| Box::<T>::default());
        if !slot.is::<T>() {
            *slot = Box::<T>::default();
        }
        slot.downcast_mut().unwrap_or_else(|| unreachable!("the slot was just made of this type"))
    }

    /// Checks the size of a result before it is built.
    ///
    /// # Errors
    /// [`crate::Error::Size`] where `bytes` are more than a result may take.
    pub(crate) const fn fits(&self, bytes: usize) -> Result<(), crate::Error> {
        if bytes > MAX_RESULT_BYTES { Err(crate::Error::Size) } else { Ok(()) }
    }
}
