//! The memory of reviews, used again by those that come after.

use std::sync::{Mutex, PoisonError};

use portcullis_value::Arena;

/// An arena that has grown larger than this is not kept, in bytes.
const LARGEST_KEPT: usize = 1 << 20;

/// The arenas of reviews that are over. Shared by all threads: one that takes part in a busy moment alone keeps nothing of it.
#[derive(Debug)]
pub(crate) struct Arenas {
    kept: Mutex<Vec<Arena>>,
    /// How many are kept.
    most: usize,
}

impl Arenas {
    /// None yet, and never more than `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self { kept: Mutex::new(Vec::with_capacity(most)), most }
    }

    /// Runs `work` with an empty arena.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&Arena) -> T) -> T {
        let mut arena = self.kept().pop().unwrap_or_default();
        let result = work(&arena);
        if arena.allocated_bytes() <= LARGEST_KEPT {
            arena.reset();
            let mut kept = self.kept();
            if kept.len() < self.most {
                kept.push(arena);
            }
        }
        result
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Arena>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arenas_are_used_again_but_for_those_that_are_many_or_large() {
        let arenas = Arenas::new(1);
        let text = "x".repeat(1000);
        arenas.with(|outer| {
            assert_eq!(outer.str(&text), text);
            arenas.with(|inner| assert_eq!(inner.str(&text), text));
        });
        assert_eq!(arenas.kept().len(), 1);
        arenas.with(|arena| assert!(arena.allocated_bytes() >= 1000, "it is one that was used before"));
        let long = "x".repeat(LARGEST_KEPT + 1);
        arenas.with(|arena| assert_eq!(arena.str(&long), long));
        assert!(arenas.kept().is_empty());
    }
}
