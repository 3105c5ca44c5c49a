//! Jobs in pages, from an API server that does what a test says.

use super::*;
use crate::jobs::scripted::{Script, scripted};

/// The Jobs that are listed in these namespaces where the API server answers so, and the paths it was asked for.
fn listed(namespaces: &[Option<&str>], script: Script) -> (Result<Vec<String>>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (connection, asked) = scripted(script);
        let mut fetched =
            Fetched { backlog: Backlog::default(), listed: 0, owners: Vec::new(), date: None, missed: None };
        let mut stderr = Stream::plain(std::io::sink());
        let mut progress = Progress::on(&mut stderr);
        let interest = Interest::default();
        let jobs = fetched.jobs(&connection, namespaces, "app in (a)", &interest, &mut progress).await;
        let names = jobs.map(|()| {
            assert_eq!(fetched.date, Some(1_790_812_800));
            assert_eq!(fetched.listed, fetched.backlog.len() as u64, "each counts once");
            fetched.backlog.jobs().map(|job| job.name().to_owned()).collect()
        });
        let asked = asked.lock().unwrap().clone();
        (names, asked)
    })
}

fn page(names: &[&str], token: &str) -> (u16, String) {
    let job = |name: &&str| {
        format!(r#"{{"metadata":{{"name":"{name}","namespace":"n","uid":"u","resourceVersion":"1"}}}}"#)
    };
    let items: Vec<_> = names.iter().map(job).collect();
    (
        200,
        format!(r#"{{"kind":"JobList","metadata":{{"continue":"{token}"}},"items":[{}]}}"#, items.join(",")),
    )
}

fn failure(code: u16, message: &str) -> (u16, String) {
    let status = serde_json::json!({"kind": "Status", "status": "Failure", "code": code, "message": message});
    (code, status.to_string())
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
    let said = "jobs.batch is forbidden: User \"a\" cannot list resource \"jobs\" in API group \"batch\"";
    let script = Script::from([("/one/", vec![failure(403, said)])]);
    let error = listed(&[Some("one")], script).0.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot list Jobs: not allowed to list `jobs.batch`: {said}"));
    let hint = &error.downcast_ref::<crate::Hinted>().unwrap().hint;
    assert!(hint.contains("--verb=list --resource=jobs.batch"), "{hint}");
}
