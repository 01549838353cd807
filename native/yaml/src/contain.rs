//! Panics of a library that reads what strangers wrote.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

static QUIET: Once = Once::new();

/// What `work` gives, nothing where it panics. Such a panic is no defect of the process, and is not reported as one.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Option<T> {
    QUIET.call_once(|| {
        let report = take_hook();
        set_hook(Box::new(move |panic| {
            if !CONTAINED.get() {
                report(panic);
            }
        }));
    });
    let around = CONTAINED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(work)).ok();
    CONTAINED.set(around);
    outcome
}
