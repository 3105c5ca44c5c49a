//! What the status says.

use portcullis_retention::retention::{Action, Mode, Progress, Report, Scene, grant, invalid, unlisted};
use portcullis_value::{Arena, Value, json};

use super::{Ended, FAILED, SUCCEEDED, read, retentions, with_jobs};
use crate::jobs::NOW;

const SPEC: &str = "selector: {}, ttl: {succeeded: 15m}, keepLast: 1, mode: enforce";

/// The status of the object number `number` after a round over these Jobs.
fn status<'a>(
    arena: &'a Arena,
    specs: &[(&str, &str)],
    number: usize,
    jobs: &[Ended<'_>],
    previous: Value<'a>,
    now: i64,
) -> Value<'a> {
    let retentions = retentions(specs);
    let texts: Vec<_> = jobs.iter().map(Ended::text).collect();
    with_jobs(&retentions, &texts, |jobs| {
        let scene = Scene::new(&retentions, jobs, &|_| None, NOW);
        let round = scene.round(&[Mode::Enforce]);
        let mut progress: Vec<_> = specs.iter().map(|_| Progress::read(previous, now)).collect();
        let writes = grant(&round, &mut progress, now, 100, &mut |_| true);
        let actions: Vec<_> = writes
            .iter()
            .filter(|write| write.by == number)
            .map(|write| Action::wrote(now, jobs[write.job].namespace, jobs[write.job].name, write.seconds))
            .collect();
        let tallies = match retentions.all()[number].mode {
            Mode::Enforce => round.tallies(),
            Mode::Audit => scene.round(&[Mode::Enforce, Mode::Audit]).tallies(),
        };
        let next = tallies[number].next.map(|(_, job)| format!("{}/{}", jobs[job].namespace, jobs[job].name));
        let report = Report {
            retentions: &retentions,
            number,
            tally: &tallies[number],
            progress: &progress[number],
            actions: &actions,
            next: next.as_deref(),
            trouble: None,
            now,
        };
        report.status(arena, previous)
    })
}

fn condition(status: Value<'_>, of: &str) -> String {
    let conditions = status.get("conditions").and_then(Value::as_array).unwrap();
    let condition = conditions.iter().find(|condition| condition.get("type") == Some(of.into())).unwrap();
    let text = |key| condition.get(key).and_then(Value::as_str).unwrap();
    format!("{} {}: {}", text("status"), text("reason"), text("message"))
}

#[test]
fn while_jobs_cannot_be_listed_all_but_readiness_stays_as_it_was() {
    let arena = Arena::new();
    let jobs = [Ended { name: "goes", ..SUCCEEDED }, SUCCEEDED];
    let before = status(&arena, &[("r", SPEC)], 0, &jobs, Value::Null, NOW);
    let retention = read("r", SPEC).unwrap();
    for before in [before, Value::Null] {
        let after = unlisted(&arena, before, &retention, "forbidden", NOW + 5);
        let told = "False JobsUnknown: Jobs cannot be listed, and nothing is written: forbidden";
        assert_eq!(condition(after, "Ready"), told);
        assert_eq!(after.get("observedGeneration"), Some(3.into()));
        for member in ["jobs", "writes", "enforced", "lastActions"] {
            assert_eq!(after.get(member), before.get(member), "{member}");
        }
        assert_eq!(unlisted(&arena, after, &retention, "forbidden", NOW + 9), after, "it is written once");
    }
}

