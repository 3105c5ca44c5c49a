//! The admission webhook: an HTTPS server, its certificates, and the AdmissionReview in and out.
//!
//! A [`Server`] accepts connections within its [`Limits`], reads one request after the other, finds out by the path
//! which [`Route`] was called, parses the envelope and asks a [`Reviewer`] for its [`Verdict`]. What is no review is
//! answered by a status code; a reviewer that panics is answered by the failure policy of the route. The server
//! holds the [`Certificates`] it answers handshakes with, which can be exchanged while it serves, counts what it does
//! in [`Metrics`], and leaves by the steps of a [`Lifecycle`]. [`health`] answers the probes and the scrape on a port
//! of its own.
//!
//! What is deliberately absent: policies, Kubernetes clients, files and signals. Who wires the server brings them.
//!
//! Invariants:
//! - Nothing a client sends makes the server hold more than `Limits` says, in bytes, connections or time.
//! - A refusal closes its connection, in HTTP/2 its stream, so that nothing a refused request brought is taken for the next one.
//! - A review is judged synchronously, on the worker thread that read it, unless that would leave no worker for others.

mod answer;
mod body;
mod certificate;
mod connection;
mod deadline;
mod frames;
mod head;
pub mod health;
mod lifecycle;
mod limits;
mod metrics;
mod pulse;
mod repoll;
mod response;
mod reviewer;
mod route;
mod server;
mod service;
mod slots;
mod tls;
mod turns;
mod weight;

pub use certificate::{Authority, BACKDATED, CertificateError, Certificates, Identity, Issued};
pub use deadline::Deadline;
pub use lifecycle::{Lifecycle, Stage};
pub use limits::Limits;
pub use metrics::{Cause, Change, Metrics, PolicyLabels, Rule, RuleLabels, SERIES, Target};
pub use reviewer::{Reviewer, Verdict};
pub use route::Route;
pub use server::{Server, worker_threads};
pub use tls::TlsError;
