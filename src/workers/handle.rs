//! The handle by which the one who started a job gets its result.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{JobId, lock};
use crate::tasks::{Board, TaskError};

enum Held<T> {
    Waiting,
    Here(Result<T, TaskError>),
    Taken,
}

/// Where a job leaves its result.
pub(super) struct ResultSlot<T> {
    held: Mutex<Held<T>>,
    arrived: Condvar,
}

impl<T> Default for ResultSlot<T> {
    fn default() -> Self {
        Self { held: Mutex::new(Held::Waiting), arrived: Condvar::new() }
    }
}

impl<T> ResultSlot<T> {
    /// Leaves the result and wakes who waits for it.
    pub(super) fn put(&self, result: Result<T, TaskError>) {
        *lock(&self.held) = Held::Here(result);
        self.arrived.notify_all();
    }

    fn take(held: &mut Held<T>) -> Option<Result<T, TaskError>> {
        if matches!(held, Held::Waiting) {
            return None;
        }
        match std::mem::replace(held, Held::Taken) {
            Held::Here(result) => Some(result),
            Held::Waiting | Held::Taken => None,
        }
    }
}

/// Handle to a job's result. Dropping it leaves the job alone.
pub struct Job<T> {
    id: JobId,
    board: Arc<Board>,
    slot: Arc<ResultSlot<T>>,
}

impl<T> std::fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<T> Job<T> {
    pub(super) fn new(id: JobId, board: Arc<Board>, slot: Arc<ResultSlot<T>>) -> Self {
        Self { id, board, slot }
    }

    /// Its number.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// What it reports.
    pub fn board(&self) -> &Arc<Board> {
        &self.board
    }

    /// True once there is a result, taken or not.
    pub fn is_finished(&self) -> bool {
        !matches!(*lock(&self.slot.held), Held::Waiting)
    }

    /// The result, if it is there and was not taken before. Never waits.
    pub fn take(&self) -> Option<Result<T, TaskError>> {
        ResultSlot::take(&mut lock(&self.slot.held))
    }

    /// Waits at most `timeout` for the result; `None` if it is not there then (or was taken).
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<T, TaskError>> {
        let held = lock(&self.slot.held);
        let waited = self.slot.arrived.wait_timeout_while(held, timeout, |h| matches!(h, Held::Waiting));
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        ResultSlot::take(&mut held)
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// The error of the job; [`TaskError::Failed`] if the result was taken before.
    pub fn wait(self) -> Result<T, TaskError> {
        let held = lock(&self.slot.held);
        let waited = self.slot.arrived.wait_while(held, |h| matches!(h, Held::Waiting));
        let mut held = waited.unwrap_or_else(PoisonError::into_inner);
        ResultSlot::take(&mut held)
            .unwrap_or_else(|| Err(TaskError::Failed("the result of this job was taken before".into())))
    }
}
