//! Conditions of preconditions, deny rules and conditional checks.

mod equality;
mod membership;
mod operator;
mod order;

pub use operator::{Operator, OperatorError};
