//! How a Job ended.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a finished Job ended: by the condition that says so, and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Condition `Complete`.
    Succeeded,
    /// Condition `Failed`.
    Failed,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Outcome::Succeeded => "succeeded",
            Outcome::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One thing for Jobs that succeeded, another for those that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByOutcome<T> {
    pub succeeded: T,
    pub failed: T,
}

impl<T> ByOutcome<T> {
    pub fn of(&self, outcome: Outcome) -> &T {
        match outcome {
            Outcome::Succeeded => &self.succeeded,
            Outcome::Failed => &self.failed,
        }
    }
}
