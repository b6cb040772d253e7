//! What the store holds in memory: its budget, the parts of it, and letting go.

use std::sync::atomic::Ordering;

use super::{Content, Inner, Store};

impl Store {
    /// Bytes that cached pixels and unpacked files may take together.
    pub fn budget(&self) -> u64 {
        self.budget.load(Ordering::Relaxed)
    }

    /// Changes the budget; what is above it is let go at once.
    pub fn set_budget(&self, bytes: u64) {
        self.budget.store(bytes, Ordering::Relaxed);
        let mut inner = self.lock();
        let room = bytes.saturating_sub(inner.unpacked_bytes());
        inner.shrink_to(room);
    }

    /// Lets go of every cached pixel; returns the bytes that this gave. Who holds an array keeps it.
    pub fn free(&self) -> u64 {
        let mut inner = self.lock();
        let before = inner.cached_bytes;
        inner.shrink_to(0);
        before
    }

    /// Bytes that the cache holds.
    pub fn cached_bytes(&self) -> u64 {
        self.lock().cached_bytes
    }

    /// Bytes of files that are held unpacked because they are compressed by gzip.
    pub fn unpacked_bytes(&self) -> u64 {
        self.lock().unpacked_bytes()
    }

    /// Bytes of results, which exist nowhere else.
    pub fn result_bytes(&self) -> u64 {
        let inner = self.lock();
        let results = inner.items.values().filter_map(|item| match &item.content {
            Content::Result(result) => Some((result.pixels.len() * size_of::<f32>()) as u64),
            Content::File(_) => None,
        });
        results.sum()
    }
}

impl Inner {
    /// Bytes of files that are held unpacked.
    pub(super) fn unpacked_bytes(&self) -> u64 {
        let files = self.items.values().map(|item| match &item.content {
            Content::File(file) => file.memory_bytes(),
            Content::Result(_) => 0,
        });
        files.sum()
    }

    /// Drops pixels, those unused for longest first, until the rest takes at most `bytes`.
    pub(super) fn shrink_to(&mut self, bytes: u64) {
        while self.cached_bytes > bytes {
            let Some((_, &oldest)) = self.by_use.first_key_value() else { break };
            self.drop_pixels(oldest);
        }
    }
}
