//! Tests on a real control plane. `cargo xtask e2e` runs them.

mod control_plane;
mod crds;
mod faults;
mod processes;
mod sandbox;
mod serve;
mod watches;
mod webhooks;
