//! How fast we ask the API server: one limiter that all clients of the process share.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode, header};
use kube::client::Body;
use tokio::time::Instant;
use tower::Service;

use crate::backoff::{Backoff, random_part};
use crate::error::TimedOut;
use crate::queries::QueryCounts;

/// Whose request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Somebody waits for the answer to an admission review: never queued behind background work.
    Admission,
    /// Watches, controllers, Events.
    Background,
}

/// How long an answer may take to begin. Bodies have their own limits where they are read.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(30);
/// How often a request that was put off is sent in all.
const ATTEMPTS: u32 = 5;
/// A longer `Retry-After` is taken for this.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// The pace of requests, and the pauses the API server asked for.
///
/// Background requests are paced (100 a second, 200 at once). When the API server answers 429, everybody of the class
/// that was refused waits as long as it said, or by a growing delay if it did not say; a refusal of background work
/// does not hold up admission.
#[derive(Debug)]
pub(crate) struct Limiter {
    state: Mutex<State>,
    interval: Duration,
    burst: u32,
}

#[derive(Debug)]
struct State {
    /// When the next background request is due if no burst were allowed.
    due: Option<Instant>,
    admission: Pause,
    background: Pause,
}

#[derive(Debug)]
struct Pause {
    until: Option<Instant>,
    backoff: Backoff,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(100, 200)
    }
}

impl Limiter {
    /// Lets `per_second` background requests pass, and `burst` of them at once.
    pub(crate) fn new(per_second: u32, burst: u32) -> Self {
        let pause =
            || Pause { until: None, backoff: Backoff::new(Duration::from_secs(1), Duration::from_secs(30)) };
        let state = State { due: None, admission: pause(), background: pause() };
        Self { state: Mutex::new(state), interval: Duration::from_secs(1) / per_second.max(1), burst }
    }

    /// Waits until a request of `class` may be sent.
    async fn admit(&self, class: Class) {
        let slot = self.reserve(class);
        tokio::time::sleep_until(slot).await;
        while let Some(until) = self.paused_until(class) {
            tokio::time::sleep_until(until + random_part(Duration::from_millis(200))).await;
        }
    }

    /// Takes the next slot; the caller waits for it.
    fn reserve(&self, class: Class) -> Instant {
        let now = Instant::now();
        if class == Class::Admission {
            return now;
        }
        let mut state = self.lock();
        let due = state.due.map_or(now, |due| due.max(now));
        state.due = Some(due + self.interval);
        let early = self.interval * self.burst.saturating_sub(1);
        due.checked_sub(early).map_or(now, |slot| slot.max(now))
    }

    fn paused_until(&self, class: Class) -> Option<Instant> {
        let mut state = self.lock();
        let until = state.pause(class).until?;
        (until > Instant::now()).then_some(until)
    }

    /// The API server has put a request of `class` off.
    fn refused(&self, class: Class, retry_after: Option<Duration>) {
        let mut state = self.lock();
        let pause = state.pause(class);
        let delay = retry_after.map_or_else(|| pause.backoff.next_delay(), |asked| asked.min(LONGEST_PAUSE));
        let until = Instant::now() + delay;
        pause.until = Some(pause.until.map_or(until, |known| known.max(until)));
    }

    fn accepted(&self, class: Class) {
        self.lock().pause(class).backoff.reset();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing in a critical section can leave the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn pause(&mut self, class: Class) -> &mut Pause {
        match class {
            Class::Admission => &mut self.admission,
            Class::Background => &mut self.background,
        }
    }
}

/// A client whose requests pass the limiter. Requests that are put off (429: not carried out) are sent again.
#[derive(Clone)]
pub(crate) struct Limited {
    pub(crate) client: kube::Client,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) class: Class,
    pub(crate) queries: Arc<QueryCounts>,
}

impl Service<Request<Body>> for Limited {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, kube::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), kube::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.clone().send(request).boxed()
    }
}

impl Limited {
    async fn send(self, request: Request<Body>) -> Result<Response<Body>, kube::Error> {
        let (parts, mut body) = request.into_parts();
        let mut attempt = 1;
        loop {
            self.limiter.admit(self.class).await;
            // A body that is a stream cannot be sent twice; ours are bytes.
            let again = body.try_clone();
            self.queries.count(&parts.method, &parts.uri);
            let answer = self.client.send(Request::from_parts(parts.clone(), body));
            let response = tokio::time::timeout(ANSWER_TIME, answer)
                .await
                .map_err(|_| kube::Error::Service(Box::new(TimedOut(ANSWER_TIME))))??;
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                self.limiter.accepted(self.class);
                return Ok(response);
            }
            let retry_after = retry_after(response.headers());
            self.limiter.refused(self.class, retry_after);
            tracing::debug!(uri = %parts.uri, attempt, ?retry_after, "API server is busy");
            match again {
                Some(again) if attempt < ATTEMPTS => body = again,
                _ => return Ok(response),
            }
            attempt += 1;
        }
    }
}

/// `Retry-After` in seconds; the form with a date is not used by API servers.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests;
