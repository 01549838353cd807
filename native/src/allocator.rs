//! Where memory comes from.

use libmimalloc_sys::{mi_option_set, mi_option_t};
use mimalloc::MiMalloc;

/// `mi_option_purge_delay` of `mimalloc.h`, in milliseconds; the bindings do not name it.
const PURGE_DELAY: mi_option_t = 15;

/// Many threads make and drop small values, and seldom where they were made: views for Rego are put together by the thread
/// of a review and dropped by the thread of the feed that has a newer one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Makes pages that are free go back to the system at once, and not when something is allocated a second later: after a
/// burst of large messages the process is as small as before.
pub(crate) fn give_back_at_once() {
    #[allow(unsafe_code, reason = "sets a number; the library may be asked at any time")]
    unsafe {
        mi_option_set(PURGE_DELAY, 0);
    }
}
