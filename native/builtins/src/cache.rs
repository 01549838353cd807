//! What is compiled from texts, kept across queries.

use std::collections::HashMap;

/// Most entries of one cache. When they are reached, the cache begins anew: what is in use comes back at once.
const MOST: usize = 128;

/// Values by the text that they were made from.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    made: HashMap<Box<str>, V>,
}

impl<V> Default for Cache<V> {
    fn default() -> Self {
        Self { made: HashMap::new() }
    }
}

impl<V: Clone> Cache<V> {
    /// The value of a text, made where it is not there yet.
    pub(crate) fn get(&mut self, text: &str, make: impl FnOnce() -> V) -> V {
        if let Some(value) = self.made.get(text) {
            return value.clone();
        }
        let value = make();
        self.put(text, value.clone());
        value
    }

    /// What `use_it` makes of the value of a text, which is made where it is not there yet.
    pub(crate) fn with<R>(&mut self, text: &str, make: impl FnOnce() -> V, use_it: impl FnOnce(&V) -> R) -> R {
        if let Some(value) = self.made.get(text) {
            return use_it(value);
        }
        let value = make();
        let result = use_it(&value);
        self.put(text, value);
        result
    }

    /// Keeps a value that was made elsewhere.
    pub(crate) fn put(&mut self, text: &str, value: V) {
        if self.made.len() >= MOST {
            self.made.clear();
        }
        self.made.insert(text.into(), value);
    }
}
