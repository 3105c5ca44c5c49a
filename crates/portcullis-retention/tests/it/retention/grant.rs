//! What is written now, and what waits.

use portcullis_retention::retention::{Mode, NEVER, Progress, Report, Retentions, Scene, Write, grant};
use portcullis_value::{Arena, Value};

use super::{Ended, MANY, SUCCEEDED, retentions, with_jobs};
use crate::jobs::NOW;

/// The Jobs that are written now by these objects, and what is known of the objects afterwards.
fn granted(retentions: &Retentions, texts: &[String], progress: &mut [Progress], now: i64) -> Vec<Write> {
    with_jobs(retentions, texts, |jobs| {
        let scene = Scene::new(retentions, jobs, &|_| None, now).among(MANY);
        grant(&scene.round(&[Mode::Enforce]), progress, now, 1000, &mut |_| true)
    })
}

fn jobs(number: i64) -> Vec<String> {
    (0..number)
        .map(|index| Ended { name: &format!("job-{index}"), ago: 100 + index, ..SUCCEEDED }.text())
        .collect()
}

const SPEC: &str = "selector: {}, ttl: {succeeded: 1m}, mode: enforce";

#[test]
fn what_lets_jobs_stay_is_written_first_and_then_those_that_finished_first() {
    let spec = "selector: {}, ttl: {succeeded: 10m}, keepLast: 2, mode: enforce";
    let jobs = [
        Ended { name: "old", ago: 90, ..SUCCEEDED },
        Ended { name: "oldest", ago: 95, ..SUCCEEDED },
        Ended { name: "kept", ago: 10, ttl: Some((900, "admission")), ..SUCCEEDED },
        Ended { name: "urgent", ago: 20, ttl: Some((60, "admission")), ..SUCCEEDED },
    ];
    let texts: Vec<_> = jobs.iter().map(Ended::text).collect();
    let retentions = retentions(&[("r", spec)]);
    let writes = granted(&retentions, &texts, &mut [Progress::default()], NOW);
    let written: Vec<_> = writes.iter().map(|write| (write.job, write.seconds, write.hastens)).collect();
    assert_eq!(written, [(3, NEVER, false), (2, NEVER, false), (1, 600, true), (0, 600, true)]);
}

#[test]
fn beside_an_object_that_cannot_be_read_jobs_are_kept_and_none_is_made_to_go() {
    let spec = "selector: {}, ttl: {succeeded: 10m}, keepLast: 1, mode: enforce";
    let jobs = [
        Ended { name: "old", ago: 90, ..SUCCEEDED },
        Ended { name: "kept", ago: 10, ttl: Some((900, "admission")), ..SUCCEEDED },
    ];
    let texts: Vec<_> = jobs.iter().map(Ended::text).collect();
    let all = retentions(&[("r", spec)]);
    let written = |retentions: &Retentions| -> Vec<_> {
        let writes = granted(retentions, &texts, &mut [Progress::default()], NOW);
        writes.iter().map(|write| (write.job, write.seconds)).collect()
    };
    assert_eq!(written(&all), [(1, NEVER), (0, 600)]);
    assert_eq!(written(&all.beside_unreadable(["broken".into()])), [(1, NEVER)]);
}

#[test]
fn a_backlog_above_the_limit_waits_until_its_number_is_approved() {
    let texts = jobs(251);
    let mut progress = [Progress::default()];
    let plain = retentions(&[("r", SPEC)]);
    assert_eq!(granted(&plain, &texts, &mut progress, NOW), []);
    assert!(progress[0].backlog().waits());
    assert_eq!((progress[0].backlog().jobs, progress[0].backlog().allowed), (251, 250));
    // What finishes from then on is no backlog.
    let new = Ended { name: "new", ago: -60, ..SUCCEEDED }.text();
    let with_new: Vec<_> = texts.iter().cloned().chain([new]).collect();
    let writes = with_jobs(&plain, &with_new, |jobs| {
        let scene = Scene::new(&plain, jobs, &|_| None, NOW + 90).among(MANY);
        grant(&scene.round(&[Mode::Enforce]), &mut progress, NOW + 90, 1000, &mut |_| true)
    });
    assert_eq!(writes.iter().map(|write| write.job).collect::<Vec<_>>(), [251]);

    for (approved, written) in [(250, 0), (251, 251)] {
        let approved = retentions(&[("r", &format!("{SPEC}, approvedBacklog: {approved}"))]);
        assert_eq!(granted(&approved, &texts, &mut progress, NOW + 100).len(), written);
    }
}

#[test]
fn a_quarter_of_all_jobs_needs_no_approval_but_not_more_than_10_000() {
    let retentions = retentions(&[("r", SPEC)]);
    let texts = jobs(40);
    // Most of them are Jobs that no object selects: of these only the number is known.
    let written = |of: usize, listed: u64| {
        let mut progress = [Progress::default()];
        let written = with_jobs(&retentions, &texts[..of], |jobs| {
            let scene = Scene::new(&retentions, jobs, &|_| None, NOW).among(listed);
            grant(&scene.round(&[Mode::Enforce]), &mut progress, NOW, 1000, &mut |_| true).len()
        });
        (written, progress[0].backlog().allowed)
    };
    assert_eq!([written(1, 3), written(1, 4)], [(0, 0), (1, 1)]);
    assert_eq!([written(25, 100), written(25, 99)], [(25, 25), (0, 24)]);
    assert_eq!([written(40, 40), written(40, 1_000_000)], [(0, 10), (40, 10_000)]);
}

