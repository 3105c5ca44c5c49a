//! Plans carried out by an API server that does what a test says.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use crate::Exit;
use crate::jobs::scripted::Scripted;
use crate::jobs::trial::{folder, run_at};

/// When the Job finished: 2026-09-30T10:00:00Z.
const FINISHED: i64 = 1_790_762_400;

fn cluster() -> Scripted {
    let job = r#"{"metadata":{"name":"report","namespace":"team-a","uid":"u-1","resourceVersion":"1"},"status":{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-09-30T10:00:00Z"}]}}"#;
    Scripted::new(vec![
        ("/jobs/report", 200, job.to_owned()),
        ("/jobs", 200, format!(r#"{{"kind":"JobList","items":[{job}]}}"#)),
        ("/namespaces/kube-system", 200, r#"{"metadata":{"uid":"kube-system"}}"#.to_owned()),
        ("/namespaces", 200, r#"{"items":[]}"#.to_owned()),
        ("/version", 200, "{}".to_owned()),
    ])
}

/// Whoever sits at the terminal: so many seconds go by until he says yes.
struct Slow(Arc<AtomicI64>, i64, &'static [u8]);

impl Read for Slow {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.fetch_add(std::mem::take(&mut self.1), Ordering::Relaxed);
        self.2.read(room)
    }
}

fn run(folder: &TempDir, words: &str, cluster: &Scripted, keyboard: Option<Slow>) -> (Exit, String) {
    let words = words.split(' ').map(Into::into).collect();
    run_at(folder.path(), words, cluster, keyboard.map(|slow| Box::new(slow) as Box<dyn Read>))
}

/// A folder with a plan for the cluster.
fn planned(cluster: &Scripted, more: &str) -> TempDir {
    let folder = folder(&[]);
    let (exit, text) = run(&folder, &format!("plan -n team-a -o plan.json{more}"), cluster, None);
    assert_eq!(exit, Exit::SUCCESS, "{text}");
    folder
}

#[test]
fn however_long_the_answer_takes_a_ttl_leaves_the_notice() {
    for seconds in [0, 90, 3_600] {
        let cluster = cluster();
        let folder = planned(&cluster, " --mode ttl --notice 10m");
        let slow = Slow(cluster.date.clone(), seconds, b"y\n");
        let (exit, text) = run(&folder, "apply plan.json", &cluster, Some(slow));
        assert_eq!(exit, Exit::SUCCESS, "{text}");
        let written = cluster.written.lock().unwrap();
        let applied = written.iter().find(|(path, _)| path.contains("/jobs/report")).unwrap();
        let applied: serde_json::Value = serde_json::from_str(&applied.1).unwrap();
        let ttl = applied["spec"]["ttlSecondsAfterFinished"].as_i64().unwrap();
        // Its clock shows whole seconds: it may be nearly one later.
        let left = FINISHED + ttl - (cluster.date.load(Ordering::Relaxed) + 1);
        assert!((600..=660).contains(&left), "{left} after {seconds}");
    }
}

#[test]
fn a_plan_that_grew_too_old_while_somebody_was_asked_is_not_carried_out() {
    let cluster = cluster();
    let folder = planned(&cluster, "");
    let slow = Slow(cluster.date.clone(), 90_000, b"y\n");
    let (exit, text) = run(&folder, "apply plan.json", &cluster, Some(slow));
    assert!(exit == Exit::FAILURE && text.contains("the plan is 1d1h old, and 1d is the limit"), "{text}");
    assert!(!cluster.written.lock().unwrap().iter().any(|(path, _)| path.contains("/jobs/report")));
}

#[test]
fn a_plan_of_the_future_is_refused_as_it_would_never_be_too_old() {
    let cluster = cluster();
    let folder = planned(&cluster, "");
    for (behind, is_refused) in [(240, false), (120, true)] {
        cluster.date.fetch_sub(behind, Ordering::Relaxed);
        let (exit, text) = run(&folder, "apply plan.json --max-jobs 0", &cluster, None);
        assert_eq!(exit == Exit::FAILURE, is_refused, "{text}");
        assert_eq!(
            text.contains("error: the plan was made in the future: at 2026-10-01T01:00:00Z"),
            is_refused,
            "{text}"
        );
    }
}

#[test]
fn where_nobody_can_be_asked_nothing_is_left_behind() {
    let cluster = cluster();
    let folder = planned(&cluster, "");
    let (exit, text) = run(&folder, "apply plan.json", &cluster, None);
    assert!(exit == Exit::FAILURE && text.contains("hint: add `--yes`"), "{text}");
    assert!(!folder.path().join("plan.json.applied").exists());
}

#[test]
fn caps_that_leave_nothing_say_how_many_are_beyond_them() {
    let cluster = cluster();
    let folder = planned(&cluster, "");
    let (exit, text) = run(&folder, "apply plan.json --max-jobs 0", &cluster, None);
    assert_eq!(exit, Exit::SUCCESS, "{text}");
    assert_eq!(
        text,
        "nothing to do: the caps leave no Jobs of the plan\n1 Job is beyond the caps: the same command with larger ones goes on\n"
    );
}
