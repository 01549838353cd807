//! Threads that let decisions go first.

/// Niceness of threads that make views of the cache: these may be some milliseconds older, and nobody waits for them.
pub const FEED: u8 = 5;

/// Niceness of threads that audit: nineteen is the lowest priority that there is.
pub const AUDIT: u8 = 15;

/// Makes the calling thread let others go first: it has a lower share of the CPU, and does not take it from somebody who
/// runs when it wakes up (`SCHED_BATCH`). Where the system refuses that, or knows no such thing, all threads are equal.
pub fn give_way(niceness: u8) {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{NormalThreadSchedulePolicy, set_thread_priority_and_policy, thread_native_id};
        use thread_priority::{ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy};

        // The library's scale is 99 (a niceness of -20) to 0 (19).
        let value = u16::from(LOWEST - niceness.min(LOWEST)) * 99 / 39;
        let priority = u8::try_from(value).ok().and_then(|value| ThreadPriorityValue::try_from(value).ok());
        let policy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch);
        let set = |value| {
            set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Crossplatform(value), policy).ok()
        };
        if priority.and_then(set).is_none() {
            // Of a thread, on Linux. Who may not choose how it is scheduled may still ask for less.
            let _ = rustix::process::setpriority_process(None, niceness.into());
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = niceness;
}

/// Lets a decision run that waits for this CPU; for in between two pieces of work that take well under a millisecond each.
///
/// Whoever wakes up does not interrupt who runs before that one's slice is over, whatever their priorities: up to three
/// milliseconds on Linux. A decision wakes up several times on its way through the service.
pub fn let_pass() {
    std::thread::yield_now();
}

#[cfg(target_os = "linux")]
const LOWEST: u8 = 19;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use thread_priority::unix::{NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy};

    use super::*;

    #[test]
    fn the_niceness_is_the_one_that_was_asked_for() {
        for niceness in [1, FEED, AUDIT, 18, 19, 200] {
            let thread = std::thread::spawn(move || {
                let before = rustix::process::getpriority_process(None).unwrap();
                give_way(niceness);
                (thread_schedule_policy().unwrap(), before, rustix::process::getpriority_process(None).unwrap())
            });
            let (policy, before, reached) = thread.join().unwrap();
            assert_eq!(policy, ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Batch));
            // Nobody gets a higher priority than the process was started with.
            let wanted = i32::from(niceness.min(19));
            assert!(reached == wanted || (before > wanted && reached == before), "{before} {wanted} {reached}");
        }
    }
}
