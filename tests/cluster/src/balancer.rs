//! A TCP balancer on loopback, which stands for the Service of a Deployment.
//!
//! As kube-proxy, it gives a new connection to one of the replicas whose readiness probe succeeded, in turn, and leaves open
//! ones alone. A replica that refuses a connection is passed over and not asked before its next probe.
//!
//! Paced because replicas are probed, as a kubelet does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use crate::plain_http::get;
use crate::wait;

/// How often replicas are probed, and how long an answer may take: a kubelet asks less often, and wants no answer three
/// times before it counts.
const PROBE_EVERY: Duration = Duration::from_millis(100);
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The balancer. It and all its connections are gone when it is dropped.
#[derive(Debug)]
pub struct Balancer {
    address: SocketAddr,
    backends: Arc<Backends>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Backends(Mutex<Vec<Backend>>);

/// A replica behind the balancer.
#[derive(Debug)]
struct Backend {
    address: SocketAddr,
    probes: SocketAddr,
    is_ready: bool,
    /// The connections that are open.
    open: usize,
    /// Those that ever were.
    accepted: usize,
}

impl Backends {
    fn lock(&self) -> MutexGuard<'_, Vec<Backend>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, address: SocketAddr, change: impl FnOnce(&mut Backend)) {
        self.lock().iter_mut().find(|backend| backend.address == address).map(change);
    }
}

impl Balancer {
    /// A balancer without replicas.
    ///
    /// # Errors
    /// There is no port for it.
    pub async fn start() -> Result<Balancer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let backends = Arc::new(Backends::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(probe(backends.clone()));
        tasks.spawn(accept(listener, backends.clone()));
        Ok(Balancer { address, backends, _tasks: tasks })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes a replica in, which gets connections once it is ready; `probes` is where it is asked that.
    pub fn add(&self, address: SocketAddr, probes: SocketAddr) {
        self.backends.lock().push(Backend { address, probes, is_ready: false, open: 0, accepted: 0 });
    }

    /// Waits until this replica gets connections, or gets none any more.
    ///
    /// # Errors
    /// That does not come to be.
    pub async fn until_ready_is(&self, address: SocketAddr, is_ready: bool) -> Result<()> {
        self.until("the readiness of a replica", address, |backend| backend.is_ready == is_ready).await
    }

    /// Waits until no connection to this replica is open.
    ///
    /// # Errors
    /// That does not come to be.
    pub async fn until_closed(&self, address: SocketAddr) -> Result<()> {
        self.until("the end of all connections to a replica", address, |backend| backend.open == 0).await
    }

    /// How many connections to this replica are open, and how many ever were.
    pub fn connections(&self, address: SocketAddr) -> (usize, usize) {
        let backends = self.backends.lock();
        let backend = backends.iter().find(|backend| backend.address == address);
        backend.map_or((0, 0), |backend| (backend.open, backend.accepted))
    }

    async fn until(&self, what: &str, address: SocketAddr, is_so: impl Fn(&Backend) -> bool) -> Result<()> {
        wait::until(what, async || {
            let backends = self.backends.lock();
            let backend = backends.iter().find(|backend| backend.address == address);
            ensure!(backend.is_some_and(&is_so), "{backend:?}");
            Ok(Some(()))
        })
        .await
    }
}

/// Asks all replicas again and again whether they are ready.
async fn probe(backends: Arc<Backends>) {
    let mut ticks = interval(PROBE_EVERY);
    loop {
        ticks.tick().await;
        let all: Vec<_> = backends.lock().iter().map(|backend| (backend.address, backend.probes)).collect();
        let mut asked = JoinSet::new();
        for (address, probes) in all {
            asked.spawn(async move {
                let answer = timeout(PROBE_TIMEOUT, get(probes, "/readyz")).await;
                (address, matches!(answer, Ok(Ok(answer)) if answer.starts_with("HTTP/1.1 200 ")))
            });
        }
        while let Some(Ok((address, is_ready))) = asked.join_next().await {
            backends.change(address, |backend| backend.is_ready = is_ready);
        }
    }
}

async fn accept(listener: TcpListener, backends: Arc<Backends>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(carry(client, backends.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Carries one connection until either end is closed.
async fn carry(mut client: TcpStream, backends: Arc<Backends>) {
    while let Some(address) = next(&backends) {
        let Ok(mut server) = TcpStream::connect(address).await else {
            backends.change(address, |backend| backend.is_ready = false);
            continue;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        backends.change(address, |backend| {
            backend.open += 1;
            backend.accepted += 1;
        });
        // A connection that is reset is at its end.
        let _ = copy_bidirectional(&mut client, &mut server).await;
        // Who waits for the end of all connections is to find that the client has been told.
        drop(client);
        backends.change(address, |backend| backend.open -= 1);
        return;
    }
}

/// The ready replica that was given the fewest connections.
fn next(backends: &Backends) -> Option<SocketAddr> {
    let backends = backends.lock();
    let ready = backends.iter().filter(|backend| backend.is_ready);
    ready.min_by_key(|backend| backend.accepted).map(|backend| backend.address)
}
