//! Conditions that are written into a module's text where regorus's VM would answer differently without them.
//!
//! They hold for every value, so they change nothing for an engine that means what OPA means. None spans a line: a place
//! in the edited text has the line of its place in the template.

use regorus::unstable::Module;

use super::{bindings, comprehensions};

/// A condition to write at an offset of the text.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) at: usize,
    /// None where the condition cannot be said: the VM then does not fit.
    pub(super) text: Option<String>,
}

/// What a module needs before the VM may run it.
pub(super) fn needed(module: &Module) -> Vec<Edit> {
    let mut edits = bindings::overlooked(module);
    edits.extend(comprehensions::endless(module));
    edits.sort_by_key(|edit| edit.at);
    edits
}

/// The text with its edits, which are sorted. None where one cannot be said.
pub(super) fn apply(text: &str, edits: &[Edit]) -> Option<String> {
    let mut edited = String::with_capacity(text.len() + edits.len() * 24);
    let mut done = 0;
    for edit in edits {
        edited.push_str(text.get(done..edit.at)?);
        edited.push_str(edit.text.as_ref()?);
        done = edit.at;
    }
    edited.push_str(text.get(done..)?);
    Some(edited)
}
