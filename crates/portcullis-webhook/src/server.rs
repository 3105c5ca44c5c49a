//! The HTTPS server: who accepts connections.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use crate::limits::cores;
use crate::slots::{Slot, Slots};
use crate::turns::Turns;
use crate::{Certificates, Lifecycle, Limits, Metrics, Reviewer, Stage, TlsError, connection, tls};

/// The first byte of a TLS record that begins a handshake.
const HANDSHAKE: u8 = 22;
/// What a client that speaks HTTP without TLS is told.
const NOT_TLS: &[u8] = b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
    Connection: close\r\n\r\nthis port speaks HTTPS\n";
/// How long nothing is accepted after the system could not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Worker threads for the runtime of a server: as many as cores, since a review that takes long leaves its worker to others.
pub fn worker_threads() -> usize {
    cores()
}

/// An admission webhook server.
#[derive(Debug)]
pub struct Server<R> {
    shared: Arc<Shared<R>>,
}

/// What all connections share.
pub(crate) struct Shared<R> {
    pub(crate) reviewer: R,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) acceptor: TlsAcceptor,
    pub(crate) slots: Arc<Slots>,
    pub(crate) turns: Turns,
}

impl<R> std::fmt::Debug for Shared<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<R: Reviewer> Server<R> {
    /// A server that asks `reviewer` and answers handshakes with `certificates`. With `client_authorities` (PEM) it
    /// serves only clients that show a certificate of theirs.
    ///
    /// # Errors
    /// The client authorities cannot be used.
    pub fn new(
        reviewer: R,
        certificates: Arc<Certificates>,
        client_authorities: Option<&str>,
        limits: Limits,
        metrics: Arc<Metrics>,
        lifecycle: Lifecycle,
    ) -> Result<Self, TlsError> {
        let acceptor = tls::config(certificates, client_authorities)?.into();
        let slots = Slots::new(&limits);
        let turns = Turns::new(&limits);
        Ok(Self { shared: Arc::new(Shared { reviewer, limits, metrics, lifecycle, acceptor, slots, turns }) })
    }

    /// Serves the connections of `listener` until the lifecycle ends: it returns when it accepts no more and no connection
    /// is left. Run it on a runtime of [`worker_threads`] workers.
    pub async fn serve(&self, listener: TcpListener) {
        let mut closing = pin!(self.shared.lifecycle.reached(Stage::Closing));
        loop {
            tokio::select! {
                biased;
                () = &mut closing => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.accept(stream, peer.ip()),
                    Err(error) if concerns_one_connection(&error) => {}
                    Err(error) => {
                        // No file descriptors or no memory: to try again at once would only take the processor too.
                        tracing::warn!(%error, "cannot accept connections");
                        sleep_until(Instant::now() + ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        self.shared.slots.emptied().await;
    }

    fn accept(&self, stream: TcpStream, peer: IpAddr) {
        let Some(slot) = self.slot(peer) else { return };
        // Answers are written whole: there is nothing to wait for.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let shared = self.shared.clone();
        tokio::spawn(async move {
            match timeout(shared.limits.handshake, speaks_tls(&stream)).await {
                Ok(Ok(true)) => connection::serve(shared, stream, slot).await,
                Ok(Ok(false)) => {
                    shared.metrics.closed("plain_http");
                    // Who is gone already has nothing to read.
                    let _ = timeout(shared.limits.linger, refuse_plain(stream)).await;
                }
                Ok(Err(_)) => shared.metrics.closed("handshake_failed"),
                Err(_) => shared.metrics.closed("handshake_timeout"),
            }
        });
    }

    /// Serves a connection that came another way than through a listener, for tests with streams in memory.
    pub async fn serve_stream(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: IpAddr,
    ) {
        if let Some(slot) = self.slot(peer) {
            connection::serve(self.shared.clone(), stream, slot).await;
        }
    }

    fn slot(&self, peer: IpAddr) -> Option<Slot> {
        let slot = self.shared.slots.take(peer);
        slot.inspect_err(|full| self.shared.metrics.closed(full.reason())).ok()
    }
}

/// Whether an error of `accept` is about the connection that was to be accepted, and not about the next one.
fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Waits for the first byte and looks at it.
async fn speaks_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first == [HANDSHAKE]),
    }
}

async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(NOT_TLS).await?;
    stream.shutdown().await?;
    // What is unread when the socket is closed resets the connection, and the answer may be lost.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(())
}
