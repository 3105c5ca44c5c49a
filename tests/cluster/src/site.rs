//! Where a control plane lives: its folder, its ports, its keys, and the command lines of its parts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::keys::{Authority, Identity};
use crate::kubeconfig::{self, Credentials};
use crate::ports::free_port;
use crate::process::{Process, Start};
use crate::{Programs, files};

/// What KWOK does to nodes and Pods.
const STAGES: &str = include_str!("../stages.yaml");

/// What the API server records: the requests of service accounts other than its own controllers', with the decision
/// of the authorizer, Portcullis being one of them, and what people do to Jobs, with what webhooks say of it, and to webhook
/// configurations.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: None
    userGroups: [system:serviceaccounts:kube-system]
  - level: Metadata
    userGroups: [system:serviceaccounts]
  - level: Metadata
    users: [kubernetes-admin]
    resources:
    - {group: batch, resources: [jobs]}
    - group: admissionregistration.k8s.io
      resources: [mutatingwebhookconfigurations, validatingwebhookconfigurations]
  - level: None
";

/// The users with a kubeconfig, by its name, and their groups.
const USERS: [(&str, &str, &str); 4] = [
    ("admin", "kubernetes-admin", "system:masters"),
    ("kube-controller-manager", "system:kube-controller-manager", "system:kube-controller-manager"),
    ("kube-scheduler", "system:kube-scheduler", "system:kube-scheduler"),
    ("kwok", "kwok", "system:masters"),
];

/// The parts that are clients of the API server.
pub(crate) const CLIENTS: [&str; 3] = ["kube-controller-manager", "kube-scheduler", "kwok"];

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) programs: Programs,
    folder: PathBuf,
    /// The certificate of the authority, as PEM.
    authority: String,
    etcd: u16,
    etcd_peers: u16,
    api_server: u16,
}

impl Site {
    /// Makes the folder, the keys and all files, and chooses the ports. Nothing runs yet. The folder is removed with
    /// the second value, unless that is kept because a process has started whose lifeline removes it.
    pub(crate) fn prepare(programs: &Programs) -> Result<(Site, TempDir)> {
        let folder = tempfile::Builder::new().prefix("portcullis-cluster-").tempdir();
        let folder = folder.context("cannot make a folder for the control plane")?;
        let authority = Authority::new()?;
        let site = Site {
            programs: programs.clone(),
            folder: folder.path().to_owned(),
            authority: authority.certificate().to_owned(),
            etcd: free_port()?,
            etcd_peers: free_port()?,
            api_server: free_port()?,
        };
        site.write_files(&authority)?;
        Ok((site, folder))
    }

    fn write_files(&self, authority: &Authority) -> Result<()> {
        let server = authority.server(&["127.0.0.1", "localhost", "kubernetes.default.svc"])?;
        let accounts = rcgen::KeyPair::generate()?;
        files::write(&self.path("ca.crt"), authority.certificate())?;
        files::write(&self.path("server.crt"), &server.certificate)?;
        files::write(&self.path("server.key"), &server.key)?;
        files::write(&self.path("accounts.key"), &accounts.serialize_pem())?;
        files::write(&self.path("accounts.pub"), &accounts.public_key_pem())?;
        files::write(&self.path("audit-policy.yaml"), AUDIT_POLICY)?;
        files::write(&self.path("stages.yaml"), STAGES)?;
        for (file, user, group) in USERS {
            let identity: Identity = authority.user(user, group)?;
            self.write_kubeconfig(file, &Credentials::Certificate(&identity))?;
        }
        Ok(())
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The path of a user's kubeconfig.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.path(&format!("{user}.kubeconfig"))
    }

    /// Writes the kubeconfig of a user and returns its path.
    pub(crate) fn write_kubeconfig(&self, user: &str, credentials: &Credentials<'_>) -> Result<PathBuf> {
        self.write_kubeconfig_for(&self.url(), user, credentials)
    }

    /// The same for a server that stands before the API server.
    pub(crate) fn write_kubeconfig_for(
        &self,
        server: &str,
        user: &str,
        credentials: &Credentials<'_>,
    ) -> Result<PathBuf> {
        let path = self.kubeconfig(user);
        kubeconfig::write(&path, server, &self.authority, credentials)?;
        Ok(path)
    }

    /// The URL of the API server.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }

