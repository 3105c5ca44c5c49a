//! Policies, resources and what a cluster would know of them, from files: what the commands that need no cluster share.

pub(crate) mod documents;
pub(crate) mod exceptions;
pub(crate) mod facts;
pub(crate) mod fields;
pub(crate) mod from_cluster;
pub(crate) mod global_context;
pub(crate) mod host;
pub(crate) mod inputs;
pub(crate) mod known;
pub(crate) mod policies;
pub(crate) mod resources;
mod sort;
pub(crate) mod user;
pub(crate) mod values;
pub(crate) mod verdict;
