//! A real control plane for tests and for people: etcd, the API server, the controller manager, the scheduler, and
//! KWOK in place of kubelets, started on loopback.
//!
//! `cargo xtask controlplane` builds the programs; `cargo xtask e2e` names their folder to the tests in
//! `PORTCULLIS_CONTROLPLANE`, and the binary under test in `PORTCULLIS_BINARY`. A test is a function that hands its body to [`cluster_test`]:
//!
//! ```no_run
//! use portcullis_cluster_tests::cluster_test;
//!
//! fn the_api_server_says_its_version() -> anyhow::Result<()> {
//!     cluster_test(async |test| {
//!         let version = test.kubectl(&["version"]).await?.succeeded()?;
//!         anyhow::ensure!(version.contains("Server Version: v1.36"), "{version}");
//!         Ok(())
//!     })
//! }
//! ```
//!
//! What holds:
//!
//! - **Nothing is left behind**, however this process ends: each program runs under `lifeline`, which kills it when
//!   the pipe from here closes, and the folder goes with etcd.
//! - **No test waits for time to pass.** [`wait`] waits for conditions, with a deadline that only a failure reaches.
//! - **Portcullis is never administrator**: [`Serve`] runs it as its own service account, and a request that the
//!   API server refuses it fails the test.
//! - **A control plane is one test's alone** while that runs, and as many are started as tests run at once. What a test leaves
//!   for the whole cluster concerns the next one: [`Portcullis::during`] leaves no policy and no webhook. A control plane on
//!   which a test failed is not used again.

mod audit;
mod balancer;
mod cluster_test;
mod commands;
mod confined;
mod control_plane;
mod definitions;
mod failure;
mod files;
mod keys;
mod kubeconfig;
mod kubectl;
mod objects;
mod plain_http;
mod portcullis;
mod ports;
mod process;
mod programs;
mod propagation;
mod refusals;
mod replicas;
mod second_api_server;
mod serve;
mod site;
mod skewed;
mod turn;
pub mod wait;
mod workload;

pub use balancer::Balancer;
pub use cluster_test::{ClusterTest, cluster_test};
pub use commands::{Shell, offline};
pub use confined::MEMORY;
pub use control_plane::ControlPlane;
pub use kubectl::{CommandOutput, Kubectl};
pub use portcullis::Portcullis;
pub use ports::free_port;
pub use process::Process;
pub use programs::Programs;
pub use propagation::Propagation;
pub use replicas::{Replica, Replicas};
pub use second_api_server::SecondApiServer;
pub use serve::{Serve, ServeOptions};
pub use turn::make_room;
pub use workload::Workload;
