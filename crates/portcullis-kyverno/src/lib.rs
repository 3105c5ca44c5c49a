//! Kyverno's classic policies: ClusterPolicy and Policy (`kyverno.io/v1`, `v2beta1`).
//!
//! A document is checked ([`Findings`]: its schema, then what admission of the reference checks), compiled once, and evaluated
//! without copying the object.

pub mod anchor;
mod autogen;
mod checks;
pub mod condition;
mod context;
mod crds;
mod ending;
mod exception;
mod explanation;
mod foreach;
mod generation;
mod images;
mod job_ttl;
pub mod kind {
    //! Kind selectors: `Pod`, `apps/v1/Deployment`, `*/scale`.
    pub use portcullis_model::KindSelector;
}
mod manifests;
mod matching;
pub mod mutate;
mod mutation;
pub mod pattern;
mod pod_security;
mod policy;
mod profile;
mod report_properties;
mod rule;
mod schema;
mod scope;
pub mod selector;
mod shared;
pub mod status;
mod validation;
mod variable;
pub mod webhooks;

pub use checks::{Findings, Kinds, Served};
pub use context::Lookups;
pub use crds::{CRD_LABEL, crds};
pub use exception::PolicyException;
pub use job_ttl::{sets_job_ttl, warn_of_job_ttl};
pub use policy::{ANNOTATIONS, Policy};
pub use validation::FailureAction;
pub use variable::substitute;
