//! What retention promises, of any Jobs and objects, checked by a slow and plain reading of what it has written.

use std::collections::BTreeSet;

use portcullis_retention::retention::{
    ExistingTtl, JobRetention, Mode, NEVER, Namespace, Progress, Retentions, Scene, grant,
};
use portcullis_retention::{Outcome, Protection, Protections};
use proptest::prelude::*;

use super::{Ended, MANY, read, with_jobs};
use crate::jobs::NOW;

/// Members of metadata, and whether a Job that has them is protected.
const MEMBERS: [(&str, Option<Protection>); 9] = [
    ("", None),
    ("", None),
    (r#""labels":{"app":"x"}"#, None),
    (r#""labels":{"app":"y"}"#, None),
    (r#""ownerReferences":[{"kind":"X"}]"#, Some(Protection::Owned)),
    (r#""labels":{"app":"x","portcullis.dev/keep":""}"#, Some(Protection::Keep)),
    (r#""annotations":{"helm.sh/hook":"x"}"#, Some(Protection::HelmHook)),
    (r#""finalizers":["a.b/c"]"#, Some(Protection::Finalizer)),
    (r#""deletionTimestamp":"2026-09-02T00:00:00Z""#, Some(Protection::Going)),
];

const OWNERS: [&str; 3] = ["admission", "kubectl", "retention"];

/// A Job, by the numbers of its members and its owner, how long ago it ended, and its TTL.
#[derive(Clone, Debug)]
struct Made {
    member: usize,
    failed: bool,
    ago: i64,
    ttl: Option<(i32, usize)>,
}

impl Made {
    fn text(&self, index: usize) -> String {
        Ended {
            name: &format!("job-{index}"),
            condition: if self.failed { "Failed" } else { "Complete" },
            ago: self.ago,
            metadata: MEMBERS[self.member].0,
            ttl: self.ttl.map(|(seconds, owner)| (seconds, OWNERS[owner])),
        }
        .text()
    }

    fn app(&self) -> Option<&'static str> {
        ["x", "y"].into_iter().find(|app| MEMBERS[self.member].0.contains(&format!(r#""app":"{app}""#)))
    }

    fn outcome(&self) -> Outcome {
        if self.failed { Outcome::Failed } else { Outcome::Succeeded }
    }

    fn protection(&self) -> Option<Protection> {
        MEMBERS[self.member].1
    }
}

/// Where the retention under test is wrong on purpose.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    /// It does not see this protection.
    Blind(Protection),
    /// It keeps one fewer of each group.
    KeepsOneFewer,
    /// It does not know of the last object.
    MissesAnObject,
    /// It takes every TTL for one of its own.
    OwnsEverything,
    /// It writes a second more than it is to.
    Inexact,
}

/// Has the TTLs of the Jobs written until nothing is left to write, and says which promises that breaks.
fn broken_promises(jobs: &[Made], specs: &[String], fault: Fault) -> BTreeSet<&'static str> {
    let mut broken = BTreeSet::new();
    let read: Vec<JobRetention> =
        specs.iter().enumerate().map(|(index, spec)| read(&format!("r{index}"), spec).unwrap()).collect();
    let mut used = read.clone();
    match fault {
        Fault::KeepsOneFewer => {
            used.iter_mut().for_each(|one| one.keep_last = one.keep_last.saturating_sub(1));
        }
        Fault::MissesAnObject => drop(used.pop()),
        _ => {}
    }
    let used = Retentions::new(used, "portcullis");
    let mut after = jobs.to_vec();
    for pass in 0..2 {
        let texts: Vec<_> = after.iter().enumerate().map(|(index, made)| made.text(index)).collect();
        let writes = with_jobs(&used, &texts, |jobs| {
            let mut jobs = jobs.to_vec();
            for job in &mut jobs {
                if let Fault::Blind(protection) = fault {
                    job.protections = job.protections.without(protection);
                }
                if let (Fault::OwnsEverything, Some(ttl)) = (fault, &mut job.ttl) {
                    ttl.origin = portcullis_retention::retention::Origin::Retention;
                }
            }
            let scene = Scene::new(&used, &jobs, &|_| Some(Namespace::default()), NOW).among(MANY);
            let mut progress = vec![Progress::default(); used.all().len()];
            grant(&scene.round(&[Mode::Enforce]), &mut progress, NOW, 1000, &mut |_| true)
        });
        if pass == 1 && !writes.is_empty() {
            broken.insert("a second pass does something");
        }
        for write in writes {
            let seconds = write.seconds - i32::from(fault == Fault::Inexact);
            judge(jobs, &after, &read, write.job, seconds, &mut broken);
            after[write.job].ttl = Some((seconds, 2));
        }
    }
    broken
}

/// Judges the write of a TTL, by the Jobs as they were `before` all writes.
fn judge(
    before: &[Made],
    now: &[Made],
    retentions: &[JobRetention],
    index: usize,
    seconds: i32,
    broken: &mut BTreeSet<&'static str>,
) {
    let job = &before[index];
    if job.protection().is_some() {
        broken.insert("a protected Job is written to");
    }
    let selecting: Vec<_> = retentions
        .iter()
        .filter(|one| one.mode == Mode::Enforce && (one.selector.is_empty() || job.app() == Some("x")))
        .collect();
    let may = |one: &JobRetention, job: &Made| match job.ttl.map(|(_, owner)| OWNERS[owner]) {
        None | Some("retention") => true,
        Some("admission") => one.existing_ttl != ExistingTtl::Keep,
        _ => one.existing_ttl == ExistingTtl::ReplaceAny,
    };
    if !selecting.iter().any(|one| may(one, job)) {
        broken.insert("a TTL is replaced that nobody may replace");
    }
    let mut longest = 0;
    for retention in &selecting {
        // Those that count: of the same group, there to stay, and finished later.
        let later = before.iter().enumerate().filter(|(other, made)| {
            let selects = |one: &&&JobRetention| one.selector.is_empty() || made.app() == Some("x");
            let acting: Vec<_> =
                retentions.iter().filter(|one| one.mode == Mode::Enforce).collect::<Vec<_>>();
            let stays = made.ttl.is_none()
                || made.protection().is_none() && acting.iter().filter(selects).any(|one| may(one, made));
            let group = |made: &Made| made.app().filter(|_| retention.group_by.is_some());
            selects(&&&**retention)
                && stays
                && made.protection() != Some(Protection::Going)
                && group(made) == group(job)
                && (made.ago, format!("job-{other}")) < (job.ago, format!("job-{index}"))
        });
        let is_kept = later.clone().count() < retention.keep_last
            || job.failed && later.filter(|(_, made)| made.failed).count() < retention.keep_failed;
        if is_kept && seconds != NEVER {
            broken.insert("one of the last gets a TTL that ends");
        }
        let own = if is_kept { NEVER } else { retention.ttl.of(job.outcome()).unwrap_or(NEVER) };
        let existing = job.ttl.filter(|_| !may(retention, job)).map_or(0, |(seconds, _)| seconds);
        longest = longest.max(own).max(existing);
    }
    if seconds != longest {
        broken.insert("the longest retention does not win");
    }
    if now[index].ttl.is_some_and(|(has, _)| has == seconds) {
        broken.insert("a TTL is written that is there");
    }
}

fn made() -> impl Strategy<Value = Made> {
    let ttl = proptest::option::of((prop::sample::select(vec![1, 60, 900, NEVER]), 0..OWNERS.len()));
    (0..MEMBERS.len(), any::<bool>(), 1..20_i64, ttl).prop_map(|(member, failed, ago, ttl)| Made {
        member,
        failed,
        ago,
        ttl,
    })
}

fn spec() -> impl Strategy<Value = String> {
    let one_of = |words: &[&str]| {
        prop::sample::select(words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    };
    (
        one_of(&["{}", "{matchLabels: {app: x}}"]),
        one_of(&["{}", "{succeeded: 1m}", "{failed: 1h}", "{succeeded: 15m, failed: 1m}"]),
        one_of(&["", ", groupBy: app"]),
        (0..4, 0..3),
        one_of(&["enforce", "enforce", "audit"]),
        one_of(&["keep", "replaceAdmission", "replaceAny"]),
    )
        .prop_map(|(selector, ttl, group, (last, failed), mode, existing)| {
            format!(
                "selector: {selector}, ttl: {ttl}{group}, keepLast: {last}, keepFailed: {failed}, mode: {mode}, existingTTL: {existing}"
            )
        })
}

proptest! {
    #[test]
    fn retention_keeps_its_promises(
        jobs in proptest::collection::vec(made(), 1..20),
        specs in proptest::collection::vec(spec(), 1..4),
    ) {
        prop_assert_eq!(broken_promises(&jobs, &specs, Fault::None), BTreeSet::new());
    }
}

#[test]
fn every_fault_is_found_out() {
    let spec = |more: &str| format!("selector: {{}}, mode: enforce, {more}");
    let job = |member, ago, ttl| Made { member, failed: false, ago, ttl };
    let plain = || vec![spec("ttl: {succeeded: 15m}, keepLast: 1")];
    let of_admission = |ago| job(0, ago, Some((60, 0)));
    for (fault, jobs, specs, found) in [
        (
            Fault::KeepsOneFewer,
            vec![of_admission(1), of_admission(2)],
            plain(),
            "one of the last gets a TTL that ends",
        ),
        (
            Fault::MissesAnObject,
            vec![of_admission(1), of_admission(2)],
            vec![spec("ttl: {succeeded: 15m}"), spec("ttl: {succeeded: 1h}")],
            "the longest retention does not win",
        ),
        (
            Fault::OwnsEverything,
            vec![job(0, 1, None), job(0, 2, Some((60, 1)))],
            plain(),
            "a TTL is replaced that nobody may replace",
        ),
        (
            Fault::Inexact,
            vec![job(0, 1, None), job(0, 2, None)],
            plain(),
            "the longest retention does not win",
        ),
        (Fault::Inexact, vec![job(0, 1, None), job(0, 2, None)], plain(), "a second pass does something"),
    ] {
        assert_eq!(broken_promises(&jobs, &specs, Fault::None), BTreeSet::new(), "{fault:?}");
        assert!(broken_promises(&jobs, &specs, fault).contains(found), "{fault:?}");
    }
    for (member, (_, protection)) in MEMBERS.iter().enumerate() {
        let Some(protection) = protection else { continue };
        let jobs = [job(member, 5, None), job(0, 1, None)];
        let broken = broken_promises(&jobs, &[spec("ttl: {succeeded: 15m}")], Fault::Blind(*protection));
        assert!(broken.contains("a protected Job is written to"), "{protection:?}");
    }
    assert_eq!(
        Protections::default().with(Protection::Keep).without(Protection::Keep),
        Protections::default()
    );
}
