//! What policy languages and the engine share: resources, admission input, questions and answers, outcomes.
//!
//! A policy language compiles its documents into a [`CompiledPolicy`]. Evaluating one is pure and restartable: the
//! same [`Input`] and [`Answers`] give the same [`Evaluation`], and a policy that needs a fact from outside says so
//! by a [`Question`], is given the answer, and is evaluated again from the start.
//!
//! What is deliberately absent: I/O, clocks, randomness (all three are part of the input), and any knowledge of a
//! particular policy language.

mod diagnostic;
mod gvk;
mod input;
mod outcome;
mod policy;
mod question;
mod resource;
mod review;

pub use diagnostic::{Diagnostic, Place, Severity};
pub use gvk::Gvk;
pub use input::{Input, Numbers, Operation, User};
pub use outcome::{Evaluation, RuleKind, RuleOutcome, Status};
pub use policy::{CompiledPolicy, Evaluated, Phase, Run};
pub use question::{Answer, Answers, Question};
pub use resource::Resource;
pub use review::{Request, Review, ReviewError};
