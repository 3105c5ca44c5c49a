//! The engine: one object through all policies, and the record of what they changed.
//!
//! [`review`] answers one admission request: the [`PolicySet`] in force says which policies it concerns, they are
//! evaluated, and what comes of it is folded into a [`Verdict`] by action and failure policy. [`judge`] does the same for
//! an object without a request, as the command line needs it. Both keep each policy inside its budget, and turn a
//! panic of one policy into an error outcome of that policy.
//!
//! What is deliberately absent: I/O, clocks, Kubernetes clients. Whoever calls has them: [`Facts`] are what is known
//! beside the request, a [`Need`] is what has to be found out before a review can go on.

mod evaluate;
mod facts;
mod fold;
mod immutable;
mod judge;
mod reach;
pub mod record;
mod records;
mod review;
mod route;
mod set;
mod settings;
mod verdict;

pub use facts::{Facts, FixedFacts, Missing, Need};
pub use immutable::ImmutableFields;
pub use judge::{Host, Judgement, Response, judge};
pub use records::Records;
pub use review::{Options, ReviewContext, review};
pub use route::{Route, Selection};
pub use set::{Member, PolicySet, Subject};
pub use settings::{Names, Problem, ResourceFilter, Settings};
pub use verdict::{Judged, Unseen, Verdict};
