//! What the fuzzers feed: [`targets`], one function for each.

use std::{panic, process};

pub mod targets;

/// Lets a panic end the process, wherever the product would catch it; but not those that the YAML reader contains.
///
/// To be called before anything is read: the reader hides its panics from the hook that it finds.
pub fn abort_on_panic() {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panicked| {
        report(panicked);
        process::abort();
    }));
}
