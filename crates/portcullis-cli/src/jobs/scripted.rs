//! An API server that does what a test says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;
use portcullis_cluster::Connection;

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