#[test]
fn writes_that_let_jobs_stay_need_no_approval() {
    let texts: Vec<_> = (0..251)
        .map(|index| Ended { name: &format!("job-{index}"), ttl: Some((9, "admission")), ..SUCCEEDED }.text())
        .collect();
    assert_eq!(granted(&retentions(&[("r", SPEC)]), &texts, &mut [Progress::default()], NOW).len(), 251);
}

#[test]
fn another_wording_begins_anew_and_another_leader_does_not() {
    let texts = jobs(10);
    let first = retentions(&[("r", SPEC)]);
    let mut progress = [Progress::default()];
    assert_eq!(granted(&first, &texts, &mut progress, NOW).len(), 10);
    let arena = Arena::new();
    let status = with_jobs(&first, &texts, |jobs| {
        let scene = Scene::new(&first, jobs, &|_| None, NOW);
        let tally = scene.round(&[Mode::Enforce]).tallies().remove(0);
        let report = Report {
            retentions: &first,
            number: 0,
            tally: &tally,
            progress: &progress[0],
            actions: &[],
            next: None,
            trouble: None,
            now: NOW,
        };
        report.status(&arena, Value::Null)
    });
    let since = |progress: &Progress, spec: &str| {
        let mut progress = [progress.clone()];
        granted(&retentions(&[("r", spec)]), &texts, &mut progress, NOW + 5);
        progress[0].since()
    };
    let next = Progress::read(status, NOW + 5);
    assert_eq!(since(&next, SPEC), Some(NOW));
    assert_eq!(since(&next, &format!("{SPEC}, approvedBacklog: 5")), Some(NOW));
    assert_eq!(since(&next, &format!("{SPEC}, keepLast: 5")), Some(NOW + 5));
    assert_eq!(since(&next, "selector: {}"), None);
}

#[test]
fn a_backlog_leaves_writes_for_what_lets_jobs_stay() {
    let spec = "selector: {}, ttl: {succeeded: 1m, failed: 1d}, mode: enforce, writesPerHour: 10";
    let retentions = retentions(&[("r", spec)]);
    let mut progress = [Progress::default()];
    let mut texts = jobs(20);
    assert_eq!(granted(&retentions, &texts, &mut progress, NOW).len(), 8);
    // They fail meanwhile, with a TTL of admission that is soon over.
    for name in ["late-1", "late-2", "late-3"] {
        texts.push(Ended { name, ttl: Some((900, "admission")), ..super::FAILED }.text());
    }
    let writes = granted(&retentions, &texts, &mut progress, NOW + 60);
    let written: Vec<_> = writes.iter().map(|write| (write.seconds, write.hastens)).collect();
    assert_eq!(written, [(86_400, false); 2]);
    assert_eq!(granted(&retentions, &texts, &mut progress, NOW + 120), []);
}

#[test]
fn what_stayed_by_an_object_that_is_gone_is_a_backlog_of_the_others() {
    let short = ("short", "selector: {}, ttl: {succeeded: 1m}, mode: enforce");
    let long = |spec: &'static str| ("long", spec);
    let stays = long("selector: {}, ttl: {succeeded: 9d}, mode: enforce");
    let texts: Vec<_> = (0..251)
        .map(|index| {
            let (name, ttl) = (format!("job-{index}"), Some((777_600, "retention")));
            Ended { name: &name, ttl, ..SUCCEEDED }.text()
        })
        .collect();
    let writes = |progress: &mut [Progress], specs: &[(&str, &str)]| {
        granted(&retentions(specs), &texts, progress, NOW).len()
    };
    // In force since long before the Jobs finished.
    let mut progress = [Progress::default(), Progress::default()];
    with_jobs(&retentions(&[stays, short]), &[], |jobs| {
        let retentions = retentions(&[stays, short]);
        let scene = Scene::new(&retentions, jobs, &|_| None, NOW - 1_000).among(MANY);
        grant(&scene.round(&[Mode::Enforce]), &mut progress, NOW - 1_000, 1000, &mut |_| true);
    });
    assert_eq!(writes(&mut progress.clone(), &[stays, short]), 0);
    for specs in [
        &[short][..],
        &[long("selector: {}, ttl: {succeeded: 9d}"), short],
        &[long("selector: {matchLabels: {a: b}}, ttl: {succeeded: 9d}, mode: enforce"), short],
    ] {
        let mut progress = progress.clone();
        let progress = if specs.len() == 1 { &mut progress[1..] } else { &mut progress[..] };
        assert_eq!(writes(progress, specs), 0, "{specs:?}");
        assert_eq!(progress.last().unwrap().backlog().jobs, 251);
    }
}

#[test]
fn an_hour_has_its_share_of_writes() {
    let texts = jobs(10);
    let paced = retentions(&[("r", &format!("{SPEC}, writesPerHour: 4"))]);
    let mut progress = [Progress::default()];
    let mut written = |now| granted(&paced, &texts, &mut progress, now).len();
    assert_eq!([0, 60, 3599, 4000].map(|later| written(NOW + later)), [4, 0, 0, 4]);
}

#[test]
fn what_is_held_back_takes_nothing_of_the_hour() {
    let texts = jobs(10);
    let paced = retentions(&[("r", &format!("{SPEC}, writesPerHour: 4"))]);
    let mut progress = [Progress::default()];
    with_jobs(&paced, &texts, |jobs| {
        let scene = Scene::new(&paced, jobs, &|_| None, NOW).among(MANY);
        let round = scene.round(&[Mode::Enforce]);
        let mut written = |most, held: usize| {
            let writes = grant(&round, &mut progress, NOW, most, &mut |write| write.job != held);
            writes.iter().map(|write| write.job).collect::<Vec<_>>()
        };
        assert_eq!(written(2, 9), [8, 7]);
        assert_eq!(written(9, 8), [9, 7]);
    });
}
