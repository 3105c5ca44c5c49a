//! A control plane: starting it, what it hands out, stopping and starting its API server.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, ensure};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use k8s_openapi::jiff::Timestamp;
use kube::api::{ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::cluster_test::tell;
use crate::definitions::Applied;
use crate::failure::last_lines;
use crate::site::{CLIENTS, Site};
use crate::{Kubectl, Process, Programs, plain_http, wait};

/// The nodes that KWOK plays.
const NODES: [&str; 2] = ["node-1", "node-2"];

/// How often to start anew when another process took a port between its choice and its use.
const ATTEMPTS: usize = 3;

/// What is said of a port that is taken.
const PORT_TAKEN: &str = "address already in use";

/// How long an API server may take to say whether it is ready, before it is asked again.
const READINESS: Duration = Duration::from_secs(5);

/// How much is shown of the log of a part that has ended.
const SHOWN_LINES: usize = 20;

/// A running control plane. Dropping it ends all of it and removes its folder.
#[derive(Debug)]
pub struct ControlPlane {
    processes: Mutex<Processes>,
    site: Site,
    /// From when to when its API server has come up again, each time.
    comings: Mutex<Vec<(Timestamp, Timestamp)>>,
    pub(crate) defined: tokio::sync::Mutex<Vec<Applied>>,
}

/// In the order in which they are dropped.
#[derive(Debug)]
struct Processes {
    clients: Vec<Process>,
    api_server: Process,
    etcd: Process,
    /// Does nothing; its lifeline removes the folder.
    folder: Process,
}

impl ControlPlane {
    /// Starts a control plane of one's own, and waits until it can be worked with: the API server is ready, the
    /// default service account is there and the nodes are ready.
    ///
    /// # Errors
    /// When a part ends or does not become ready, with the end of its log.
    pub async fn start(programs: &Programs) -> Result<ControlPlane> {
        // The provider of the binary has to be chosen once; a second time changes nothing.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        for _ in 1..ATTEMPTS {
            match ControlPlane::start_once(programs).await {
                Err(error) if format!("{error:#}").contains(PORT_TAKEN) => {}
                outcome => return outcome,
            }
        }
        ControlPlane::start_once(programs).await
    }

    async fn start_once(programs: &Programs) -> Result<ControlPlane> {
        let begun = Instant::now();
        let (site, path) = Site::prepare(programs)?;
        let folder = site.start_folder()?;
        // From here on the folder goes with that process.
        let _ = path.keep();
        let etcd = site.start_part("etcd")?;
        let api_server = site.start_part("kube-apiserver")?;
        let processes = Mutex::new(Processes { clients: Vec::new(), api_server, etcd, folder });
        let comings = Mutex::default();
        let plane = ControlPlane { processes, site, comings, defined: tokio::sync::Mutex::default() };
        plane.until_ready().await?;
        let ready_after = begun.elapsed();
        plane.start_clients()?;
        plane.register_nodes().await?;
        plane.until_usable().await?;
        tell(&format!(
            "a new control plane: {:.1} s to an API server that is ready, {:.1} s to the default service account and nodes",
            ready_after.as_secs_f64(),
            begun.elapsed().as_secs_f64()
        ));
        Ok(plane)
    }

    /// The file with which kubectl and others are administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig("admin")
    }

    /// How a client connects as administrator.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read.
    pub async fn config(&self) -> Result<Config> {
        let kubeconfig = Kubeconfig::read_from(self.kubeconfig())?;
        Ok(Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?)
    }

    /// A client that is administrator. It belongs to the runtime that it is made in.
    ///
    /// # Errors
    /// As [`ControlPlane::config`].
    pub async fn client(&self) -> Result<Client> {
        Ok(Client::try_from(self.config().await?)?)
    }

    /// kubectl as administrator, in a namespace.
    pub fn kubectl(&self, namespace: &str) -> Kubectl {
        Kubectl {
            program: self.site.programs.path("kubectl"),
            kubeconfig: self.kubeconfig(),
            cache: self.site.path("kubectl-cache"),
            namespace: namespace.to_owned(),
        }
    }

    /// The folder of the programs, to put in front of `PATH`.
    pub fn programs(&self) -> &Path {
        self.site.programs.folder()
    }

    /// The number of the API server's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn api_server_process_id(&self) -> Result<u32> {
        self.lock().api_server.id()
    }

    /// Kills the API server, as a crash does. Its port stays its own, its data are etcd's.
    pub fn stop_api_server(&self) {
        self.lock().api_server.kill();
    }

    /// Starts the API server again, on the same port and data, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_api_server(&self) -> Result<()> {
        let begun = Timestamp::now();
        let started = self.site.start_part("kube-apiserver")?;
        self.lock().api_server = started;
        self.until_ready().await?;
        let coming = (begun, Timestamp::now());
        self.comings.lock().unwrap_or_else(PoisonError::into_inner).push(coming);
        Ok(())
    }

    /// Whether the API server was coming up again at this time, and not ready yet.
    pub(crate) fn was_coming_up(&self, at: Timestamp) -> bool {
        let comings = self.comings.lock().unwrap_or_else(PoisonError::into_inner);
        comings.iter().any(|(begun, ready)| (*begun..=*ready).contains(&at))
    }

    /// Kills all of it, as a power cut does. Ports and data stay.
    pub fn stop(&self) {
        let mut processes = self.lock();
        processes.clients.clear();
        processes.api_server.kill();
        processes.etcd.kill();
    }

    /// Ends all of it for good, and removes its folder, as dropping it does.
    pub(crate) fn end(&self) {
        self.stop();
        self.lock().folder.kill();
    }

    /// Whether no part has ended by itself.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.early_end(), Ok(None))
    }

    /// Starts all of it again, on the same ports and data, and waits until it can be worked with.
    ///
    /// # Errors
    /// When a part ends or does not become ready, with the end of its log.
    pub async fn start_again(&self) -> Result<()> {
        let etcd = self.site.start_part("etcd")?;
        self.lock().etcd = etcd;
        self.start_api_server().await?;
        self.start_clients()?;
        self.until_usable().await
    }

    /// Starts the clients of the API server. They end when it does not answer within ten seconds, so they start once it does.
    fn start_clients(&self) -> Result<()> {
        for name in CLIENTS {
            let client = self.site.start_part(name)?;
            self.lock().clients.push(client);
        }
        Ok(())
    }

    /// Has etcd forget all versions of objects but the present ones. What the API server remembers of them it forgets
    /// when it starts anew.
    ///
    /// # Errors
    /// When etcd cannot be asked, or refuses.
    pub async fn compact_etcd(&self) -> Result<()> {
        let etcd = self.site.etcd_address();
        let status = plain_http::post(etcd, "/v3/maintenance/status", "{}").await?;
        let revision = status.split_once("\"revision\":\"").and_then(|(_, rest)| rest.split('"').next());
        let revision = revision.with_context(|| format!("etcd tells no revision: {status}"))?;
        let compaction = json!({ "revision": revision, "physical": true }).to_string();
        let answer = plain_http::post(etcd, "/v3/kv/compaction", &compaction).await?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "etcd forgets nothing: {answer}");
        Ok(())
    }

    /// The folder of its files. It is gone when the control plane is.
    pub fn folder(&self) -> &Path {
        self.site.folder()
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    fn lock(&self) -> MutexGuard<'_, Processes> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_ready(&self) -> Result<()> {
        let client = self.client().await?;
        self.until("an API server that is ready", async || {
            let asking = client.request_text(http::Request::get("/readyz").body(Vec::new())?);
            // One that has just started may hold a request back until who asked is gone, and answer the next.
            timeout(READINESS, asking).await.context("`/readyz` is not answered")??;
            Ok(true)
        })
        .await
    }

    /// Waits until Pods can be made and run.
    async fn until_usable(&self) -> Result<()> {
        let client = self.client().await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
        let nodes: Api<Node> = Api::all(client);
        self.until("the default service account and nodes that are ready", async || {
            let account = accounts.get_opt("default").await?;
            let nodes = nodes.list(&ListParams::default()).await?;
            Ok(account.is_some() && nodes.items.iter().all(is_ready))
        })
        .await
    }

    /// Waits for a condition, and gives up at once when a part has ended.
    async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
        let outcome = wait::until(what, async || match self.early_end()? {
            Some(end) => Ok(Some(Err(end))),
            None => Ok(holds().await?.then_some(Ok(()))),
        });
        outcome.await?.map_err(Error::msg)
    }

    /// What to say of a part that has ended by itself.
    fn early_end(&self) -> Result<Option<String>> {
        let mut processes = self.lock();
        let Processes { clients, api_server, etcd, .. } = &mut *processes;
        for process in [etcd, api_server].into_iter().chain(clients) {
            if let Some(status) = process.ended()? {
                let log = last_lines(&process.log()?, SHOWN_LINES);
                return Ok(Some(format!("`{}` has ended ({status})\n{log}", process.name())));
            }
        }
        Ok(None)
    }

    async fn register_nodes(&self) -> Result<()> {
        let nodes: Api<Node> = Api::all(self.client().await?);
        let room = json!({ "cpu": "32", "memory": "256Gi", "pods": "110" });
        for name in NODES {
            let node = serde_json::from_value(json!({
                "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
                "status": { "capacity": room, "allocatable": room },
            }))?;
            nodes
                .create(&PostParams::default(), &node)
                .await
                .with_context(|| format!("cannot make `{name}`"))?;
        }
        Ok(())
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
