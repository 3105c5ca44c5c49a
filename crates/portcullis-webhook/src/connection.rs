//! One connection, from the handshake to the end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::pulse::{Phase, Pulse, Watchdog, Watched};
use crate::server::Shared;
use crate::slots::Slot;
use crate::{Reviewer, Stage, service, tls};

/// Who is at the other end.
#[derive(Debug)]
pub(crate) struct Peer<R> {
    pub(crate) shared: Arc<Shared<R>>,
    pub(crate) slot: Slot,
    pub(crate) pulse: Arc<Pulse>,
}

/// Serves one connection until either side ends it.
pub(crate) async fn serve<R, S>(shared: Arc<Shared<R>>, stream: S, slot: Slot)
where
    R: Reviewer,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let accept = timeout(shared.limits.handshake, shared.acceptor.accept(stream));
    let stream = match accept.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(reason)) => {
            shared.metrics.closed("handshake_failed");
            return tracing::debug!(%reason, "handshake failed");
        }
        Err(_) => return shared.metrics.closed("handshake_timeout"),
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
    let pulse = Pulse::new((!http2).then_some(shared.limits.header_bytes));
    let io = TokioIo::new(Watched::new(stream, pulse.clone()));
    let peer = Arc::new(Peer { shared, slot, pulse });
    let of_service = peer.clone();
    let service = service_fn(move |request| service::answer(of_service.clone(), request));
    let limits = &peer.shared.limits;
    if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .serve_connection(io, service);
        drive(&peer, pin!(connection), Stage::Closing, http2::Connection::graceful_shutdown).await;
    } else {
        // The time for the headers is the pulse's to watch: hyper's would count idle connections too.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits.header_bytes)
            .serve_connection(io, service);
        drive(&peer, pin!(connection), Stage::Hurrying, http1::Connection::graceful_shutdown).await;
    }
}

/// Drives a connection to its end: its own, that of its time, or that of the server. From stage `leaving` on it is told to
/// `leave` after the request at hand. For HTTP/2 that loses nothing; HTTP/1 closes idle connections at once.
async fn drive<R, C: Future<Output = hyper::Result<()>>>(
    peer: &Peer<R>,
    mut connection: Pin<&mut C>,
    leaving: Stage,
    leave: fn(Pin<&mut C>),
) {
    let shared = &peer.shared;
    let mut stages = shared.lifecycle.subscribe();
    let mut watchdog = Watchdog::new(peer.pulse.clone());
    loop {
        let stage = *stages.borrow_and_update();
        if stage == Stage::Ended {
            return shared.metrics.closed("ended");
        }
        if stage >= leaving {
            leave(connection.as_mut());
        }
        let mut alive = poll_fn(|cx| match connection.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Err(result)),
            Poll::Pending => watchdog.poll(&shared.limits, &peer.slot, cx).map(Ok),
        });
        tokio::select! {
            biased;
            phase = &mut alive => match phase {
                Err(Ok(())) => return,
                Err(Err(reason)) => {
                    shared.metrics.closed("protocol_error");
                    return tracing::debug!(%reason, "connection failed");
                }
                Ok(phase) => {
                    shared.metrics.closed(match phase {
                        Phase::Headers => "headers_timeout",
                        Phase::Answering => "response_timeout",
                        Phase::Idle | Phase::Busy | Phase::Lingering => return,
                    });
                    return;
                }
            },
            _ = stages.changed() => {}
        }
    }
}
