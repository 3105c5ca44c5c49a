//! A test on the shared control plane.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;

use crate::{CommandOutput, ControlPlane, Programs, wait};

/// What a test is given: the control plane, a client that is administrator, a namespace of its own.
#[expect(missing_debug_implementations, reason = "a client has nothing to show")]
pub struct ClusterTest {
    pub control_plane: &'static ControlPlane,
    pub client: Client,
    pub namespace: String,
}

/// Runs a test on the shared control plane, in a fresh namespace; when it fails, the end of every log is shown.
/// Where there is no control plane, the test is skipped with a line that says so.
///
/// # Errors
/// Those of the test, and when there is no control plane with `CI=true` or it cannot be started.
pub fn cluster_test(test: impl AsyncFnOnce(&ClusterTest) -> Result<()>) -> Result<()> {
    run(async |programs| ControlPlane::shared(programs).await, test)
}

/// The same for a test that makes faults, on a control plane that only such tests share.
///
/// # Errors
/// As [`cluster_test`].
pub fn fault_test(test: impl AsyncFnOnce(&ClusterTest) -> Result<()>) -> Result<()> {
    run(async |programs| ControlPlane::for_faults(programs).await, test)
}

fn run(
    control_plane: impl AsyncFnOnce(&Programs) -> Result<&'static ControlPlane>,
    test: impl AsyncFnOnce(&ClusterTest) -> Result<()>,
) -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let control_plane = control_plane(&programs).await?;
        let mut logs = LogsOnFailure { control_plane, failed: true };
        let prepared = ClusterTest::prepare(control_plane).await?;
        let outcome = test(&prepared).await;
        logs.failed = outcome.is_err();
        outcome
    })
}

impl ClusterTest {
    async fn prepare(control_plane: &'static ControlPlane) -> Result<ClusterTest> {
        let client = control_plane.client().await?;
        let namespace = fresh_name();
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let object = serde_json::from_value(json!({ "metadata": { "name": namespace } }))?;
        namespaces
            .create(&PostParams::default(), &object)
            .await
            .with_context(|| format!("cannot make the namespace `{namespace}`"))?;
        // Pods are refused in a namespace that has no default service account yet.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        let is_there = |account: Option<&ServiceAccount>| account.is_some();
        wait::until_object(&accounts, "default", "the service account of a new namespace", is_there).await?;
        Ok(ClusterTest { control_plane, client, namespace })
    }

    /// The objects of a kind in the namespace of the test.
    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Runs kubectl as administrator, in the namespace of the test.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<CommandOutput> {
        self.control_plane.kubectl(&self.namespace).run(arguments).await
    }

    /// Runs `kubectl apply` with these documents.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn apply(&self, documents: &str) -> Result<CommandOutput> {
        self.control_plane.kubectl(&self.namespace).run_with(&["apply", "-f", "-"], documents).await
    }
}

/// Shows the logs when it is dropped after a failure, a panic included.
struct LogsOnFailure {
    control_plane: &'static ControlPlane,
    failed: bool,
}

impl Drop for LogsOnFailure {
    fn drop(&mut self) {
        if self.failed {
            say(&self.control_plane.logs());
        }
    }
}

/// A name for a namespace: what the test is called, as far as it fits, and a number.
fn fresh_name() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let thread = thread::current();
    let test = thread.name().unwrap_or("test").rsplit("::").next().unwrap_or("test").replace('_', "-");
    let letters = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let test: String = test.chars().filter(letters).take(50).collect();
    format!("{}-{number}", test.trim_matches('-'))
}

#[expect(
    clippy::print_stderr,
    reason = "the test runner captures what is printed so, and shows it after a failure"
)]
fn say(text: &str) {
    eprintln!("{text}");
}
