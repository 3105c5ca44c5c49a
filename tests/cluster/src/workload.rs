//! What a kubelet would do for the Deployment of an installation: run it, as one process.
//!
//! KWOK plays the Pods, which run nothing. Where somebody is to answer, this starts `portcullis serve` with the arguments and as
//! the service account of the Deployment, and ends it once that is scaled to 0 or gone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::commands::binary;
use crate::kubeconfig::Credentials;
use crate::plain_http::get;
use crate::process::{Process, Start};
use crate::serve::NAMESPACE;
use crate::{ControlPlane, free_port, wait};

/// The Deployment at work.
#[derive(Debug)]
pub struct Workload<'a> {
    control_plane: &'a ControlPlane,
    program: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    /// As the Deployment has them.
    arguments: Vec<String>,
    process: Process,
    probes: SocketAddr,
}

impl<'a> Workload<'a> {
    /// Nothing runs yet.
    ///
    /// # Errors
    /// There is no binary.
    pub fn new(control_plane: &'a ControlPlane) -> Result<Self> {
        Ok(Self { control_plane, program: binary()?, running: None })
    }

    /// Brings the process to what the Deployment asks for, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started, does not become ready or does not end.
    pub async fn follow(&mut self) -> Result<()> {
        let wanted = self.wanted().await?;
        if self.running.as_ref().map(|running| &running.arguments) == wanted.as_ref() {
            return Ok(());
        }
        if let Some(mut running) = self.running.take() {
            running.process.signal("SIGTERM")?;
            wait::until("the end of portcullis", async || running.process.ended()).await?;
        }
        if let Some(arguments) = wanted {
            let running = self.start(arguments).await?;
            let ready = wait::until("a portcullis that is ready", async || {
                let answer = get(running.probes, "/readyz").await?;
                ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                Ok(Some(()))
            });
            ready.await.with_context(|| running.process.log().unwrap_or_default())?;
            self.running = Some(running);
        }
        Ok(())
    }

    /// All metrics, as text.
    ///
    /// # Errors
    /// Nothing runs, or it does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let running = self.running.as_ref().context("portcullis does not run")?;
        get(running.probes, "/metrics").await
    }

    /// The arguments of the Deployment; nothing where it is not there or is to run nothing.
    async fn wanted(&self) -> Result<Option<Vec<String>>> {
        let kubectl = self.control_plane.kubectl(NAMESPACE);
        let found =
            kubectl.run(&["get", "deployment", "portcullis", "--ignore-not-found", "-o", "json"]).await?;
        let found = found.succeeded()?;
        if found.is_empty() {
            return Ok(None);
        }
        let deployment: Value = serde_json::from_str(&found)?;
        if deployment.pointer("/spec/replicas") == Some(&0.into()) {
            return Ok(None);
        }
        let arguments = deployment.pointer("/spec/template/spec/containers/0/args");
        let arguments = arguments.and_then(Value::as_array).into_iter().flatten();
        Ok(Some(arguments.filter_map(|argument| argument.as_str().map(str::to_owned)).collect()))
    }

    async fn start(&self, arguments: Vec<String>) -> Result<Running> {
        let (listen, probes) = (free_port()?, free_port()?);
        let mut line: Vec<String> =
            arguments.iter().filter(|argument| !argument.contains("listen=")).cloned().collect();
        line.push(format!("--listen=127.0.0.1:{listen}"));
        line.push(format!("--metrics-listen=127.0.0.1:{probes}"));
        if !arguments.iter().any(|argument| argument == "--beside-kyverno") {
            // No Service leads out of the cluster to a process.
            line.push(format!("--external-url=https://127.0.0.1:{listen}"));
            line.push("--allow-fail".to_owned());
        }
        let kubectl = self.control_plane.kubectl(NAMESPACE);
        let token = kubectl.run(&["create", "token", "portcullis", "--duration=1h"]).await?.succeeded()?;
        let site = self.control_plane.site();
        let kubeconfig = site.write_kubeconfig("workload", &Credentials::Token(token.trim()))?;
        let start = Start {
            program: &self.program,
            arguments: &line,
            environment: &[("KUBECONFIG", kubeconfig.as_os_str())],
            log: site.log("workload"),
            remove: None,
        };
        let process = Process::start(&site.programs, &start)?;
        Ok(Running { arguments, process, probes: (Ipv4Addr::LOCALHOST, probes).into() })
    }
}
