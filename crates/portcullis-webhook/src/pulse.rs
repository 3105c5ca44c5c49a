//! What a connection is waiting for, and how long it may: one timer for all of its requests.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::Limits;
use crate::frames::Frames;
use crate::head::Head;
use crate::slots::Slot;

/// What a connection is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The next request.
    Idle,
    /// The rest of the headers; in HTTP/2 that of any frame.
    Headers,
    /// Bodies and reviews, which have time limits of their own.
    Busy,
    /// The client, to take the answer.
    Answering,
    /// The client, to close the connection.
    Lingering,
}

/// The phase of a connection. The stream, the requests and the timer of the connection share it.
#[derive(Debug)]
pub(crate) struct Pulse {
    state: Mutex<State>,
    /// Bytes of headers in HTTP/1. In HTTP/2 there is none, and frames are followed.
    header_bytes: Option<usize>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    /// Requests at work: one in HTTP/1, one per stream in HTTP/2.
    active: usize,
    /// Answers that the client has not taken yet: in HTTP/2 it says for each stream how much it takes.
    untaken: usize,
    /// Whether there was a request.
    served: bool,
    head: Head,
    frames: Frames,
}

impl State {
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.since = Instant::now();
    }
}

impl Pulse {
    /// With `header_bytes` for HTTP/1, where what comes on an idle connection is the beginning of a request.
    pub(crate) fn new(header_bytes: Option<usize>) -> Arc<Self> {
        let state = State {
            phase: Phase::Idle,
            since: Instant::now(),
            active: 0,
            untaken: 0,
            served: false,
            head: Head::default(),
            frames: Frames::new(),
        };
        Arc::new(Self { state: Mutex::new(state), header_bytes })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request has begun; it ends when what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Beat {
        let mut state = self.state();
        state.active += 1;
        state.served = true;
        state.phase = Phase::Busy;
        state.head.take();
        Beat(self.clone())
    }

    /// [`Head::has`] of the request at hand, in HTTP/1.
    pub(crate) fn had_header(&self, name: &[u8]) -> Option<bool> {
        self.state().head.has(name)
    }

    fn received(&self, bytes: &[u8]) {
        let mut state = self.state();
        let Some(header_bytes) = self.header_bytes else { return state.frames.follow(bytes) };
        match state.phase {
            Phase::Idle => {
                state.enter(Phase::Headers);
                state.head.begin(bytes);
            }
            Phase::Headers => state.head.extend(bytes, header_bytes),
            Phase::Busy | Phase::Answering | Phase::Lingering => {}
        }
    }

    fn flushed(&self) {
        let mut state = self.state();
        if state.phase == Phase::Answering && state.untaken == 0 {
            state.enter(Phase::Idle);
        }
    }

    /// The connection is about to be closed.
    pub(crate) fn linger(&self) {
        self.state().enter(Phase::Lingering);
    }

    /// The phase, and when it has lasted too long; or when to ask again.
    fn due(&self, limits: &Limits, slot: &Slot, closing: Option<Instant>, now: Instant) -> (Phase, Instant) {
        let state = self.state();
        let (phase, since) = match (state.phase, state.frames.unfinished()) {
            // Requests have limits of their own: what began meanwhile counts from when none is at work.
            (Phase::Idle, Some(begun)) => (Phase::Headers, begun.max(state.since)),
            (phase, _) => (phase, state.since),
        };
        let due = match (phase, closing) {
            (Phase::Idle, Some(closing)) => since.max(closing) + limits.drain_close,
            // However scarce places are: the next request may be on its way, and would be lost. What bounds this is that each
            // source has its share.
            (Phase::Idle, _) if state.served => since + limits.idle,
            // A client may open a connection in advance, and use it as late as any other. Where places are scarce it
            // must use it at once.
            (Phase::Idle, _) if slot.crowded() => since + limits.headers.min(limits.idle),
            (Phase::Idle, _) => (since + limits.idle).min(now + limits.headers),
            (Phase::Headers, _) => since + limits.headers,
            (Phase::Busy, _) => now + limits.idle,
            (Phase::Answering, _) => since + limits.response,
            (Phase::Lingering, _) => since + limits.linger,
        };
        (phase, due)
    }
}

/// A request at work.
#[derive(Debug)]
pub(crate) struct Beat(Arc<Pulse>);

impl Beat {
    /// The request has its answer, which the client is to take.
    pub(crate) fn answered(self) -> Untaken {
        self.0.state().untaken += 1;
        Untaken(self.0.clone())
    }
}

/// An answer that waits for the client. It is dropped when its last byte is written, before the stream is flushed, or when
/// the client has given it up.
#[derive(Debug)]
pub(crate) struct Untaken(Arc<Pulse>);

impl Drop for Untaken {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.untaken = state.untaken.saturating_sub(1);
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.active = state.active.saturating_sub(1);
        if state.active == 0 && state.phase == Phase::Busy {
            state.enter(Phase::Answering);
        }
    }
}

/// Ends with the phase that lasts too long. It must be polled whenever the connection was, and after it.
///
/// The timer is set anew only when it is due later than it should be, which with requests in quick succession is
/// once in a few seconds.
#[derive(Debug)]
pub(crate) struct Watchdog {
    pulse: Arc<Pulse>,
    timer: Pin<Box<Sleep>>,
    closing: Option<Instant>,
}

impl Watchdog {
    pub(crate) fn new(pulse: Arc<Pulse>) -> Self {
        Self { pulse, timer: Box::pin(sleep_until(Instant::now())), closing: None }
    }

    /// From now on the connection is idle for [`Limits::drain_close`] at most.
    pub(crate) fn close(&mut self) {
        self.closing.get_or_insert(Instant::now());
    }

    pub(crate) fn poll(&mut self, limits: &Limits, slot: &Slot, cx: &mut Context<'_>) -> Poll<Phase> {
        loop {
            let now = Instant::now();
            let (phase, due) = self.pulse.due(limits, slot, self.closing, now);
            if due <= now {
                return Poll::Ready(phase);
            }
            if due < self.timer.deadline() || self.timer.is_elapsed() {
                self.timer.as_mut().reset(due);
            }
            ready!(self.timer.as_mut().poll(cx));
        }
    }
}

/// A stream that tells the pulse what happens on it, and that waits for the client when it is shut down.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    pulse: Arc<Pulse>,
    /// The client has closed its side.
    ended: bool,
    /// How far we have closed ours.
    shutdown: Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shutdown {
    No,
    Begun,
    Done,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse, ended: false, shutdown: Shutdown::No }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        match buffer.filled().get(before..) {
            Some(bytes) if !bytes.is_empty() && result.is_ok() => self.pulse.received(bytes),
            _ => self.ended = true,
        }
        Poll::Ready(result)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.pulse.flushed();
        Poll::Ready(result)
    }

    /// Closes our side, and then reads until the client has closed its own: what is still unread when a socket is
    /// closed resets the connection, and the client may lose the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shutdown == Shutdown::No {
            self.shutdown = Shutdown::Begun;
            self.pulse.linger();
        }
        if self.shutdown == Shutdown::Begun {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.shutdown = Shutdown::Done;
        }
        let mut discarded = [0; 4096];
        while !self.ended {
            let mut buffer = ReadBuf::new(&mut discarded);
            // An error ends it as well, and nobody is left to be told of it.
            let _ = ready!(self.as_mut().poll_read(cx, &mut buffer));
        }
        Poll::Ready(Ok(()))
    }
}
