//! What an API server may answer to the writes of a round, and what comes of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use portcullis_cluster::{Candidate, Cluster, Connection, Options, events};
use portcullis_retention::retention::Progress;
use tokio::time::Instant;

use super::super::{Retention, RetentionCounts};
use super::*;

/// In seconds since the time of the tests: longer than what is not answered is held back at first.
const LONG: i64 = 60;
/// How many writes were granted, and count as made, before a test.
const GRANTED: u32 = 40;

/// An answer: its code and message.
type Answer = (u16, &'static str);

const DONE: Answer = (200, "");
const MISSING_RIGHT: Answer = (403, "User \"portcullis\" cannot patch resource \"jobs\"");

/// What became of the writes of a round.
struct Outcome {
    /// The names of the Jobs that were asked for, one after the other.
    asked: Vec<String>,
    /// Written, skipped, failed.
    counts: [u64; 3],
    /// How many count for the hour.
    of_the_hour: u32,
    trouble: Option<String>,
    /// Those that are left alone for a while.
    held_back: Vec<String>,
    seconds: u64,
}

/// Carries out the writes to `jobs` Jobs, to which the API server gives these answers, `DONE` to further ones. Each of the
/// first half has a namespace, those of the second half are in the same ones.
fn carried_out(jobs: u32, answers: &[Answer]) -> Outcome {
    carried_out_by(jobs, answers, |_| {})
}

/// The same by a term to which this has happened.
fn carried_out_by(jobs: u32, answers: &[Answer], happened: impl FnOnce(&mut Term<'_>)) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(answers.iter().copied().collect::<VecDeque<_>>()));
        let log = asked.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            // The watches find nothing.
            let (mut code, mut message) = (404, "");
            if request.method() == http::Method::PATCH {
                let name = request.uri().path().rsplit('/').next().unwrap_or_default();
                log.lock().unwrap().push(name.to_owned());
                (code, message) = answers.lock().unwrap().pop_front().unwrap_or(DONE);
            }
            let status = serde_json::json!({"kind": "Status", "code": code, "message": message});
            let mut response = http::Response::builder().status(code);
            if code == 429 {
                response = response.header("retry-after", "7");
            }
            let response = response.body(kube::client::Body::from(status.to_string().into_bytes()));
            async move { Ok::<_, std::convert::Infallible>(response.unwrap()) }
        });
        let connection = Connection::over(&kube::Client::new(service, "default"), "https://scripted:6443");
        let clock: portcullis_cluster::Clock = || k8s_openapi::jiff::Timestamp::UNIX_EPOCH;
        let options = Options {
            configuration: ("portcullis".to_owned(), "portcullis".to_owned()),
            secret: None,
            jobs: false,
            retention: false,
            services: Vec::new(),
            api_servers: Vec::new(),
        };
        let counts = Arc::new(RetentionCounts::default());
        let (sender, _writer) = events(&connection, "portcullis", "a", clock);
        let retention = Retention {
            reconciles: Arc::default(),
            cluster: Arc::new(Cluster::start(connection.clone(), &options)),
            own_namespace: "portcullis".to_owned(),
            leadership: Candidate::new(&connection, "portcullis", "l", "a", clock).leadership(),
            events: sender,
            counts: counts.clone(),
            clock,
        };
        let mut term = Term::new(&retention);
        let mut progress = Progress::default();
        assert_eq!(progress.take(GRANTED, 500, 0), GRANTED);
        (term.objects.progress, term.actions) = (vec![progress], vec![Vec::new()]);
        let set = |number: u32| SetTtl {
            namespace: format!("n-{}", number % jobs.div_ceil(2)).into(),
            name: format!("job-{number}").into(),
            uid: number.to_string().into(),
            resource_version: "7".into(),
            ttl: 900,
            force: false,
        };
        let granted = |number| Granted { set: set(number), by: 0, reason: "it is due".to_owned() };
        happened(&mut term);
        let began = Instant::now();
        term.carry_out((0..jobs).map(granted).collect()).await;
        let is_held = |number: &u32| term.held.is_held(&number.to_string(), "7", LONG);
        Outcome {
            asked: asked.lock().unwrap().clone(),
            counts: [counts.written(), counts.skipped(), counts.failed()],
            of_the_hour: term.objects.progress[0].window().writes(),
            trouble: term.trouble.clone(),
            held_back: (0..jobs).filter(is_held).map(|number| format!("job-{number}")).collect(),
            seconds: began.elapsed().as_secs(),
        }
    })
}

#[test]
fn a_job_that_was_put_off_is_asked_for_again_when_the_api_server_says() {
    let outcome = carried_out(2, &[(429, "busy"), (429, "busy")]);
    assert_eq!(outcome.asked, ["job-0", "job-0", "job-0", "job-1"]);
    assert_eq!((outcome.counts, outcome.of_the_hour), ([2, 0, 0], GRANTED));
    assert_eq!((outcome.seconds, outcome.trouble), (14, None));
}

