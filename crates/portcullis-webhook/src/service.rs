//! One request: what is no review is refused by a status code, a review is judged and answered.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};
use portcullis_model::Review;
use tokio::time::Instant;

use crate::connection::Peer;
use crate::metrics::Reviewed;
use crate::slots::Room;
use crate::weight::weight;
use crate::{Deadline, Limits, Reviewer, Route, Stage, Verdict, answer, body, deadline, health, response};

/// Bytes of a uid, which is 36 in practice.
const UID_BYTES: usize = 1024;
/// What a reviewer that panics is answered by, when the failure policy has spoken.
const PANICKED: &str = "the policies could not be evaluated: internal error";

/// Why a request is not judged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{0}")]
    Bad(String),
    #[error("nothing is served at this path")]
    NotFound,
    #[error("only POST is served at this path")]
    Method,
    #[error("the body did not arrive in time")]
    Late,
    #[error("the body is larger than is accepted")]
    TooLarge,
    #[error("the body holds more values than are accepted")]
    TooManyValues,
    #[error("the path is longer than is accepted")]
    PathTooLong,
    #[error("{0}")]
    MediaType(&'static str),
    #[error("too many bytes of bodies are held already")]
    NoRoom,
    #[error("too many reviews are at work already")]
    Busy,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::Bad(_) => StatusCode::BAD_REQUEST,
            Refusal::NotFound => StatusCode::NOT_FOUND,
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Late => StatusCode::REQUEST_TIMEOUT,
            Refusal::TooLarge | Refusal::TooManyValues => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::PathTooLong => StatusCode::URI_TOO_LONG,
            Refusal::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::NoRoom | Refusal::Busy => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::from(format!("{self}\n")));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        match self {
            Refusal::Method => drop(headers.insert(ALLOW, HeaderValue::from_static("POST"))),
            Refusal::NoRoom | Refusal::Busy => {
                drop(headers.insert(RETRY_AFTER, HeaderValue::from_static("1")))
            }
            _ => {}
        }
        response
    }
}

/// Answers a request.
pub(crate) async fn answer<R: Reviewer>(
    peer: Arc<Peer<R>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let beat = peer.pulse.begin();
    let (version, is_head) = (request.version(), request.method() == Method::HEAD);
    let answered = serve(&peer, request).await;
    // What a refused request still brings must not be read as the next one. When only the review was refused, all was
    // read, and a new handshake would be work for nothing.
    let refused = answered.as_ref().is_err_and(|refusal| !matches!(refusal, Refusal::Busy));
    let (mut response, room) = answered.unwrap_or_else(|refusal| {
        peer.shared.metrics.refused(refusal.status().as_u16());
        (refusal.response(), None)
    });
    let close = refused || peer.shared.lifecycle.stage() >= Stage::Closing;
    if close && version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if is_head {
        // HTTP/2's library would send it.
        response.body_mut().clear();
    }
    Ok(response.map(|bytes| answer::body(bytes, beat.answered(), room)))
}

/// The response, and the room that its body has, which is as large as policies make it.
async fn serve<R: Reviewer>(
    peer: &Peer<R>,
    request: Request<Incoming>,
) -> Result<(Response<Bytes>, Option<Room>), Refusal> {
    let start = Instant::now();
    let shared = &peer.shared;
    let (head, mut body) = request.into_parts();
    if head.method == Method::GET
        && let Some(response) = health::on_webhook_port(head.uri.path(), &shared.lifecycle)
    {
        return Ok((response, None));
    }
    let Asked { route, body, mut room, due } = match receive(peer, &head, &mut body, start).await {
        Ok(asked) => {
            // What still comes is not kept during the review.
            drop(body);
            asked
        }
        Err(refusal) => {
            if head.version == Version::HTTP_2 && !body.is_end_stream() {
                // The body may be twice as large as is accepted. Until it ends, it takes one of the streams of the connection.
                tokio::spawn(body::discard(body, 2 * shared.limits.body_bytes, shared.limits.linger));
            }
            return Err(refusal);
        }
    };
    let turn = shared.turns.take().ok_or(Refusal::Busy)?;
    let long = body.len() >= shared.limits.long_review_bytes;
    let review = |deadline: &Deadline<'_>| {
        if long {
            make_room(&mut room, weight(&body), &shared.limits)?;
        }
        judge(peer, &route, &body, deadline, start)
    };
    let answer = turn.run(long, due, review).await?;
    drop(body);
    if !room.hold_instead(answer.len()) {
        return Err(Refusal::NoRoom);
    }
    shared.metrics.answered(head.uri.path(), &route, start.elapsed());
    let mut response = Response::new(Bytes::from(answer));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok((response, Some(room)))
}