#[test]
fn the_status_counts_jobs_and_says_what_was_done_and_what_is_next() {
    let arena = Arena::new();
    let jobs = [
        Ended { name: "last", ago: 5, ..FAILED },
        Ended { name: "goes", ago: 60, ttl: Some((900, "retention")), ..SUCCEEDED },
        Ended { name: "new", ago: 50, ..SUCCEEDED },
        Ended { name: "own", ago: 50, ttl: Some((60, "kubectl")), ..SUCCEEDED },
        Ended { name: "failed", ago: 70, ..FAILED },
        Ended { name: "owned", metadata: r#""ownerReferences":[{"kind":"X"}]"#, ..SUCCEEDED },
    ];
    let told = status(&arena, &[("r", SPEC)], 0, &jobs, Value::Null, NOW);
    let jobs = r#"{"existingTTL":1,"expiring":1,"kept":1,"namespaceUnknown":0,"neverExpire":1,"overruled":0,"protected":1,"selected":6,"toWrite":1,"unfinished":0}"#;
    assert_eq!(told.get("jobs").unwrap().to_string(), jobs);
    assert_eq!(
        told.get("next").unwrap().to_string(),
        r#"{"expires":"2026-10-01T00:14:00Z","job":"team-a/goes"}"#
    );
    assert_eq!(
        told.get("lastActions").unwrap().to_string(),
        r#"[{"at":"2026-10-01T00:00:00Z","job":"team-a/new","what":"ttlSecondsAfterFinished: 900"}]"#
    );
    assert_eq!(told.get("writes").unwrap().to_string(), r#"[{"from":"2026-10-01T00:00:00Z","writes":1}]"#);
    assert_eq!((told.get("observedGeneration"), told.get("mode")), (Some(3.into()), Some("enforce".into())));
    assert_eq!(condition(told, "Ready"), "True Enforced: TTLs are written");
    assert_eq!(condition(told, "Overlapping"), "False Alone: no other object selects its Jobs");
}

#[test]
fn a_status_of_which_nothing_changed_is_the_same() {
    let arena = Arena::new();
    let jobs = || [Ended { ttl: Some((NEVER_OURS, "retention")), ..SUCCEEDED }];
    let first = status(&arena, &[("r", SPEC)], 0, &jobs(), Value::Null, NOW);
    assert_eq!(status(&arena, &[("r", SPEC)], 0, &jobs(), first, NOW + 60), first);
}

const NEVER_OURS: i32 = i32::MAX;

#[test]
fn the_count_to_approve_is_told() {
    let arena = Arena::new();
    let names: Vec<_> = (0..30).map(|index| format!("job-{index}")).collect();
    let jobs: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(ago, name)| Ended { name, ago: 60 + ago as i64, ..SUCCEEDED })
        .collect();
    let told = status(&arena, &[("r", SPEC)], 0, &jobs, Value::Null, NOW);
    assert_eq!(
        condition(told, "BacklogApproved"),
        "False AwaitsApproval: of the Jobs that had finished before 29 would go, and 7 may: write `approvedBacklog: 29` into the spec if all of them are to"
    );
    assert_eq!(told.path(&["enforced", "backlog"]), Some(29.into()));
    assert_eq!(told.get("lastActions"), None);
}

#[test]
fn objects_that_select_the_same_jobs_name_each_other() {
    let arena = Arena::new();
    let specs = [
        ("short", "selector: {}, ttl: {succeeded: 1m}, mode: enforce"),
        ("long", "selector: {}, ttl: {succeeded: 1h}, mode: enforce"),
    ];
    // In the order of their names `long` comes first.
    let [long, short] = [0, 1].map(|number| status(&arena, &specs, number, &[SUCCEEDED], Value::Null, NOW));
    assert_eq!(
        condition(short, "Overlapping"),
        "True LongestWins: `long` select some of the same Jobs: the longest retention wins; another decides on 1 of its Jobs"
    );
    assert_eq!(
        (short.get("overlaps").unwrap().to_string(), long.get("overlaps").unwrap().to_string()),
        (r#"["long"]"#.to_owned(), r#"["short"]"#.to_owned())
    );
}

#[test]
fn in_mode_audit_the_status_says_what_would_be_written() {
    let arena = Arena::new();
    let told =
        status(&arena, &[("r", "selector: {}, ttl: {succeeded: 1m}")], 0, &[SUCCEEDED], Value::Null, NOW);
    assert_eq!(condition(told, "Ready"), "True Audit: nothing is written in mode audit; 1 TTLs would be");
    assert_eq!(told.path(&["jobs", "wouldWrite"]), Some(1.into()));
    assert_eq!(told.get("mode"), Some("audit".into()));
    assert_eq!(told.get("lastActions"), None);
}

#[test]
fn an_object_with_mistakes_says_them_and_its_hour_goes_on() {
    let arena = Arena::new();
    let document = json::read(
        &arena,
        r#"{"metadata":{"generation":4},"spec":{"mode":"no"},"status":{"writes":[{"from":"2026-10-01T00:00:00Z","writes":7}]}}"#,
    )
    .unwrap();
    let errors = read("r", "mode: no").unwrap_err();
    let told = invalid(&arena, document, &errors, NOW);
    assert_eq!(
        condition(told, "Ready"),
        "False Invalid: /spec: `selector` is missing; /spec/mode: this is a boolean, not a text"
    );
    assert_eq!(told.get("writes").unwrap().to_string(), r#"[{"from":"2026-10-01T00:00:00Z","writes":7}]"#);
}
