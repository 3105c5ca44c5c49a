//! The server under measurement: `portcullis serve` on one core.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};

use crate::load::Target;
use crate::process::Process;

/// The core of the server; the clients have the others.
const CORE: usize = 0;
/// Below the ports that the system gives to outgoing connections: who tries again and again to reach a server that is
/// starting must not be given the server's own port.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// A server that does not take connections by then never will.
const PATIENCE: Duration = Duration::from_secs(60);

/// The certificate of the server and its key.
pub(crate) struct Keys {
    pub(crate) certificate: rcgen::Certificate,
    certificate_file: PathBuf,
    key_file: PathBuf,
}

impl Keys {
    /// Makes a key and writes it, with its certificate, into `folder`.
    pub(crate) fn make(folder: &Path) -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate_file, key_file) = (folder.join("tls.crt"), folder.join("tls.key"));
        fs::write(&certificate_file, made.cert.pem())?;
        fs::write(&key_file, made.signing_key.serialize_pem())?;
        Ok(Self { certificate: made.cert, certificate_file, key_file })
    }
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    started: Instant,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(program: &Path, policies: &Path, keys: &Keys) -> Result<Self> {
        let [listen, probes] = free_addresses()?;
        let mut command = Command::new(program);
        command
            .arg("serve")
            .arg("--policies")
            .arg(policies)
            .args(["--listen", &listen.to_string(), "--metrics-listen", &probes.to_string()])
            .arg("--tls-cert")
            .arg(&keys.certificate_file)
            .arg("--tls-key")
            .arg(&keys.key_file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let started = Instant::now();
        let child = on_core(|| command.spawn().with_context(|| format!("cannot run {command:?}")))?;
        Ok(Self { child, started, address: listen })
    }

    /// Waits until it takes connections; tells how long that is after its start.
    pub(crate) fn accept(&self) -> Result<Duration> {
        while TcpStream::connect(self.address).is_err() {
            if self.started.elapsed() > PATIENCE {
                bail!("the server takes no connections after {PATIENCE:?}");
            }
        }
        Ok(self.started.elapsed())
    }

    /// What it is to the system.
    pub(crate) fn process(&self) -> Result<Process> {
        Process::new(self.child.id())
    }

    /// How clients reach it.
    pub(crate) fn target(&self, keys: &Keys) -> Result<Target> {
        let mut roots = RootCertStore::empty();
        roots.add(keys.certificate.der().clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Target::new(self.address, ServerName::try_from("localhost")?, config))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nothing to be done where it has ended by itself. It is asked to end, and not killed: a binary that counts what of it
        // runs writes that at its end.
        if let Ok(process) = self.process() {
            let _ = kill(process.id(), Signal::SIGTERM);
        }
        let _ = self.child.wait();
    }
}

/// Runs `start` on the core of the server, which a process made by it keeps, and goes on on the others.
fn on_core<T>(start: impl FnOnce() -> Result<T>) -> Result<T> {
    let all = sched_getaffinity(Pid::from_raw(std::process::id().cast_signed()))?;
    let (mut own, mut others) = (CpuSet::new(), CpuSet::new());
    own.set(CORE)?;
    for core in 0..CpuSet::count() {
        if core != CORE {
            others.set(core)?;
        }
    }
    let this_thread = Pid::from_raw(0);
    sched_setaffinity(this_thread, &own)?;
    let started = start();
    // Where there is but one core both share it.
    sched_setaffinity(this_thread, &others).or_else(|_| sched_setaffinity(this_thread, &all))?;
    started
}

/// Lets this thread, and what it starts, run on every core again.
pub(crate) fn share_all_cores() -> Result<()> {
    let mut all = CpuSet::new();
    for core in 0..CpuSet::count() {
        all.set(core)?;
    }
    // Of a set that names more cores than there are, the system takes those that there are.
    Ok(sched_setaffinity(Pid::from_raw(0), &all)?)
}

/// Two addresses of loopback that nobody listens on.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let first = PORTS.start + u16::try_from(std::process::id() % 10_000)?;
    let addresses = (first..PORTS.end).map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let mut free = addresses.filter(|address| TcpListener::bind(address).is_ok());
    free.next().zip(free.next()).map(<[SocketAddr; 2]>::from).context("cannot find two free ports")
}