/// A review that is asked for, and that may be judged.
struct Asked<'a> {
    route: Route<'a>,
    body: Bytes,
    /// What the body has.
    room: Room,
    /// When the answer is due.
    due: Instant,
}

/// Receives a review, or says why not as soon as that is known.
async fn receive<'a, R: Reviewer>(
    peer: &Peer<R>,
    head: &'a Parts,
    body: &mut Incoming,
    start: Instant,
) -> Result<Asked<'a>, Refusal> {
    let limits = &peer.shared.limits;
    let path = head.uri.path();
    let query = head.uri.query();
    if path.len() + query.map_or(0, str::len) > limits.path_bytes {
        return Err(Refusal::PathTooLong);
    }
    let route = Route::parse(path).ok_or(Refusal::NotFound)?;
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    check_headers(&head.headers)?;
    // The library has dropped a `Content-Length` beside it: only the bytes tell.
    let chunked = head.headers.contains_key(TRANSFER_ENCODING);
    if chunked && peer.pulse.had_header(b"content-length") != Some(false) {
        let reason =
            "`Transfer-Encoding` with `Content-Length`, or behind a request that was not answered yet";
        return Err(Refusal::Bad(reason.to_owned()));
    }
    let due = deadline::due(query, limits, start);
    let mut room = peer.slot.room();
    let body = body::read(body, limits.body_bytes, &mut room, due.min(start + limits.body)).await?;
    Ok(Asked { route, body, room, due })
}

fn check_headers(headers: &HeaderMap) -> Result<(), Refusal> {
    let media_type = headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media_type = media_type.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    if !media_type.eq_ignore_ascii_case(b"application/json") {
        return Err(Refusal::MediaType("the content type must be `application/json`"));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(Refusal::MediaType("the body must not be encoded"));
    }
    Ok(())
}

/// Takes the room that the values of a body need, `weight` bytes.
fn make_room(room: &mut Room, weight: usize, limits: &Limits) -> Result<(), Refusal> {
    if weight > limits.bodies_in_flight_per_source.min(limits.bodies_in_flight) {
        return Err(Refusal::TooManyValues);
    }
    if room.grow(weight) { Ok(()) } else { Err(Refusal::NoRoom) }
}

/// Parses and judges a review, and writes the answer.
fn judge<R: Reviewer>(
    peer: &Peer<R>,
    route: &Route<'_>,
    body: &[u8],
    deadline: &Deadline<'_>,
    start: Instant,
) -> Result<Vec<u8>, Refusal> {
    let shared = &peer.shared;
    let body =
        str::from_utf8(body).map_err(|error| Refusal::Bad(format!("the body is not UTF-8: {error}")))?;
    let review = Review::parse(body).map_err(|error| Refusal::Bad(error.to_string()))?;
    let request = &review.request;
    if request.uid.len() > UID_BYTES {
        return Err(Refusal::Bad(format!("the uid has more than {UID_BYTES} bytes")));
    }
    // A reviewer holds no state that a panic could leave half changed: it has what it judges by value or behind a snapshot.
    let judged = catch_unwind(AssertUnwindSafe(|| shared.reviewer.review(route, &review, deadline)));
    let verdict = judged.unwrap_or_else(|_| {
        shared.metrics.panicked();
        tracing::error!(uid = %request.uid, kind = %request.gvk(), namespace = %request.namespace,
            name = %request.name, operation = %review.operation, "reviewer panicked");
        Verdict::by_failure_policy(route, PANICKED)
    });
    let reviewed = Reviewed::new(&review, route, verdict.allowed);
    shared.metrics.reviewed(&reviewed, start.elapsed());
    Ok(response::write(&request.uid, &verdict))
}
