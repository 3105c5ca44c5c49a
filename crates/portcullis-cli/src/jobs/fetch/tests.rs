//! Jobs in pages, from an API server that does what a test says.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use kube::client::Body;

use super::*;

/// The answers of an API server: by a part of the path and query, in the order in which they are given.
type Script = BTreeMap<&'static str, Vec<(u16, String)>>;

/// The Jobs that are listed in these namespaces where the API server answers so, and the paths it was asked for.
fn listed(namespaces: &[Option<&str>], script: Script) -> (Result<Vec<String>>, Vec<String>) {
    let paths = Arc::new(Mutex::new(Vec::new()));
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let fetched = runtime.block_on(async {
        let connection = Connection::over(&kube::Client::new(service, "default"), "https://scripted:6443");
        let mut fetched = Fetched { backlog: Backlog::default(), date: None, missed: None };
        fetched.jobs(&connection, namespaces, "app in (a)", &Interest::default()).await?;
        assert_eq!(fetched.date, Some(1_790_812_800));
        Ok(fetched.backlog.jobs().map(|job| job.name().to_owned()).collect())
    });
    let paths = paths.lock().unwrap().clone();
    (fetched, paths)
}

fn page(names: &[&str], token: &str) -> (u16, String) {
    let job = |name: &&str| format!(r#"{{"metadata":{{"name":"{name}","uid":"u","resourceVersion":"1"}}}}"#);
    let items: Vec<_> = names.iter().map(job).collect();
    (
        200,
        format!(r#"{{"kind":"JobList","metadata":{{"continue":"{token}"}},"items":[{}]}}"#, items.join(",")),
    )
}

fn failure(code: u16, message: &str) -> (u16, String) {
    (code, format!(r#"{{"kind":"Status","status":"Failure","code":{code},"message":"{message}"}}"#))
}

#[test]
fn a_list_is_read_page_by_page() {
    let script =
        Script::from([("continue=t1", vec![page(&["c"], "")]), ("jobs?", vec![page(&["a", "b"], "t1")])]);
    let (names, paths) = listed(&[None], script);
    assert_eq!(names.unwrap(), ["a", "b", "c"]);
    let start = "/apis/batch/v1/jobs?limit=500&labelSelector=app%20in%20%28a%29&continue=";
    assert_eq!(paths, [start.to_owned(), format!("{start}t1")]);
}

#[test]
fn a_list_whose_beginning_is_forgotten_is_begun_anew() {
    let gone = failure(410, "The provided continue parameter is too old");
    let script = Script::from([
        ("continue=t1", vec![gone]),
        ("continue=t2", vec![page(&["b"], "")]),
        ("jobs?", vec![page(&["a", "gone since"], "t1"), page(&["a"], "t2")]),
    ]);
    assert_eq!(listed(&[None], script).0.unwrap(), ["a", "b"]);
}

#[test]
fn namespaces_are_listed_one_after_the_other_and_a_refusal_says_what_to_grant() {
    let script = Script::from([("/one/", vec![page(&["a"], "")]), ("/two/", vec![page(&["b"], "")])]);
    assert_eq!(listed(&[Some("one"), Some("two")], script).0.unwrap(), ["a", "b"]);
    let script = Script::from([("/one/", vec![failure(403, "jobs.batch is forbidden")])]);
    let error = listed(&[Some("one")], script).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot list Jobs: not allowed to list `jobs.batch`: jobs.batch is forbidden"
    );
    let hint = &error.downcast_ref::<crate::Hinted>().unwrap().hint;
    assert!(hint.contains("--verb=list --resource=jobs.batch"), "{hint}");
}
