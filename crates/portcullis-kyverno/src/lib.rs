//! Kyverno's classic policies: ClusterPolicy and Policy (`kyverno.io/v1`, `v2beta1`).
//!
//! A document is checked ([`schema`], then what admission of the reference checks), compiled once, and evaluated
//! without copying the object.

pub mod anchor;
pub mod condition;
pub mod kind;
pub mod pattern;
mod schema;
pub mod selector;
