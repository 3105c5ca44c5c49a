//! The cluster as the engine sees it: a client, watches into plain indexes, discovery, answers to questions.
//!
//! [`Connection`] is the way to the API server: all clients of the process share its limiter. [`Cluster`] follows what
//! the engine needs to know, by watches that feed plain structs without async, each of which publishes an immutable
//! snapshot. A request takes one [`View`] and keeps it: what it sees does not change under it, and the API server may
//! be away.
//!
//! What it asks for, and so must be granted:
//!
//! | verbs | resources | by |
//! |---|---|---|
//! | list, watch | clusterpolicies, policies, policyexceptions (`kyverno.io`) | [`Cluster`] |
//! | get, list, watch | namespaces | [`Cluster`], [`Cluster::look_up_namespace`] |
//! | list, watch | rolebindings, clusterrolebindings (`rbac.authorization.k8s.io`) | [`Cluster`] |
//! | list, watch | customresourcedefinitions (`apiextensions.k8s.io`) | [`Cluster`] |
//! | list, watch | the one ConfigMap, by name in its namespace | [`Cluster`] |
//! | list, watch | the one Secret with the certificate, likewise, where there is one | [`Cluster`] |
//! | get, list, watch | the ConfigMaps that rules read, each by its name | [`Cluster::find_out`] |
//! | what an administrator grants | what rules ask the API server for | [`Cluster::find_out`] |
//! | list, watch | jobs (`batch`), where they are counted or followed | [`Cluster`], [`Cluster::follow_jobs`] |
//! | list, watch | persistentvolumeclaims, workloads (`kueue.x-k8s.io`), where they are followed | [`Cluster::follow_volume_claims`], [`Cluster::follow_workloads`] |
//! | list, watch | jobretentions (`portcullis.dev`), where they are followed | [`Cluster`] |
//! | create, patch | events (`events.k8s.io`), in all namespaces | [`EventWriter`] |
//! | get, create, update | leases (`coordination.k8s.io`), in our namespace | [`Candidate`] |
//!
//! What is deliberately absent: compiling policies (whoever subscribes to [`Cluster::cluster_policies`] does), deciding
//! anything, and whole objects. An index keeps the few fields that somebody reads.

mod answer;
mod ask;
mod backoff;
mod cluster;
mod config_maps;
mod connection;
pub mod discovery;
mod error;
mod event;
mod facts;
mod index;
mod lease;
mod limiter;
mod lookups;
mod pages;
mod queries;
mod raw_request;
mod reader;
mod readiness;
#[cfg(test)]
mod scripted;
mod served;
mod services;
mod watch;

pub use answer::Answer;
pub use ask::Extent;
pub use backoff::Backoff;
pub use cluster::{Cluster, Followed, Options, View};
pub use connection::{Access, ConnectError, Connection};
pub use error::{ApiError, Asked, system_reason};
pub use event::{EventCounts, EventSender, EventWriter, Notice, Regarding, events};
pub use facts::ReviewFacts;
pub use index::{
    Bindings, Configuration, Document, Documents, Keeper, Kept, KnownSecret, Labels, Metadata, Namespaces,
    Published, Read, SharedSecret, UserRoles,
};
pub use lease::{Candidate, Claim, Clock, Leadership, LeaseTimes};
pub use pages::{ListQuery, continues};
pub use queries::{QueryCounts, QueryKind};
pub use raw_request::{RawRequest, Reply};
pub use readiness::{Pending, Readiness};
pub use services::AllowedService;
pub use watch::{DEFINE_KINDS, WatchState, WatchStates, encoded};
