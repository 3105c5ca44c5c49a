//! The work that a review and the loading of a policy pay for, counted in instructions by callgrind.
//!
//! `cargo xtask bench instructions` compares the counts with `instructions.tsv`: what is counted does not change
//! from run to run, so that three per cent more is a finding and not noise. One module per crate, one group each.
#![allow(missing_docs, unreachable_pub, reason = "what the macros of the harness make")]
#![allow(clippy::unwrap_used, reason = "a benchmark")]

#[path = "instructions/engine.rs"]
mod engine;
#[path = "instructions/kyverno.rs"]
mod kyverno;
#[path = "instructions/value.rs"]
mod value;

use engine::judgements;
use kyverno::loading;
use value::reviews;

gungraun::main!(library_benchmark_groups = reviews, judgements, loading);
