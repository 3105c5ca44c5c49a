//! The document of a plan.

use std::collections::BTreeSet;

use portcullis_retention::{
    Caps, Cluster, Dependents, Item, Looked, Made, Mode, Plan, PlanError, Safeguards, ttl_of,
};
use proptest::prelude::*;

use crate::jobs::{NOW, backlog, finished};

fn plan(items: usize) -> Plan {
    let cluster = Cluster { server: Some("https://192.0.2.7:6443".to_owned()), uid: Some("5b6c".to_owned()) };
    let mut plan =
        Plan::new(Mode::Delete, cluster, Made { at: NOW, by: Some("jane".to_owned()), from: None });
    plan.criteria = vec!["older than 24h".to_owned()];
    plan.dependents = Dependents { looked: Looked::Usual, ..Dependents::default() };
    plan.listed = 1000;
    let backlog = backlog(&[finished("")]);
    let item = Item::of(backlog.job(0).unwrap(), "succeeded 29d ago".to_owned()).unwrap();
    plan.safeguards = Safeguards {
        floor: 3_600,
        include_namespaces: BTreeSet::from(["kube-system".to_owned()]),
        instance_label: Some("a.b/c".to_owned()),
        portcullis_namespace: "portcullis".to_owned(),
    };
    plan.items = (0..items)
        .map(|index| Item { name: format!("pi-{index}"), uid: format!("u-{index}"), ..item.clone() })
        .collect();
    plan
}

#[test]
fn a_plan_is_read_as_it_was_written() {
    let mut plan = plan(2);
    plan.items[1].dependents.insert("ConfigMap".to_owned(), 2);
    plan.caps = Caps { number: Some(10), percent: None };
    let text = plan.to_text().unwrap();
    assert!(Plan::is_begun_by(&text.as_bytes()[..100]) && !Plan::is_begun_by(br#"{"caps":{},"items":[]}"#));
    assert_eq!(
        text,
        r#"{"caps":{"number":10},"cluster":{"server":"https://192.0.2.7:6443","uid":"5b6c"},"criteria":["older than 24h"],"dependents":{"allowed":false,"looked":"usual","unlistable":[]},
"items":[
{"finished":"2026-09-01T10:01:00Z","manager":"","name":"pi-0","namespace":"team-a","outcome":"succeeded","resourceVersion":"9","uid":"u-0","why":"succeeded 29d ago"},
{"dependents":{"ConfigMap":2},"finished":"2026-09-01T10:01:00Z","manager":"","name":"pi-1","namespace":"team-a","outcome":"succeeded","resourceVersion":"9","uid":"u-1","why":"succeeded 29d ago"}
],"listed":1000,"made":{"at":"2026-10-01T00:00:00Z","by":"jane"},"mode":"delete","safeguards":{"floor":3600,"includeNamespaces":["kube-system"],"instanceLabel":"a.b/c","portcullisNamespace":"portcullis"},"version":1,
"digest":"DIGEST"}
"#
        .replace("DIGEST", &plan.computed_digest().to_string())
    );
    let read = Plan::read(text.as_bytes()).unwrap();
    plan.digest = read.digest.clone();
    assert_eq!(read, plan);
}

#[test]
fn the_layout_of_a_plan_does_not_matter_and_its_words_do() {
    let text = plan(1).to_text().unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    Plan::read(pretty.as_bytes()).unwrap();
    // The keys of what is hashed are sorted: another program can check the digest by sorting them.
    let mut sorted = value;
    sorted.as_object_mut().unwrap().remove("digest");
    assert_eq!(serde_json::to_string(&sorted).unwrap(), serde_json::to_string(&plan(1)).unwrap());
    let changed = text.replace("\"pi-0\"", "\"other\"");
    assert!(matches!(Plan::read(changed.as_bytes()), Err(PlanError::Changed { .. })));
    for other in ["t00:00:00Z", "T00:00:00.5Z", "T00:00:00.0Z"] {
        let respelled = text.replace("T00:00:00Z", other);
        assert!(matches!(Plan::read(respelled.as_bytes()), Err(PlanError::OtherBuild(_))), "{other}");
    }
    let unknown = text.replace("\"mode\":", "\"more\":1,\"mode\":");
    assert!(matches!(Plan::read(unknown.as_bytes()), Err(PlanError::OtherBuild(_))));
    let older = text.replace(r#""safeguards":{"floor":3600,"#, r#""unguarded":{"floor":3600,"#);
    let error = Plan::read(older.as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("a plan that another build of this program made"), "{error}");
    assert!(error.hint().contains("make a new one"));
    let newer = text.replace("\"version\":1", "\"version\":2");
    assert!(matches!(Plan::read(newer.as_bytes()), Err(PlanError::Version(2))));
}

#[test]
fn a_plan_that_names_a_job_twice_is_refused() {
    let mut plan = plan(3);
    plan.items[2].uid = plan.items[0].uid.clone();
    let error = Plan::read(plan.to_text().unwrap().as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "a plan that holds a Job twice: `team-a/pi-2`, whose uid is `u-0`");
    assert!(error.hint().contains("make it anew"), "{}", error.hint());
}

#[test]
fn caps_count_against_all_jobs_that_were_listed() {
    let plan = plan(500);
    let within = |number, percent| plan.within(Caps { number, percent });
    assert_eq!(
        [
            within(None, None),
            within(Some(7), None),
            within(None, Some(25)),
            within(Some(10), Some(100)),
            within(Some(0), None)
        ],
        [500, 7, 250, 10, 0]
    );
}

#[test]
fn a_ttl_leaves_the_notice_from_now_on() {
    assert_eq!(ttl_of(NOW - 100, NOW, 600), 700);
    assert_eq!(ttl_of(NOW + 100, NOW, 600), 600);
    assert_eq!(ttl_of(0, i64::MAX, 600), i32::MAX);
}

proptest! {
    #[test]
    fn whatever_is_changed_in_a_plan_is_noticed(place in 0..2000usize, letter in "[a-z0-9]") {
        let text = plan(2).to_text().unwrap();
        let place = place % text.len();
        let mut changed = text.clone();
        changed.replace_range(place..=place, &letter);
        if let Ok(read) = Plan::read(changed.as_bytes()) {
            prop_assert_eq!(changed, text);
            prop_assert_eq!(read.items.len(), 2);
        }
    }
}
