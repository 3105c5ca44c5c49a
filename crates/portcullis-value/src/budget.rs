//! What an evaluation may spend.

use std::fmt;

/// The limits of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Evaluation steps: nodes visited, list elements looked at, characters matched.
    pub steps: u64,
    /// Nesting of evaluations: expressions, patterns, variables inside variables.
    pub depth: u32,
    /// Bytes made by the evaluation.
    pub bytes: usize,
}

impl Limits {
    /// The standing limits: a million steps, depth 256, 16 MiB.
    pub const STANDING: Self = Self { steps: 1_000_000, depth: 256, bytes: 16 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::STANDING
    }
}

/// Which limit an evaluation ran into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exhausted {
    #[error("evaluation takes more steps than allowed")]
    Steps,
    #[error("evaluation is nested deeper than allowed")]
    Depth,
    #[error("evaluation makes more data than allowed")]
    Bytes,
    #[error("evaluation ran out of time")]
    Time,
}

/// How often the clock is asked: once in this many steps.
const TIME_CHECK: u64 = 1024;

/// What is left for one evaluation. The core has no clock: `expired` is the adapter's.
pub struct Budget<'t> {
    /// What is left beside `ready`.
    left: Limits,
    /// Steps that may be taken before the clock is asked: one count to keep for most steps.
    ready: u64,
    expired: &'t dyn Fn() -> bool,
}

impl<'t> Budget<'t> {
    /// A budget of `limits`; `expired` tells whether the time is over and is asked once in 1,024 steps.
    pub fn new(limits: Limits, expired: &'t dyn Fn() -> bool) -> Self {
        let ready = limits.steps.min(TIME_CHECK);
        Self { left: Limits { steps: limits.steps - ready, ..limits }, ready, expired }
    }

    /// Spends `count` steps.
    #[inline]
    pub fn steps(&mut self, count: u64) -> Result<(), Exhausted> {
        match self.ready.checked_sub(count) {
            Some(ready) => {
                self.ready = ready;
                Ok(())
            }
            None => self.make_ready(count),
        }
    }

    /// Spends `count` steps, which are more than are ready.
    #[cold]
    fn make_ready(&mut self, count: u64) -> Result<(), Exhausted> {
        let left = self.left().steps.checked_sub(count).ok_or(Exhausted::Steps)?;
        self.ready = left.min(TIME_CHECK);
        self.left.steps = left - self.ready;
        if (self.expired)() { Err(Exhausted::Time) } else { Ok(()) }
    }

    /// Spends one step.
    #[inline]
    pub fn step(&mut self) -> Result<(), Exhausted> {
        self.steps(1)
    }

    /// Spends `count` bytes.
    pub fn bytes(&mut self, count: usize) -> Result<(), Exhausted> {
        self.left.bytes = self.left.bytes.checked_sub(count).ok_or(Exhausted::Bytes)?;
        Ok(())
    }

    /// Goes one level deeper; every success is followed by one [`Budget::leave`].
    pub fn enter(&mut self) -> Result<(), Exhausted> {
        self.left.depth = self.left.depth.checked_sub(1).ok_or(Exhausted::Depth)?;
        Ok(())
    }

    /// Comes back up one level.
    pub fn leave(&mut self) {
        self.left.depth = self.left.depth.saturating_add(1);
    }

    /// Goes one level deeper for the time of `inner`.
    pub fn nested<T, E: From<Exhausted>>(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.enter()?;
        let result = inner(self);
        self.leave();
        result
    }

    /// What is left.
    pub fn left(&self) -> Limits {
        Limits { steps: self.left.steps.saturating_add(self.ready), ..self.left }
    }
}

impl Default for Budget<'static> {
    /// The standing limits, without a clock.
    fn default() -> Self {
        Self::new(Limits::default(), &|| false)
    }
}

impl fmt::Debug for Budget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("left", &self.left()).finish_non_exhaustive()
    }
}
