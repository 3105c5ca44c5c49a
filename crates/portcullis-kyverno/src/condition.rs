//! Conditions of preconditions, deny rules and conditional checks.

mod equality;
mod joined;
mod membership;
mod operator;
mod order;

pub use joined::{Answer, Conclusion, Joined};
pub use operator::{Operator, OperatorError};