    /// Where etcd takes requests.
    pub(crate) fn etcd_address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.etcd).into()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the log of a program.
    pub(crate) fn log(&self, program: &str) -> PathBuf {
        self.path(&format!("{program}.log"))
    }

    /// What was asked of the API server.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.path("audit.log")
    }

    /// Starts a part by its name.
    pub(crate) fn start_part(&self, name: &str) -> Result<Process> {
        let arguments = match name {
            "etcd" => self.etcd(),
            "kube-apiserver" => {
                let mut arguments = self.api_server(self.etcd_address(), self.api_server);
                arguments.push(flag("audit-policy-file", self.path("audit-policy.yaml").display()));
                arguments.push(flag("audit-log-path", self.audit_log().display()));
                arguments
            }
            "kube-controller-manager" => self.controller_manager(),
            "kube-scheduler" => self.scheduler(),
            "kwok" => self.kwok(),
            other => bail!("the control plane has no part `{other}`"),
        };
        self.start_program(name, &arguments, name)
    }

    /// Starts an API server beside the first, on this port and on the data of this etcd.
    pub(crate) fn start_another_api_server(&self, etcd: SocketAddr, port: u16) -> Result<Process> {
        self.start_program("kube-apiserver", &self.api_server(etcd, port), "second-api-server")
    }

    fn start_program(&self, name: &str, arguments: &[String], log: &str) -> Result<Process> {
        let start = Start {
            program: &self.programs.path(name),
            arguments,
            environment: &[],
            log: self.log(log),
            remove: None,
        };
        Process::start(&self.programs, &start)
    }

    /// Starts what removes the folder when it is killed, and does nothing else.
    pub(crate) fn start_folder(&self) -> Result<Process> {
        let start = Start {
            program: Path::new("sleep"),
            arguments: &["infinity".to_owned()],
            environment: &[],
            log: self.path("folder.log"),
            remove: Some(self.folder.as_path()),
        };
        Process::start(&self.programs, &start)
    }

    fn etcd(&self) -> Vec<String> {
        let clients = format!("http://127.0.0.1:{}", self.etcd);
        let peers = format!("http://127.0.0.1:{}", self.etcd_peers);
        vec![
            flag("data-dir", self.path("etcd").display()),
            flag("listen-client-urls", &clients),
            flag("advertise-client-urls", &clients),
            flag("listen-peer-urls", &peers),
            flag("initial-advertise-peer-urls", &peers),
            flag("initial-cluster", format_args!("default={peers}")),
            // The data need not survive the machine.
            "--unsafe-no-fsync".to_owned(),
            flag("log-level", "warn"),
        ]
    }

    fn api_server(&self, etcd: SocketAddr, port: u16) -> Vec<String> {
        let file = |name: &str, path: &str| flag(name, self.path(path).display());
        vec![
            flag("etcd-servers", format_args!("http://{etcd}")),
            flag("secure-port", port),
            flag("bind-address", "127.0.0.1"),
            file("cert-dir", "certificates"),
            file("tls-cert-file", "server.crt"),
            file("tls-private-key-file", "server.key"),
            file("client-ca-file", "ca.crt"),
            file("service-account-key-file", "accounts.pub"),
            file("service-account-signing-key-file", "accounts.key"),
            flag("service-account-issuer", "https://kubernetes.default.svc"),
            flag("authorization-mode", "Node,RBAC"),
            flag("service-cluster-ip-range", "10.96.0.0/16"),
            flag("allow-privileged", "true"),
            // There is no network in which others could look for this server.
            flag("endpoint-reconciler-type", "none"),
        ]
    }

    fn controller_manager(&self) -> Vec<String> {
        vec![
            flag("kubeconfig", self.kubeconfig("kube-controller-manager").display()),
            flag("service-account-private-key-file", self.path("accounts.key").display()),
            flag("root-ca-file", self.path("ca.crt").display()),
            flag("use-service-account-credentials", "true"),
            flag("leader-elect", "false"),
            // Nobody else asks the API server: what takes seconds by the usual limits would take them of every test.
            flag("kube-api-qps", 500),
            flag("kube-api-burst", 1000),
            // No port: nobody asks it.
            flag("secure-port", 0),
        ]
    }

    fn scheduler(&self) -> Vec<String> {
        vec![
            flag("kubeconfig", self.kubeconfig("kube-scheduler").display()),
            flag("leader-elect", "false"),
            flag("secure-port", 0),
        ]
    }

    fn kwok(&self) -> Vec<String> {
        vec![
            flag("kubeconfig", self.kubeconfig("kwok").display()),
            flag("config", self.path("stages.yaml").display()),
            flag("manage-all-nodes", "true"),
            flag("node-ip", "127.0.0.1"),
            flag("node-lease-duration-seconds", 40),
        ]
    }
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}
