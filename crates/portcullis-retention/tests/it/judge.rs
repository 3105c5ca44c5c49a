//! What becomes of the Jobs of a backlog.

use std::collections::BTreeSet;

use portcullis_retention::{Backlog, ByOutcome, KeepPolicy, Protection, Protections, Verdict, judge};
use portcullis_value::Arena;
use proptest::prelude::*;

use crate::jobs::{NOW, backlog, facts, job};

const HOUR: i64 = 3600;

fn policy(keep_last: usize) -> KeepPolicy {
    KeepPolicy {
        expire_after: ByOutcome { succeeded: Some(24 * HOUR), failed: Some(24 * HOUR) },
        keep_last,
        keep_failed: 0,
        floor: HOUR,
        protected_namespaces: BTreeSet::from(["kube-system".into()]),
        terminating_namespaces: BTreeSet::from(["going".into()]),
    }
}

/// A Job that ended this many seconds before now.
fn ended(name: &str, condition: &str, ago: i64) -> String {
    let time = jiff::Timestamp::from_second(NOW - ago).unwrap();
    let status =
        format!(r#""conditions":[{{"type":"{condition}","status":"True","lastTransitionTime":"{time}"}}]"#);
    job(r#""generateName":"report-""#, "", &status).replace("\"pi\"", &format!("\"{name}\""))
}

#[test]
fn jobs_expire_by_the_age_since_their_finish_and_by_outcome() {
    let jobs = [
        ended("a", "Complete", 24 * HOUR),
        ended("b", "Complete", 24 * HOUR - 1),
        ended("c", "Failed", 24 * HOUR),
        ended("d", "Complete", HOUR - 1),
        ended("e", "Complete", -1),
    ];
    let never_failed =
        KeepPolicy { expire_after: ByOutcome { succeeded: Some(24 * HOUR), failed: None }, ..policy(0) };
    let protected = |by| Verdict::Protected(Protections::default().with(by));
    assert_eq!(
        judge(&backlog(&jobs), &never_failed, NOW),
        [
            Verdict::Expire,
            Verdict::NotDue,
            Verdict::NotDue,
            protected(Protection::Young),
            protected(Protection::FutureFinish)
        ]
    );
}

#[test]
fn namespaces_of_kubernetes_and_those_that_are_terminating_are_left_alone() {
    let of = |namespace: &str| ended("a", "Complete", 48 * HOUR).replace("team-a", namespace);
    let verdicts = judge(&backlog(&[of("kube-system"), of("going"), of("team-a")]), &policy(0), NOW);
    let protected = |by| Verdict::Protected(Protections::default().with(by));
    assert_eq!(
        verdicts,
        [protected(Protection::Namespace), protected(Protection::NamespaceTerminating), Verdict::Expire]
    );
}

#[test]
fn the_last_of_each_group_stay_and_one_that_will_go_by_itself_is_none_of_them() {
    let with_ttl =
        ended("t", "Complete", 25 * HOUR).replace(r#""spec":{"#, r#""spec":{"ttlSecondsAfterFinished":9"#);
    let jobs = [
        ended("a", "Complete", 50 * HOUR),
        ended("b", "Complete", 40 * HOUR),
        ended("c", "Failed", 30 * HOUR),
        with_ttl,
        ended("d", "Complete", 60 * HOUR).replace("team-a", "team-b"),
        // Of a clock that is wrong.
        ended("f", "Complete", -24 * HOUR),
        // Without a generateName: a group of its own.
        ended("report-", "Complete", 70 * HOUR).replace(r#","generateName":"report-""#, ""),
    ];
    let protected = |by| Verdict::Protected(Protections::default().with(by));
    let (ttl, future) = (protected(Protection::Ttl), protected(Protection::FutureFinish));
    let (expire, kept) = (Verdict::Expire, Verdict::Kept);
    assert_eq!(judge(&backlog(&jobs), &policy(2), NOW), [expire, kept, kept, ttl, kept, future, kept]);
    let failed = KeepPolicy { keep_failed: 1, ..policy(0) };
    assert_eq!(judge(&backlog(&jobs), &failed, NOW), [expire, expire, kept, ttl, expire, future, expire]);
}

/// Members of metadata, spec and status, and what protects a Job that has them.
const MEMBERS: [(&str, &str, &str, Option<Protection>); 14] = [
    ("", "", "", None),
    (r#""labels":{"app":"x"}"#, r#""suspend":false"#, r#""succeeded":1"#, None),
    (r#""annotations":{"note":"\u00e9"}"#, "", "", None),
    (r#""ownerReferences":[{"kind":"X","name":"x","uid":"u"}]"#, "", "", Some(Protection::Owned)),
    (r#""deletionTimestamp":"2026-09-02T00:00:00Z""#, "", "", Some(Protection::Going)),
    (r#""finalizers":["a.b/c"]"#, "", "", Some(Protection::Finalizer)),
    (r#""labels":{"kueue.x-k8s.io/queue-name":"q"}"#, "", "", Some(Protection::Kueue)),
    (r#""annotations":{"helm.sh/hook":"x"}"#, "", "", Some(Protection::HelmHook)),
    (r#""annotations":{"argocd.argoproj.io/tracking-id":"x"}"#, "", "", Some(Protection::ArgoCd)),
    (r#""labels":{"portcullis.dev/keep":""}"#, "", "", Some(Protection::Keep)),
    ("", r#""ttlSecondsAfterFinished":5"#, "", Some(Protection::Ttl)),
    ("", r#""managedBy":"a.b/c""#, "", Some(Protection::ManagedBy)),
    ("", "", r#""terminating":1"#, Some(Protection::PodsLeft)),
    (r#""namespace":"kube-system""#, "", "", Some(Protection::Namespace)),
];

/// A Job: its members, how it ended if it did, how many hours ago, and what its name begins with.
type Made = (usize, usize, i64, String);

/// Judges these Jobs and says which promises that breaks. A reader that is `blind` does not see that protection.
fn broken_promises(jobs: &[Made], keep_last: usize, blind: Option<Protection>) -> Vec<String> {
    let mut backlog = Backlog::default();
    for (index, (member, condition, hours, generate_name)) in jobs.iter().enumerate() {
        let (metadata, spec, status, _) = MEMBERS[*member];
        let condition = ["Complete", "Failed", "SuccessCriteriaMet"][*condition];
        let time = jiff::Timestamp::from_second(NOW - hours * HOUR).unwrap();
        let conditions = format!(
            r#""conditions":[{{"type":"{condition}","status":"True","lastTransitionTime":"{time}"}}]"#
        );
        let metadata = join(&format!(r#""generateName":"{generate_name}-""#), metadata);
        let text =
            job(&metadata, spec, &join(&conditions, status)).replace("\"pi\"", &format!("\"job-{index}\""));
        let arena = Arena::new();
        let mut facts = facts(&arena, &text);
        let seen = facts.protections.iter().filter(|protection| Some(*protection) != blind);
        facts.protections = seen.fold(Protections::default(), Protections::with);
        backlog.push(&facts).unwrap();
    }
    let mut broken = Vec::new();
    let verdicts = judge(&backlog, &policy(keep_last), NOW);
    for (index, _) in verdicts.iter().enumerate().filter(|(_, verdict)| **verdict == Verdict::Expire) {
        let (member, condition, hours, group) = &jobs[index];
        if let Some(protection) = MEMBERS[*member].3 {
            broken.push(format!("{} is no protection", protection.name()));
        }
        if *condition == 2 || *hours < 24 {
            broken.push(format!("a Job goes {hours} h after it ended by condition {condition}"));
        }
        // It has enough younger ones of its group, of a time that can be and that do not go by themselves.
        let namespace = |index| backlog.job(index).unwrap().namespace();
        let passes = [Some(Protection::Going), Some(Protection::Ttl)];
        let younger =
            jobs.iter().enumerate().filter(|(other, (member, condition, other_hours, other_group))| {
                *other != index
                    && namespace(*other) == namespace(index)
                    && (other_group, *condition < 2) == (group, true)
                    && (0..=*hours).contains(other_hours)
                    && !passes.contains(&MEMBERS[*member].3)
            });
        if younger.count() < keep_last {
            broken.push("one of the last goes".to_owned());
        }
    }
    broken
}

fn join(one: &str, other: &str) -> String {
    [one, other].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",")
}

proptest! {
    #[test]
    fn nothing_protected_expires_and_of_each_group_the_last_stay(
        jobs in proptest::collection::vec((0..MEMBERS.len(), 0..3usize, -2..100i64, "[ab]"), 1..20),
        keep_last in 0..4usize,
    ) {
        prop_assert_eq!(broken_promises(&jobs, keep_last, None), Vec::<String>::new());
    }
}

#[test]
fn a_reader_that_is_blind_to_a_protection_is_found_out() {
    let jobs: Vec<Made> = (0..MEMBERS.len()).map(|member| (member, 0, 50, "a".to_owned())).collect();
    let read_of_manifests = MEMBERS.iter().filter_map(|(.., protection)| *protection);
    for protection in read_of_manifests.filter(|protection| *protection != Protection::Namespace) {
        let broken = broken_promises(&jobs, 0, Some(protection));
        assert_eq!(broken, [format!("{} is no protection", protection.name())]);
    }
}
