//! What becomes of Jobs, in stories.

use portcullis_retention::retention::{Fate, Mode, NEVER, Namespace, Scene, Term, Why};
use portcullis_retention::{Protection, Protections};
use portcullis_value::{Arena, Value, json};

use super::{Ended, FAILED, SUCCEEDED, fates, retentions, with_jobs};
use crate::jobs::NOW;

fn term(by: usize, seconds: i32, why: Why) -> Term {
    Term { by, seconds, why }
}

fn protected(by: Protection) -> Fate {
    Fate::Protected(Protections::default().with(by))
}

#[test]
fn jobs_get_the_ttl_of_their_outcome_and_one_without_a_ttl_never_expires() {
    let specs = [("r", "selector: {}, ttl: {succeeded: 15m}, mode: enforce")];
    assert_eq!(
        fates(&specs, &[SUCCEEDED, FAILED]),
        [Fate::Write(term(0, 900, Why::Ttl)), Fate::Settled(term(0, NEVER, Why::NoTtl))]
    );
    let written = Ended { ttl: Some((900, "retention")), ..SUCCEEDED };
    assert_eq!(fates(&specs, &[written]), [Fate::Settled(term(0, 900, Why::Ttl))]);
}

#[test]
fn what_the_founding_policy_gave_is_replaced_so_that_failed_jobs_and_the_last_three_stay() {
    let specs = [("r", "selector: {}, ttl: {succeeded: 15m, failed: 7d}, keepLast: 3, mode: enforce")];
    let from_policy = |name, ago| Ended { name, ago, ttl: Some((900, "admission")), ..SUCCEEDED };
    let jobs = [
        from_policy("a", 10),
        from_policy("b", 20),
        Ended { condition: "Failed", ..from_policy("c", 30) },
        Ended { condition: "Failed", ..from_policy("d", 40) },
        from_policy("e", 50),
    ];
    let kept = Fate::Write(term(0, NEVER, Why::KeptLast));
    let failed = Fate::Write(term(0, 604_800, Why::Ttl));
    assert_eq!(fates(&specs, &jobs), [kept, kept, kept, failed, Fate::Settled(term(0, 900, Why::Ttl))]);
}

#[test]
fn a_ttl_that_somebody_owns_is_replaced_only_where_any_is() {
    let owned = || Ended { ttl: Some((60, "kubectl")), ..SUCCEEDED };
    let admitted = || Ended { ttl: Some((60, "admission")), ..SUCCEEDED };
    let write = Fate::Write(term(0, 900, Why::Ttl));
    for (existing, want) in [
        ("keep", [Fate::ExistingTtl, Fate::ExistingTtl]),
        ("replaceAdmission", [Fate::ExistingTtl, write]),
        ("replaceAny", [write, write]),
    ] {
        let spec = format!("selector: {{}}, ttl: {{succeeded: 15m}}, mode: enforce, existingTTL: {existing}");
        assert_eq!(fates(&[("r", &spec)], &[owned(), admitted()]), want, "{existing}");
    }
    // Who owns it is not told: it may be anybody.
    let untold = owned().text().replace("managedFields", "x");
    let retentions = retentions(&[("r", "selector: {}, ttl: {succeeded: 15m}, mode: enforce")]);
    let fates = with_jobs(&retentions, &[untold], |jobs| {
        let scene = Scene::new(&retentions, jobs, &|_| None, NOW);
        scene.round(&[Mode::Enforce]).fates().to_vec()
    });
    assert_eq!(fates, [Fate::ExistingTtl]);
}

