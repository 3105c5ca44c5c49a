//! Tests on a real control plane. `cargo xtask e2e` runs them.

mod chart;
mod control_plane;
mod crds;
mod example_policies;
mod exceptions;
mod faults;
mod flags;
mod founding_story;
mod installation;
mod jobs;
mod kubectl_users;
mod lookups;
mod old_jobs;
mod own_webhooks;
mod pod_security;
mod policies_in_force;
mod processes;
mod sandbox;
mod second_webhook;
mod serve;
mod story;
mod two_servers;
mod verdicts;
mod watches;
mod webhook_upkeep;
mod webhooks;