#[test]
fn an_api_server_that_stays_busy_ends_the_round_and_what_was_not_written_does_not_count() {
    let outcome = carried_out(4, &[DONE, (429, ""), (429, ""), (429, ""), (429, ""), (429, "")]);
    assert_eq!(outcome.asked, [&["job-0"][..], &["job-1"; MOST_BUSY as usize]].concat());
    assert_eq!((outcome.counts, outcome.of_the_hour), ([1, 0, 1], GRANTED - 3));
    assert!(outcome.trouble.unwrap().contains("too busy"));
}

#[test]
fn a_missing_right_ends_the_round_at_once_and_is_told() {
    let outcome = carried_out(4, &[MISSING_RIGHT]);
    assert_eq!(outcome.asked, ["job-0"]);
    assert_eq!((outcome.counts, outcome.of_the_hour), ([0, 0, 1], GRANTED - 4));
    assert!(outcome.trouble.unwrap().contains(MISSING_RIGHT.1));
    assert!(outcome.held_back.is_empty(), "it is no matter of the Job");
}

#[test]
fn jobs_that_are_refused_are_left_alone_and_count_for_nothing() {
    let one_in_ten: Vec<Answer> =
        (0..40).map(|number| if number % 10 == 9 { (422, "no") } else { DONE }).collect();
    let outcome = carried_out(40, &one_in_ten);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.of_the_hour), (40, [36, 0, 4], GRANTED - 4));
    assert_eq!(outcome.held_back, ["job-9", "job-19", "job-29", "job-39"]);

    // All of them do not hold up those that come after.
    let outcome = carried_out(40, &[(422, "no"); 30]);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.of_the_hour), (40, [10, 0, 30], GRANTED - 30));
    assert_eq!((outcome.held_back.len(), outcome.trouble), (30, None));
}

#[test]
fn a_job_that_has_changed_is_no_failure_and_an_answer_that_says_nothing_counts_as_written() {
    let outcome = carried_out(40, &[(409, "changed"); 30]);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.of_the_hour), (40, [10, 30, 0], GRANTED - 30));
    let outcome = carried_out(3, &[(504, "late")]);
    assert_eq!((&*outcome.asked, outcome.counts), (&["job-0".to_owned(), "job-1".to_owned()][..], [1, 0, 1]));
    assert_eq!(outcome.of_the_hour, GRANTED - 1);
    assert!(outcome.held_back.is_empty(), "the watch tells what became of it");
    let away = "failed calling webhook \"a\": EOF";
    let outcome = carried_out(4, &[(500, away)]);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.of_the_hour), (3, [2, 0, 1], GRANTED - 2));
}

#[test]
fn of_namespaces_that_did_not_answer_before_one_is_tried_in_vain_and_an_answer_ends_the_trouble() {
    let doubt = |term: &mut Term<'_>| {
        for (namespace, uid) in [("n-0", "90"), ("n-1", "91"), ("n-2", "92")] {
            term.held.was_lost(namespace, uid, "1", "502", -60);
        }
        term.trouble = Some("502".to_owned());
    };
    let outcome = carried_out_by(6, &[(502, "gone")], doubt);
    assert_eq!((&*outcome.asked, outcome.counts), (&["job-0".to_owned()][..], [0, 0, 1]));
    assert_eq!((outcome.of_the_hour, outcome.trouble.as_deref()), (GRANTED - 5, Some("502")));
    let outcome = carried_out_by(6, &[(422, "no")], doubt);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.trouble), (6, [5, 0, 1], None));
}

#[test]
fn nothing_more_is_written_by_objects_that_have_changed() {
    let outcome = carried_out_by(3, &[], |term| term.revision += 1);
    assert_eq!((outcome.asked.len(), outcome.counts), (0, [0, 0, 0]));
    assert_eq!((outcome.of_the_hour, outcome.trouble), (GRANTED - 3, None));
}

#[test]
fn an_api_server_that_answers_in_no_namespace_ends_the_round() {
    let outcome = carried_out(40, &[(502, "gone"); 40]);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.of_the_hour), (4, [0, 0, 4], GRANTED - 36));
    assert_eq!(outcome.trouble.as_deref(), Some("cannot write to Jobs: gone"));
    // A webhook of the whole cluster may let each request wait.
    let outcome = carried_out(40, &[(500, "failed calling webhook: late"); 40]);
    assert_eq!((outcome.asked.len(), outcome.counts, outcome.of_the_hour), (4, [0, 0, 4], GRANTED - 40));
}
