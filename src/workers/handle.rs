//! The handle by which the one who started a job gets its result.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::{JobId, lock};
use crate::tasks::{Board, TaskError};

enum Held<T> {
    Waiting,
    Here(Result<T, TaskError>),
    Taken,
    /// The handle was dropped.
    Unwanted,
}

/// Where a job leaves its result.
pub(super) struct ResultSlot<T> {
    held: Mutex<Held<T>>,
    arrived: Condvar,
    board: Arc<Board>,
}

impl<T> ResultSlot<T> {
    pub(super) fn new(board: Arc<Board>) -> Self {
        Self { held: Mutex::new(Held::Waiting), arrived: Condvar::new(), board }
    }

    /// Leaves the result and wakes who waits for it. If nobody will, the result goes, and the last live snapshot with it.
    pub(super) fn put(&self, result: Result<T, TaskError>) {
        let unwanted = {
            let mut held = lock(&self.held);
            if matches!(*held, Held::Unwanted) {
                Some(result)
            } else {
                *held = Held::Here(result);
                None
            }
        };
        if unwanted.is_some() {
            self.board.forget_latest();
        }
        self.arrived.notify_all();
    }

    /// The result, if it is here. From then on the last live snapshot is not kept any more: the result says more.
    fn take(&self, held: &mut Held<T>) -> Option<Result<T, TaskError>> {
        if !matches!(held, Held::Here(_)) {
            return None;
        }
        match std::mem::replace(held, Held::Taken) {
            Held::Here(result) => {
                self.board.forget_latest();
                Some(result)
            }
            Held::Waiting | Held::Taken | Held::Unwanted => None,
        }
    }

    /// The handle is gone.
    fn leave(&self) {
        let mut held = lock(&self.held);
        let waits = matches!(*held, Held::Waiting);
        let left = std::mem::replace(&mut *held, Held::Unwanted);
        drop(held);
        drop(left);
        if !waits {
            self.board.forget_latest();
        }
    }
}

/// Handle to a job's result. Dropping it leaves the job alone.
///
/// The board keeps the last live snapshot until the result is taken or the handle dropped, so that there is always something to show.
pub struct Job<T> {
    id: JobId,
    slot: Arc<ResultSlot<T>>,
}

impl<T> std::fmt::Debug for Job<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("id", &self.id).finish_non_exhaustive()
    }
}

impl<T> Job<T> {
    pub(super) fn new(id: JobId, slot: Arc<ResultSlot<T>>) -> Self {
        Self { id, slot }
    }

    /// Its number.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// What it reports.
    pub fn board(&self) -> &Arc<Board> {
        &self.slot.board
    }

    /// True once there is a result, taken or not.
    pub fn is_finished(&self) -> bool {
        !matches!(*lock(&self.slot.held), Held::Waiting)
    }

    /// The result, if it is there and was not taken before. Never waits.
    pub fn take(&self) -> Option<Result<T, TaskError>> {
        self.slot.take(&mut lock(&self.slot.held))
    }

    /// Waits at most `timeout` for the result; `None` if it is not there then (or was taken).
    pub fn wait_timeout(&self, timeout: Duration) -> Option<Result<T, TaskError>> {
        let held = lock(&self.slot.held);
        let waited = self.slot.arrived.wait_timeout_while(held, timeout, |h| matches!(h, Held::Waiting));
        let (mut held, _) = waited.unwrap_or_else(PoisonError::into_inner);
        self.slot.take(&mut held)
    }

    /// Waits for the result.
    ///
    /// # Errors
    /// The error of the job; [`TaskError::Failed`] if the result was taken before.
    pub fn wait(self) -> Result<T, TaskError> {
        let held = lock(&self.slot.held);
        let waited = self.slot.arrived.wait_while(held, |h| matches!(h, Held::Waiting));
        let mut held = waited.unwrap_or_else(PoisonError::into_inner);
        self.slot
            .take(&mut held)
            .unwrap_or_else(|| Err(TaskError::Failed("the result of this job was taken before".into())))
    }
}

impl<T> Drop for Job<T> {
    fn drop(&mut self) {
        self.slot.leave();
    }
}
