//! An API server that does what a test says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use kube::client::Body;
use portcullis_cluster::Connection;

use crate::surroundings::Surroundings;
use crate::{
    ClusterArguments, Commands, DisarmArguments, InstallArguments, Reach, RearmArguments, ServeArguments,
    UninstallArguments,
};

/// Its answers: by a part of the path and query, in the order in which they are given.
pub(super) type Script = BTreeMap<&'static str, Vec<(u16, String)>>;

/// The paths that were asked for.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// A connection to an API server that answers so, and what it is asked. It belongs to the runtime that it is made in.
pub(super) fn scripted(script: Script) -> (Connection, Asked) {
    let paths = Asked::default();
    let (asked, script) = (paths.clone(), Mutex::new(script));
    let service = tower::service_fn(move |request: Request<Body>| {
        let path = request.uri().to_string();
        asked.lock().unwrap().push(path.clone());
        let mut script = script.lock().unwrap();
        let answers = script.iter_mut().find(|(part, answers)| path.contains(**part) && !answers.is_empty());
        let (code, body) = answers.map_or((404, "{}".to_owned()), |(_, answers)| answers.remove(0));
        let response = Response::builder().status(code).header("date", "Thu, 01 Oct 2026 00:00:00 GMT");
        let response = response.body(Body::from(body.into_bytes())).unwrap();
        async move { Ok::<_, Infallible>(response) }
    });
    (Connection::over(&kube::Client::new(service, "default"), "https://scripted:6443"), paths)
}

/// A cluster whose API server gives the same answers again and again, by a part of the path.
#[derive(Clone, Debug)]
pub(super) struct Scripted {
    pub(super) answers: Vec<(&'static str, u16, String)>,
    /// Its clock, in seconds since 1970-01-01 UTC.
    pub(super) date: Arc<AtomicI64>,
    /// What was written to it: the path, and the body.
    pub(super) written: Arc<Mutex<Vec<(String, String)>>>,
}

impl Scripted {
    pub(super) fn new(answers: Vec<(&'static str, u16, String)>) -> Self {
        // 2026-10-01T01:00:00Z.
        Self { answers, date: Arc::new(AtomicI64::new(1_790_816_400)), written: Arc::default() }
    }

    /// With this answer before all others.
    pub(super) fn with(mut self, part: &'static str, code: u16, body: &str) -> Self {
        self.answers.insert(0, (part, code, body.to_owned()));
        self
    }

    /// A connection to it, which belongs to the runtime that it is made in.
    pub(super) fn connection(&self) -> Connection {
        let scripted = self.clone();
        let service = tower::service_fn(move |request| {
            let answer = scripted.clone().answer(request);
            async { Ok::<_, Infallible>(answer.await) }
        });
        Connection::over(&kube::Client::new(service, "team-a"), "https://scripted:6443")
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.to_string();
        let answer = self.answers.iter().find(|(part, ..)| path.contains(part));
        let (code, answer) = answer.map_or((404, "{}".to_owned()), |(_, code, body)| (*code, body.clone()));
        let body = body.collect_bytes().await.unwrap();
        if !body.is_empty() {
            self.written.lock().unwrap().push((path, String::from_utf8(body.to_vec()).unwrap()));
        }
        let date = Timestamp::from_second(self.date.load(Ordering::Relaxed)).unwrap();
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
        let response = Response::builder().status(code).header("date", date);
        response.body(Body::from(answer.into_bytes())).unwrap()
    }
}

impl Commands for Scripted {
    fn serve(&self, _: &ServeArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn install(&self, _: &InstallArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn uninstall(&self, _: &UninstallArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn disarm(&self, _: &DisarmArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn rearm(&self, _: &RearmArguments, _: &mut Surroundings<'_>) -> anyhow::Result<()> {
        Ok(())
    }

    fn reach(&self, _: &ClusterArguments) -> anyhow::Result<Reach> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connection = runtime.block_on(async { self.connection() });
        Ok(Reach { runtime, connection })
    }
}
