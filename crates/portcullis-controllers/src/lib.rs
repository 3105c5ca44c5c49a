//! Controllers: webhook configurations derived from the policies in force, the status of policies, and the retention of
//! Jobs.
//!
//! What is to be written is computed by pure functions, from policies, discovery and settings; who writes it does
//! nothing else.

pub mod arming;
pub mod certificate_secret;
pub mod departure;
mod exceptions;
pub mod in_force;
pub mod kinds;
pub mod owner;
mod policy_admission;
pub mod policy_status;
mod reconciles;
pub mod retention;
pub mod webhooks;
pub mod writer;

pub use exceptions::{ExceptionScope, exception_admission};
pub use policy_admission::{PolicyAdmission, policy_admission};
pub use reconciles::Reconciles;
