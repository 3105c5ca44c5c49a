//! What policy languages and the engine share: resources, admission input, questions and answers, outcomes.
//!
//! A policy language compiles its documents into a [`CompiledPolicy`]. Evaluating one is pure and restartable: the
//! same [`Input`] and [`Answers`] give the same [`Evaluation`], and a policy that needs a fact from outside says so
//! by a [`Question`], is given the answer, and is evaluated again from the start.
//!
//! What is deliberately absent: I/O, clocks, randomness (all three are part of the input), and any knowledge of a
//! particular policy language.

mod api_path;
mod diagnostic;
pub mod explain;
mod gvk;
mod input;
mod kind;
mod mask;
mod outcome;
mod policy;
mod profile;
mod question;
mod resource;
mod review;
mod service_url;
mod suggest;

pub use api_path::ApiPath;
pub use diagnostic::{Diagnostic, Place, Severity};
pub use gvk::{Gvk, Gvr};
pub use input::{Input, Numbers, Operation, Roles, User, variables};
pub use kind::{KindParts, KindSelector};
pub use mask::Mask;
pub use outcome::{Enforcement, Evaluation, Obstacle, RuleKind, RuleOutcome, SideEffect, Status};
pub use policy::{ChangeGuard, CompiledPolicy, Evaluated, Phase, Refusal, Run};
pub use profile::{FailurePolicy, Likeness, Needs, Operations, Profile, RecordMode, Target};
pub use question::{Answer, Answers, Purpose, Question, ResourceQuery};
pub use resource::Resource;
pub use review::{Request, Review, ReviewError};
pub use service_url::{ServiceHost, ServiceUrl};
pub use suggest::closest;
