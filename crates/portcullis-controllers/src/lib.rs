//! Controllers: webhook configurations derived from the policies in force, and the status of policies.
//!
//! What is to be written is computed by pure functions, from policies, discovery and settings; who writes it does
//! nothing else.

pub mod kinds;
pub mod webhooks;
