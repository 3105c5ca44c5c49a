//! One connection, from the handshake to the end.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::time::timeout;

use crate::pulse::{Phase, Pulse, Watchdog, Watched};
use crate::repoll::Repoll;
use crate::server::Shared;
use crate::slots::Slot;
use crate::{Reviewer, Stage, service, tls};

/// Bytes that are read at once: mostly a whole review, where TLS's library would ask for four kilobytes at a time.
const READ_AHEAD: usize = 8 << 10;

/// Who is at the other end.
#[derive(Debug)]
pub(crate) struct Peer<R> {
    pub(crate) shared: Arc<Shared<R>>,
    pub(crate) slot: Arc<Slot>,
    pub(crate) pulse: Arc<Pulse>,
}

/// Serves one connection until either side ends it.
pub(crate) async fn serve<R, S>(shared: Arc<Shared<R>>, stream: S, slot: Slot)
where
    R: Reviewer,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = BufReader::with_capacity(READ_AHEAD, stream);
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
    let peer = Arc::new(Peer { shared, slot: Arc::new(slot), pulse });
    let of_service = peer.clone();
    let service = service_fn(move |request| service::answer(of_service.clone(), request));
    let limits = &peer.shared.limits;
    if http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(limits.streams)
            .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
            .serve_connection(io, service);
        drive(&peer, pin!(connection), http2::Connection::graceful_shutdown, true).await;
    } else {
        // The time for the headers is the pulse's to watch: hyper's would count idle connections too.
        let connection = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits.header_bytes)
            // More at once is no quicker, as TLS brings 16 KiB at a time; a connection keeps what it once took.
            .max_buf_size((2 * limits.header_bytes).max(READ_AHEAD))
            .serve_connection(io, service);
        drive(&peer, pin!(connection), http1::Connection::graceful_shutdown, false).await;
    }
}

/// Drives a connection to its end: its own, that of its time, or that of the server.
///
/// `leave` has it end after the requests at hand. Where a request that is on its way is not lost by that, which is so in
/// HTTP/2 (`loses_nothing`), it leaves as soon as the server does. In HTTP/1 it is answers that close a connection then,
/// and idleness after a while.
async fn drive<R, C: Future<Output = hyper::Result<()>>>(
    peer: &Peer<R>,
    mut connection: Pin<&mut C>,
    leave: fn(Pin<&mut C>),
    loses_nothing: bool,
) {
    let shared = &peer.shared;
    let mut stages = shared.lifecycle.subscribe();
    let mut watchdog = Watchdog::new(peer.pulse.clone());
    let (repoll, mut left) = (Repoll::new(), false);
    loop {
        let stage = *stages.borrow_and_update();
        if stage == Stage::Ended {
            return shared.metrics.closed("ended");
        }
        if stage == Stage::Closing {
            watchdog.close();
            if loses_nothing {
                leave(connection.as_mut());
            }
        }
        let mut end = poll_fn(|cx| {
            repoll.poll(cx, |cx| match connection.as_mut().poll(cx) {
                Poll::Ready(result) => Poll::Ready(End::Itself(result)),
                Poll::Pending => watchdog.poll(&shared.limits, &peer.slot, cx).map(End::Late),
            })
        });
        let end = tokio::select! {
            biased;
            end = &mut end => end,
            _ = stages.changed() => continue,
        };
        match end {
            End::Itself(Ok(())) => return,
            End::Itself(Err(reason)) => {
                tracing::debug!(%reason, "connection failed");
                return shared.metrics.closed("protocol_error");
            }
            End::Late(Phase::Idle) if !left => {
                left = true;
                leave(connection.as_mut());
                peer.pulse.linger();
            }
            End::Late(Phase::Headers) => return shared.metrics.closed("headers_timeout"),
            End::Late(Phase::Answering) => return shared.metrics.closed("response_timeout"),
            End::Late(Phase::Idle | Phase::Busy | Phase::Lingering) => return,
        }
    }
}

/// How a connection ends.
enum End {
    /// By itself.
    Itself(hyper::Result<()>),
    /// In a phase that lasts too long.
    Late(Phase),
}
