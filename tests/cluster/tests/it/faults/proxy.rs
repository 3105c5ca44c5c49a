//! A server before the API server, which answers in its stead when a test says so.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config};
use portcullis_cluster_tests::wait::PATIENCE;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

type Answer = Response<UnsyncBoxBody<Bytes, kube::Error>>;

/// A proxy on loopback. It is gone when it is dropped.
pub(crate) struct Proxy {
    pub(crate) url: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    upstream: Client,
    /// The path of the kind whose lists and watches are meddled with.
    path: &'static str,
    /// A field of webhooks that this API server does not know.
    unknown: Option<&'static str>,
    faults: Mutex<VecDeque<Fault>>,
    /// When it was asked for a list or a watch last.
    asked: watch::Sender<Instant>,
}

/// The next request of a sort is answered so.
pub(crate) struct Fault {
    pub(crate) sort: Sort,
    pub(crate) answer: Wrong,
    /// Told when the request has come.
    reached: watch::Sender<bool>,
    /// Until then the request waits.
    go: oneshot::Receiver<()>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sort {
    List,
    /// A page of a list, but for the first.
    Page,
    Watch,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Wrong {
    Status(u16),
    /// 429, to be asked again after so many seconds.
    Busy(u32),
    /// The answer of the API server, to what it is asked when the request may go on.
    Late,
    /// An event of a watch that says 410.
    GoneEvent,
}

/// A fault that a test waits for.
pub(crate) struct Armed {
    reached: watch::Receiver<bool>,
    go: oneshot::Sender<()>,
}

impl Armed {
    /// Waits until the request has come that is answered wrongly.
    pub(crate) async fn reached(&mut self) -> Result<()> {
        let reached = timeout(PATIENCE, self.reached.wait_for(|reached| *reached)).await;
        reached.context("the request that is to go wrong does not come")??;
        Ok(())
    }

    /// Lets it be answered.
    pub(crate) fn go(self) {
        let _ = self.go.send(());
    }
}

impl Proxy {
    /// Stands before the API server of `config`, as nobody: its clients say who they are.
    pub(crate) async fn before(config: Config, path: &'static str) -> Result<Proxy> {
        Self::start(config, path, None).await
    }

    /// The same before an API server that does not know this field of webhooks: it drops it without a word.
    pub(crate) async fn without_field(config: Config, field: &'static str) -> Result<Proxy> {
        Self::start(config, "", Some(field)).await
    }

    async fn start(mut config: Config, path: &'static str, unknown: Option<&'static str>) -> Result<Proxy> {
        config.auth_info = AuthInfo::default();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (faults, asked) = (Mutex::default(), watch::Sender::new(Instant::now()));
        let shared = Arc::new(Shared { upstream: Client::try_from(config)?, path, unknown, faults, asked });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, shared.clone()));
        Ok(Proxy { url, shared, _serving: serving })
    }

    /// Waits until the next list or watch is asked for, and says when that is.
    pub(crate) async fn asked_again(&self) -> Result<Instant> {
        let mut asked = self.shared.asked.subscribe();
        timeout(PATIENCE, asked.changed()).await.context("nothing is asked any more")??;
        Ok(*asked.borrow())
    }

    /// The next request of this sort goes wrong.
    pub(crate) fn arm(&self, sort: Sort, answer: Wrong) -> Armed {
        let ((reached, is_reached), (go, may_go)) = (watch::channel(false), oneshot::channel());
        self.shared.faults().push_back(Fault { sort, answer, reached, go: may_go });
        Armed { reached: is_reached, go }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| answer(shared.clone(), request));
            // A client that hangs up is no concern.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let sort = shared.sort_of(request.uri());
    if sort.is_some() {
        shared.asked.send_replace(Instant::now());
    }
    let fault = sort.and_then(|sort| shared.take(sort));
    if let Some(fault) = fault {
        fault.reached.send_replace(true);
        // A test that has failed lets nobody go.
        let _ = fault.go.await;
        if let Some(answer) = wrong(fault.answer) {
            return Ok(answer);
        }
    }
    Ok(forward(&shared, request)
        .await
        .unwrap_or_else(|error| text(StatusCode::BAD_GATEWAY, error.to_string())))
}

/// Asks the API server. Lists come in pages of one object, so that there are pages.
async fn forward(shared: &Shared, request: Request<Incoming>) -> Result<Answer> {
    let sort = shared.sort_of(request.uri());
    let (mut head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let target = target.split('?').next().map_or_else(String::new, |path| match head.uri.query() {
        Some(query) if sort.is_some() => format!("{path}?{}", one_by_one(query)),
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    });
    head.uri = target.parse()?;
    head.headers.remove(header::HOST);
    let mut body = body.collect().await?.to_bytes().to_vec();
    if let Some(field) = shared.unknown.filter(|_| target.contains("webhookconfigurations"))
        && let Ok(mut configuration) = serde_json::from_slice::<Value>(&body)
    {
        for webhook in configuration["webhooks"].as_array_mut().into_iter().flatten() {
            webhook.as_object_mut().map(|webhook| webhook.remove(field));
        }
        body = serde_json::to_vec(&configuration)?;
        head.headers.remove(header::CONTENT_LENGTH);
    }
    let answer = shared.upstream.send(Request::from_parts(head, Body::from(body))).await?;
    let (mut head, body) = answer.into_parts();
    head.headers.remove(header::TRANSFER_ENCODING);
    Ok(Response::from_parts(head, body.boxed_unsync()))
}

fn one_by_one(query: &str) -> String {
    let pairs = query.split('&').map(|pair| if pair.starts_with("limit=") { "limit=1" } else { pair });
    pairs.collect::<Vec<_>>().join("&")
}

fn wrong(answer: Wrong) -> Option<Answer> {
    let status =
        |code: u16| json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code });
    match answer {
        Wrong::Status(code) => {
            let code_of_http = StatusCode::from_u16(code).unwrap_or(StatusCode::BAD_GATEWAY);
            Some(text(code_of_http, status(code).to_string()))
        }
        Wrong::Busy(seconds) => {
            let mut busy = text(StatusCode::TOO_MANY_REQUESTS, status(429).to_string());
            busy.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            Some(busy)
        }
        Wrong::GoneEvent => {
            let event = json!({ "type": "ERROR", "object": status(410) });
            Some(text(StatusCode::OK, format!("{event}\n")))
        }
        Wrong::Late => None,
    }
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Full::from(text).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = status;
    answer
}

impl Shared {
    fn faults(&self) -> std::sync::MutexGuard<'_, VecDeque<Fault>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sort_of(&self, uri: &Uri) -> Option<Sort> {
        let query = uri.query().unwrap_or_default();
        match () {
            () if uri.path() != self.path => None,
            () if query.contains("watch=true") => Some(Sort::Watch),
            () if query.contains("continue=") => Some(Sort::Page),
            () => Some(Sort::List),
        }
    }

    /// The next fault, when it is one for requests of this sort.
    fn take(&self, sort: Sort) -> Option<Fault> {
        let mut faults = self.faults();
        faults.pop_front_if(|fault| fault.sort == sort)
    }
}
