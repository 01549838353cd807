//! Between the threads of a run and whoever reads it: a bounded queue of encoded messages. A slow reader slows the run.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Messages that wait at most.
const MAX_MESSAGES: usize = 32;

/// Bytes that wait at most; one message more may be on top.
const MAX_BYTES: usize = 8 << 20;

/// Bytes of findings in a message: with as many it is handed over. gRPC's clients take four times that by default.
pub(super) const BATCH_BYTES: usize = 1 << 20;

/// The queue.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Nothing more comes.
    has_ended: bool,
    /// Nobody reads any more.
    is_closed: bool,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a message once there is room. Gives false where nobody reads any more.
    pub(super) fn push(&self, message: Vec<u8>) -> bool {
        let mut state = self.lock();
        while !state.is_closed && (state.messages.len() >= MAX_MESSAGES || state.bytes >= MAX_BYTES) {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return false;
        }
        state.bytes += message.len();
        state.messages.push_back(message);
        self.changed.notify_all();
        true
    }

    /// Says that nothing more comes.
    pub(super) fn end(&self) {
        self.lock().has_ended = true;
        self.changed.notify_all();
    }

    /// Says that nobody reads any more, and drops what waits.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State { is_closed: true, has_ended: true, ..State::default() };
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Takes all that waits; waits for the first message until `deadline`.
    pub(super) fn take(&self, deadline: Instant) -> Vec<Vec<u8>> {
        let mut state = self.lock();
        while state.messages.is_empty() && !state.has_ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.bytes = 0;
        let messages = std::mem::take(&mut state.messages);
        self.changed.notify_all();
        messages.into()
    }

    /// Whether everything was taken and nothing more comes.
    pub(super) fn is_finished(&self) -> bool {
        let state = self.lock();
        state.has_ended && state.messages.is_empty()
    }
}
