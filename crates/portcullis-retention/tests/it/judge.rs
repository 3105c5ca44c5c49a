//! What becomes of the Jobs of a backlog.

use std::collections::BTreeSet;

use portcullis_retention::{ByOutcome, KeepPolicy, Protection, Protections, Verdict, judge};
use proptest::prelude::*;

use crate::jobs::{NOW, backlog, finished, job};

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
        // Without a generateName: a group of its own.
        ended("report-", "Complete", 70 * HOUR).replace(r#","generateName":"report-""#, ""),
    ];
    let ttl = Verdict::Protected(Protections::default().with(Protection::Ttl));
    let (expire, kept) = (Verdict::Expire, Verdict::Kept);
    assert_eq!(judge(&backlog(&jobs), &policy(2), NOW), [expire, kept, kept, ttl, kept, kept]);
    let failed = KeepPolicy { keep_failed: 1, ..policy(0) };
    assert_eq!(judge(&backlog(&jobs), &failed, NOW), [expire, expire, kept, ttl, expire, expire]);
}

/// Members of metadata, spec and status, each of which protects or does not.
const MEMBERS: [(&str, &str, &str, bool); 14] = [
    ("", "", "", false),
    (r#""labels":{"app":"x"}"#, r#""suspend":false"#, r#""succeeded":1"#, false),
    (r#""annotations":{"note":"\u00e9"}"#, "", "", false),
    (r#""ownerReferences":[{"kind":"X","name":"x","uid":"u"}]"#, "", "", true),
    (r#""deletionTimestamp":"2026-09-02T00:00:00Z""#, "", "", true),
    (r#""finalizers":["a.b/c"]"#, "", "", true),
    (r#""labels":{"kueue.x-k8s.io/queue-name":"q"}"#, "", "", true),
    (r#""annotations":{"helm.sh/hook":"x"}"#, "", "", true),
    (r#""annotations":{"argocd.argoproj.io/tracking-id":"x"}"#, "", "", true),
    (r#""labels":{"portcullis.dev/keep":""}"#, "", "", true),
    ("", r#""ttlSecondsAfterFinished":5"#, "", true),
    ("", r#""managedBy":"a.b/c""#, "", true),
    ("", "", r#""terminating":1"#, true),
    (r#""namespace":"kube-system""#, "", "", true),
];

proptest! {
    #[test]
    fn nothing_protected_expires_and_of_each_group_the_last_stay(
        jobs in proptest::collection::vec((0..MEMBERS.len(), 0..3usize, -2..100i64, "[ab]"), 1..20),
        keep_last in 0..4usize,
    ) {
        let text = |(index, (member, condition, hours, generate_name)): (usize, &(usize, usize, i64, String))| {
            let (metadata, spec, status, _) = MEMBERS[*member];
            let condition = ["Complete", "Failed", "SuccessCriteriaMet"][*condition];
            let time = jiff::Timestamp::from_second(NOW - hours * HOUR).unwrap();
            let conditions = format!(r#""conditions":[{{"type":"{condition}","status":"True","lastTransitionTime":"{time}"}}]"#);
            let join = |one: &str, other: &str| [one, other].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(",");
            job(&join(&format!(r#""generateName":"{generate_name}-""#), metadata), spec, &join(&conditions, status))
                .replace("\"pi\"", &format!("\"job-{index}\""))
        };
        let texts: Vec<String> = jobs.iter().enumerate().map(text).collect();
        let backlog = backlog(&texts);
        let verdicts = judge(&backlog, &policy(keep_last), NOW);
        for ((member, condition, hours, _), verdict) in jobs.iter().zip(&verdicts) {
            if *verdict == Verdict::Expire {
                prop_assert!(!MEMBERS[*member].3, "{:?}", MEMBERS[*member]);
                prop_assert!(*condition < 2 && *hours >= 24);
            }
        }
        // The oracle of `keep_last`: an expired Job has enough younger ones of its group that stay or went for their age.
        for (one, (_, _, hours, group)) in jobs.iter().enumerate().filter(|(index, _)| verdicts[*index] == Verdict::Expire) {
            let younger = jobs.iter().enumerate().filter(|(other, (_, condition, other_hours, other_group))| {
                let same = backlog.job(*other).unwrap().namespace() == backlog.job(one).unwrap().namespace();
                *other != one && same && other_group == group && *condition < 2 && other_hours <= hours
            });
            prop_assert!(younger.count() >= keep_last);
        }
        if keep_last == 0 {
            prop_assert!(!verdicts.contains(&Verdict::Kept));
        }
    }
}

#[test]
fn the_property_notices_a_protection_that_is_not_read() {
    // The fault planted: an owner whose key is not the one that is looked for.
    let blind =
        finished(r#""ownerReferences":[{"kind":"CronJob"}]"#).replace("ownerReferences", "ownerReferencez");
    assert_eq!(judge(&backlog(&[blind]), &policy(0), NOW), [Verdict::Expire]);
}
