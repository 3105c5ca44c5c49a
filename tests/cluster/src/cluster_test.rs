//! A test that has a control plane to itself.

use std::io::{self, Write as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;
use tokio::time::Instant;

use crate::turn::Turn;
use crate::{CommandOutput, ControlPlane, Programs, wait};

/// When it is set, the time that each test takes is told.
const TIMES: &str = "PORTCULLIS_TIMES";

/// What a test is given: the control plane, a client that is administrator, a namespace of its own.
#[expect(missing_debug_implementations, reason = "a client has nothing to show")]
pub struct ClusterTest {
    pub control_plane: &'static ControlPlane,
    pub client: Client,
    pub namespace: String,
}

/// Runs a test in a fresh namespace of a control plane that no other test uses meanwhile. Others have used it before and will
/// use it later: what is left for the whole cluster concerns them. When the test fails, the end of every log is shown.
/// Where there is no control plane, it is skipped with a line that says so.
///
/// # Errors
/// Those of the test, and when there is no control plane with `CI=true` or it cannot be started.
pub fn cluster_test(test: impl AsyncFnOnce(&ClusterTest) -> Result<()>) -> Result<()> {
    let Some(programs) = Programs::find()? else { return Ok(()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let name = fresh_name();
        let begun = Instant::now();
        let turn = Turn::take(&programs, &name).await?;
        let outcome = async {
            let prepared = ClusterTest::prepare(turn.control_plane, &name).await?;
            let prepared_after = begun.elapsed();
            let outcome = test(&prepared).await;
            tell(&format!(
                "{:.1} s, {:.1} s of it until it had a control plane",
                begun.elapsed().as_secs_f64(),
                prepared_after.as_secs_f64()
            ));
            outcome
        }
        .await;
        turn.end(outcome)
    })
}

impl ClusterTest {
    async fn prepare(control_plane: &'static ControlPlane, namespace: &str) -> Result<ClusterTest> {
        let client = control_plane.client().await?;
        let test = ClusterTest { control_plane, client, namespace: namespace.to_owned() };
        test.make_namespace(namespace).await?;
        Ok(test)
    }

    /// Makes a namespace, and waits until it holds what controllers put into every namespace: Pods are refused before it has a
    /// service account, and policies would see the ConfigMap come.
    ///
    /// # Errors
    /// It is there already, or what belongs into it does not come.
    pub async fn make_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let object = serde_json::from_value(json!({ "metadata": { "name": name } }))?;
        let made = namespaces.create(&PostParams::default(), &object).await;
        made.with_context(|| format!("cannot make the namespace `{name}`"))?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), name);
        let is_there = |account: Option<&ServiceAccount>| account.is_some();
        wait::until_object(&accounts, "default", "the service account of a new namespace", is_there).await?;
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), name);
        let is_there = |map: Option<&ConfigMap>| map.is_some();
        wait::until_object(&maps, "kube-root-ca.crt", "the ConfigMap of a new namespace", is_there).await?;
        Ok(())
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

    /// Waits until `kubectl explain` says a text of a field: the API server explains a definition a moment after it knows it.
    ///
    /// # Errors
    /// It does not come, with what came last.
    pub async fn until_explained(&self, field: &str, text: &str) -> Result<()> {
        wait::until(&format!("`{text}` of {field}"), async || {
            let explained = self.kubectl(&["explain", field]).await?.succeeded()?;
            ensure!(explained.contains(text), "{explained}");
            Ok(Some(()))
        })
        .await
    }

    /// Runs `kubectl apply` with these documents.
    ///
    /// # Errors
    /// When it cannot be run.
    pub async fn apply(&self, documents: &str) -> Result<CommandOutput> {
        self.control_plane.kubectl(&self.namespace).run_with(&["apply", "-f", "-"], documents).await
    }
}

/// A name for a namespace: what the test is called, as far as it fits, and a number.
fn fresh_name() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let test = test_name().rsplit("::").next().unwrap_or("test").replace('_', "-");
    let letters = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
    let test: String = test.chars().filter(letters).take(50).collect();
    format!("{}-{number}", test.trim_matches('-'))
}

/// The test runner gives each thread the name of its test.
fn test_name() -> String {
    thread::current().name().unwrap_or("test").to_owned()
}

/// Says something of the time of this test, past the test runner, if that is asked for.
#[expect(clippy::disallowed_methods, reason = "the times are asked for in the environment")]
pub(crate) fn tell(times: &str) {
    if std::env::var_os(TIMES).is_some() {
        let _ = writeln!(io::stderr(), "time of {}: {times}", test_name());
    }
}