#[test]
fn of_several_objects_the_longest_retention_wins() {
    let short = ("a", "selector: {}, ttl: {succeeded: 1m, failed: 1h}, mode: enforce");
    let long = ("b", "selector: {}, ttl: {succeeded: 1h, failed: 1m}, mode: enforce");
    let fate = |specs: &[(&str, &str)]| fates(specs, &[SUCCEEDED, FAILED]);
    let both = [Fate::Write(term(1, 3600, Why::Ttl)), Fate::Write(term(0, 3600, Why::Ttl))];
    assert_eq!(fate(&[short, long]), both);
    assert_eq!(fate(&[long, short]), both);
    let forever = ("c", "selector: {matchLabels: {app: x}}, mode: enforce");
    let labelled = Ended { metadata: r#""labels":{"app":"x"}"#, ..SUCCEEDED };
    assert_eq!(fates(&[short, long, forever], &[labelled]), [Fate::Settled(term(2, NEVER, Why::NoTtl))]);
    // One that keeps the TTL lets the Job stay as long as that.
    let keeps = ("k", "selector: {}, ttl: {succeeded: 1s}, existingTTL: keep, mode: enforce");
    let existing = |seconds| Ended { ttl: Some((seconds, "admission")), ..SUCCEEDED };
    assert_eq!(
        fates(&[short, keeps], &[existing(30), existing(90)]),
        [Fate::Write(term(0, 60, Why::Ttl)), Fate::Settled(term(1, 90, Why::ExistingTtl))]
    );
}

#[test]
fn an_object_in_mode_audit_changes_nothing_and_says_what_it_would_do() {
    let specs = [
        ("enforced", "selector: {}, ttl: {succeeded: 1m}, mode: enforce"),
        ("tried", "selector: {}, ttl: {succeeded: 1h}"),
    ];
    let retentions = retentions(&specs);
    with_jobs(&retentions, &[SUCCEEDED.text()], |jobs| {
        let scene = Scene::new(&retentions, jobs, &|_| None, NOW);
        let fates = |modes: &[Mode]| scene.round(modes).fates().to_vec();
        assert_eq!(fates(&[Mode::Enforce]), [Fate::Write(term(0, 60, Why::Ttl))]);
        assert_eq!(fates(&[Mode::Enforce, Mode::Audit]), [Fate::Write(term(1, 3600, Why::Ttl))]);
        let tallies = scene.round(&[Mode::Enforce]).tallies();
        assert_eq!((tallies[0].to_write, tallies[1].selected), (1, 0));
        let tallies = scene.round(&[Mode::Enforce, Mode::Audit]).tallies();
        assert_eq!((tallies[1].to_write, tallies[0].overruled), (1, 1));
        assert!(tallies[0].overlaps.contains(&1) && tallies[1].overlaps.contains(&0));
    });
}

#[test]
fn the_last_of_each_group_are_those_that_finished_last() {
    let specs =
        [("r", "selector: {}, ttl: {succeeded: 1m, failed: 1m}, keepLast: 1, keepFailed: 1, mode: enforce")];
    let ended = |name, condition, ago| Ended { name, condition, ago, ..SUCCEEDED };
    let lone = Ended { name: "lone", ..SUCCEEDED }.text().replace(r#""generateName":"report-","#, "");
    let elsewhere = ended("there", "Complete", 900).text().replace("team-a", "team-b");
    let mut texts: Vec<_> = [
        ended("a", "Complete", 30),
        ended("b", "Failed", 20),
        ended("c", "Complete", 10),
        ended("d", "Failed", 40),
    ]
    .iter()
    .map(Ended::text)
    .collect();
    texts.extend([lone, elsewhere]);
    let retentions = retentions(&specs);
    let fates = with_jobs(&retentions, &texts, |jobs| {
        Scene::new(&retentions, jobs, &|_| None, NOW).round(&[Mode::Enforce]).fates().to_vec()
    });
    let kept = |why| Fate::Settled(term(0, NEVER, why));
    let goes = Fate::Write(term(0, 60, Why::Ttl));
    let (last, last_failed) = (kept(Why::KeptLast), kept(Why::KeptFailed));
    assert_eq!(fates, [goes, last_failed, last, goes, last, last]);
}

#[test]
fn a_label_makes_groups_and_jobs_without_it_are_grouped_by_generate_name() {
    let specs = [("r", "selector: {}, ttl: {succeeded: 1m}, groupBy: app, keepLast: 1, mode: enforce")];
    let with = |name, ago, metadata| Ended { name, ago, metadata, ..SUCCEEDED };
    let jobs = [
        with("a", 10, r#""labels":{"app":"x"}"#),
        with("b", 20, r#""labels":{"app":"x"}"#),
        with("c", 30, r#""labels":{"app":"y"}"#),
        with("d", 40, ""),
        with("e", 50, ""),
    ];
    let kept = Fate::Settled(term(0, NEVER, Why::KeptLast));
    let goes = Fate::Write(term(0, 60, Why::Ttl));
    assert_eq!(fates(&specs, &jobs), [kept, goes, kept, kept, goes]);
}

#[test]
fn a_job_that_falls_out_of_the_last_gets_a_ttl_that_ends_again() {
    let specs = [("r", "selector: {}, ttl: {succeeded: 1m}, keepLast: 1, mode: enforce")];
    let jobs = [
        Ended { name: "new", ago: 10, ttl: Some((900, "admission")), ..SUCCEEDED },
        Ended { name: "old", ago: 20, ttl: Some((NEVER, "retention")), ..SUCCEEDED },
    ];
    assert_eq!(
        fates(&specs, &jobs),
        [Fate::Write(term(0, NEVER, Why::KeptLast)), Fate::Write(term(0, 60, Why::Ttl))]
    );
}

#[test]
fn namespaces_are_left_alone_and_chosen_by_their_labels() {
    let specs = [(
        "r",
        "selector: {}, namespaceSelector: {matchLabels: {team: a}}, ttl: {succeeded: 1m}, mode: enforce, \
         protections: {namespaces: [pay], includeNamespaces: [kube-public]}",
    )];
    let retentions = retentions(&specs);
    let names = ["one", "other", "unknown", "pay", "kube-system", "kube-public", "portcullis", "going"];
    let texts: Vec<_> = names.iter().map(|name| SUCCEEDED.text().replace("team-a", name)).collect();
    let arena = Arena::new();
    let labels = |team: &str| {
        let text = arena.format(format_args!(r#"{{"team":"{team}"}}"#));
        json::read(&arena, text).ok().and_then(Value::as_object).unwrap()
    };
    let namespace = |name: &str| match name {
        "unknown" => None,
        "other" => Some(Namespace { labels: labels("b"), is_terminating: false }),
        name => Some(Namespace { labels: labels("a"), is_terminating: name == "going" }),
    };
    let fates = with_jobs(&retentions, &texts, |jobs| {
        Scene::new(&retentions, jobs, &namespace, NOW).round(&[Mode::Enforce]).fates().to_vec()
    });
    let goes = Fate::Write(term(0, 60, Why::Ttl));
    let alone = protected(Protection::Namespace);
    assert_eq!(
        fates,
        [
            goes,
            Fate::Unselected,
            Fate::NamespaceUnknown,
            alone,
            alone,
            goes,
            alone,
            protected(Protection::NamespaceTerminating)
        ]
    );
}

#[test]
fn a_job_that_owns_what_would_be_missed_is_left_alone_by_all_that_do_not_say_otherwise() {
    let spec = "selector: {}, ttl: {succeeded: 1m}, mode: enforce";
    let with = format!("{spec}, protections: {{withDependents: true}}");
    let goes = Fate::Write(term(0, 60, Why::Ttl));
    for (specs, want) in [
        (&[("r", spec)][..], protected(Protection::Dependents)),
        (&[("r", &with)], goes),
        (&[("r", &with), ("s", spec)], protected(Protection::Dependents)),
    ] {
        let retentions = retentions(specs);
        let fates = with_jobs(&retentions, &[SUCCEEDED.text(), SUCCEEDED.text()], |jobs| {
            let mut jobs = jobs.to_vec();
            jobs[0].protections.insert(Protection::Dependents);
            let scene = Scene::new(&retentions, &jobs, &|_| Some(Namespace::default()), NOW);
            scene.round(&[Mode::Enforce]).fates().to_vec()
        });
        assert_eq!(fates, [want, goes], "{specs:?}");
    }
}

#[test]
fn the_label_of_argo_cd_protects_unless_there_is_no_argo_cd() {
    let job = || Ended { metadata: r#""labels":{"app.kubernetes.io/instance":"shop"}"#, ..SUCCEEDED };
    let spec = "selector: {}, ttl: {succeeded: 1m}, mode: enforce";
    assert_eq!(fates(&[("r", spec)], &[job()]), [protected(Protection::ArgoCd)]);
    let without = format!("{spec}, protections: {{argoCDInstanceLabel: ''}}");
    assert_eq!(fates(&[("r", &without)], &[job()]), [Fate::Write(term(0, 60, Why::Ttl))]);
    let other = format!("{spec}, protections: {{argoCDInstanceLabel: x/y}}");
    assert_eq!(fates(&[("r", &without), ("s", &other)], &[job()]), [Fate::Write(term(0, 60, Why::Ttl))]);
}
