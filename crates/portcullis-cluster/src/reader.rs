//! Reading from the API server: whole answers with a limit, and watches line by line.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::core::Status;

use crate::answer::{Answer, GZIP};
use crate::connection::Connection;
use crate::error::{ApiError, Asked};

/// How long the body of an answer that is no watch may take.
const BODY_TIME: Duration = Duration::from_secs(30);
/// The longest line of a watch: an object of etcd's largest size, several times over.
const LONGEST_LINE: usize = 16 << 20;
/// The longest error that is read.
const LONGEST_STATUS: usize = 1 << 20;
/// A line buffer is given back when it has grown beyond this.
const KEPT_BUFFER: usize = 64 << 10;

/// One thing to read.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) asked: Asked,
    /// With the query string.
    pub(crate) path: String,
    pub(crate) accept: &'static str,
    /// The most bytes of an answer.
    pub(crate) limit: usize,
}

/// Reads over one client.
#[derive(Clone)]
pub(crate) struct Reader {
    client: Client,
    server: Arc<str>,
}

impl Reader {
    pub(crate) fn background(connection: &Connection) -> Self {
        Self { client: connection.background().clone(), server: connection.server().into() }
    }

    pub(crate) fn admission(connection: &Connection) -> Self {
        Self { client: connection.admission().clone(), server: connection.server().into() }
    }

    /// The body of the answer.
    pub(crate) async fn read(&self, query: &Query) -> Result<Vec<u8>, ApiError> {
        self.exchange(query, Method::GET, Vec::new()).await
    }

    /// The body of the answer to `body`, JSON that is sent along unless it is empty.
    pub(crate) async fn exchange(
        &self,
        query: &Query,
        method: Method,
        body: Vec<u8>,
    ) -> Result<Vec<u8>, ApiError> {
        let response = self.send(query, method, body, None).await?;
        self.collect(query, response.into_body(), query.limit).await
    }

    /// As [`Reader::exchange`], with what the headers say of it, and packed where it is long.
    pub(crate) async fn answer(
        &self,
        query: &Query,
        method: Method,
        body: Vec<u8>,
    ) -> Result<Answer, ApiError> {
        let (parts, body) = self.send(query, method, body, Some(GZIP)).await?.into_parts();
        let answer = Answer::new(&parts.headers, self.collect(query, body, query.limit).await?);
        if answer.length() > query.limit {
            return Err(ApiError::TooLong { asked: query.asked.clone(), limit: query.limit });
        }
        Ok(answer)
    }

    /// The lines of a watch.
    pub(crate) async fn watch(&self, query: Query) -> Result<Lines, ApiError> {
        let response = self.send(&query, Method::GET, Vec::new(), None).await?;
        let body = response.into_body();
        Ok(Lines { body, buffer: Vec::new(), start: 0, searched: 0, reader: self.clone(), query })
    }

    /// Begins an exchange whose answer may come in `encoding`.
    async fn send(
        &self,
        query: &Query,
        method: Method,
        body: Vec<u8>,
        encoding: Option<HeaderValue>,
    ) -> Result<Response<Body>, ApiError> {
        let mut request =
            Request::builder().method(method).uri(&query.path).header(header::ACCEPT, query.accept);
        if let Some(encoding) = encoding {
            request = request.header(header::ACCEPT_ENCODING, encoding);
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(if body.is_empty() { Body::empty() } else { Body::from(body) })
            .map_err(|error| self.unreadable(query, &error.to_string()))?;
        let response = self.client.send(request).await.map_err(|error| self.failed(query, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let code = response.status().as_u16();
        let body = self.collect(query, response.into_body(), LONGEST_STATUS).await.unwrap_or_default();
        let status = serde_json::from_slice(&body).unwrap_or_else(|_| {
            Status::failure(String::from_utf8_lossy(body.get(..256).unwrap_or(&body)).trim(), "")
        });
        Err(ApiError::from_status(query.asked.clone(), code, &status))
    }

    async fn collect(&self, query: &Query, mut body: Body, limit: usize) -> Result<Vec<u8>, ApiError> {
        let whole = async {
            let mut bytes = Vec::new();
            while let Some(data) = self.next_data(query, &mut body).await? {
                if bytes.len() + data.len() > limit {
                    return Err(ApiError::TooLong { asked: query.asked.clone(), limit });
                }
                bytes.extend_from_slice(&data);
            }
            Ok(bytes)
        };
        match tokio::time::timeout(BODY_TIME, whole).await {
            Ok(bytes) => bytes,
            Err(_) => Err(ApiError::TimedOut { server: self.server.to_string(), after: BODY_TIME }),
        }
    }

    async fn next_data(&self, query: &Query, body: &mut Body) -> Result<Option<Bytes>, ApiError> {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.failed(query, &error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    fn failed(&self, query: &Query, error: &kube::Error) -> ApiError {
        ApiError::from_client(query.asked.clone(), &self.server, error)
    }

    fn unreadable(&self, query: &Query, reason: &str) -> ApiError {
        ApiError::Unreadable { asked: query.asked.clone(), reason: reason.to_owned() }
    }
}

/// The lines of an answer that does not end by itself.
pub(crate) struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// Where the next line starts.
    start: usize,
    /// Up to where no line end was found.
    searched: usize,
    reader: Reader,
    query: Query,
}

impl Lines {
    /// The next line; `None` at the end, where an unfinished line is dropped.
    ///
    /// Safe to be dropped while it waits: what was read so far stays.
    pub(crate) async fn next(&mut self) -> Result<Option<&[u8]>, ApiError> {
        let end = loop {
            if let Some(end) = self.line_end() {
                break end;
            }
            if self.buffer.len() - self.start > LONGEST_LINE {
                return Err(ApiError::TooLong { asked: self.query.asked.clone(), limit: LONGEST_LINE });
            }
            match self.reader.next_data(&self.query, &mut self.body).await? {
                Some(data) => self.append(&data),
                None => return Ok(None),
            }
        };
        let line = self.buffer.get(self.start..end).unwrap_or_default();
        self.start = end + 1;
        self.searched = self.start;
        Ok(Some(line))
    }

    /// Whether another line is there without waiting.
    pub(crate) fn has_line(&mut self) -> bool {
        self.line_end().is_some()
    }

    fn line_end(&mut self) -> Option<usize> {
        let unseen = self.buffer.get(self.searched..).unwrap_or_default();
        let end = unseen.iter().position(|byte| *byte == b'\n').map(|at| self.searched + at);
        if end.is_none() {
            self.searched = self.buffer.len();
        }
        end
    }

    fn append(&mut self, data: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT_BUFFER {
            self.buffer = Vec::new();
        }
        self.buffer.extend_from_slice(data);
    }
}
