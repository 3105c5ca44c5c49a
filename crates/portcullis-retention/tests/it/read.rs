//! What is read of a Job.

use portcullis_gocompat::labels::{Operator, Requirement, Selector};
use portcullis_retention::{Alike, Interest, NotAJob, Outcome, Protection, Protections, read_job, scan_job};
use portcullis_value::Arena;
use portcullis_value::json::Scanner;

use crate::jobs::{facts, finished, job};

/// Checks what protects the Job and the words in which that is told.
#[track_caller]
fn protected(text: &str, protection: Protection, reason: &str) {
    let arena = Arena::new();
    let facts = facts(&arena, text);
    assert_eq!(facts.protections, Protections::default().with(protection), "{text}");
    assert_eq!(protection.reason(facts.detail), reason);
}

#[test]
fn a_finished_job_that_nobody_looks_after_is_not_protected() {
    let arena = Arena::new();
    let text = finished(
        r#""labels":{"app":"report"},"ownerReferences":[],"finalizers":null,"deletionTimestamp":null"#,
    );
    let facts = facts(&arena, &text);
    assert_eq!(facts.protections, Protections::default());
    assert_eq!((facts.namespace, facts.name, facts.resource_version), ("team-a", "pi", "9"));
    assert_eq!(
        (facts.outcome, facts.finished, facts.pods),
        (Some(Outcome::Succeeded), Some(1_788_256_860), 1)
    );
    assert!(facts.selected);
}

#[test]
fn only_the_conditions_complete_and_failed_end_a_job() {
    let with = |conditions: &str| job("", "", &format!(r#""failed":3,"conditions":{conditions}"#));
    let time = r#""lastTransitionTime":"2026-09-01T10:01:00Z""#;
    for not_yet in [
        "null".to_owned(),
        format!(r#"[{{"type":"FailureTarget","status":"True",{time}}}]"#),
        format!(r#"[{{"type":"SuccessCriteriaMet","status":"True",{time}}}]"#),
        format!(
            r#"[{{"type":"Complete","status":"False",{time}}},{{"type":"Failed","status":"Unknown",{time}}}]"#
        ),
    ] {
        protected(&with(&not_yet), Protection::Running, "has not finished");
    }
    let text = with(&format!(
        r#"[{{"type":"FailureTarget","status":"True"}},{{"status":"True",{time},"type":"Failed"}}]"#
    ));
    let arena = Arena::new();
    let facts = facts(&arena, &text);
    assert_eq!((facts.outcome, facts.protections), (Some(Outcome::Failed), Protections::default()));
}

#[test]
fn a_finish_time_that_is_missing_or_no_time_protects() {
    for time in ["", r#","lastTransitionTime":null"#, r#","lastTransitionTime":"yesterday""#] {
        let text = job(
            "",
            "",
            &format!(
                r#""completionTime":"2026-09-01T10:01:00Z","conditions":[{{"type":"Complete","status":"True"{time}}}]"#
            ),
        );
        protected(&text, Protection::NoFinishTime, "does not say when it finished");
    }
}

#[test]
fn whoever_looks_after_a_job_protects_it() {
    use Protection::{ArgoCd, Finalizer, Flux, Going, HelmHook, HelmRelease, Keep, Kueue, Owned, Rancher};
    for (metadata, protection, reason) in [
        (
            r#""ownerReferences":[{"kind":"CronJob","name":"x","controller":true}]"#,
            Owned,
            "owned by a CronJob",
        ),
        (
            r#""ownerReferences":[{"kind":"ConfigMap","name":"x"},{"kind":"CronJob"}]"#,
            Owned,
            "owned by a ConfigMap",
        ),
        (r#""deletionTimestamp":"2026-09-02T00:00:00Z""#, Going, "is being deleted already"),
        (r#""labels":{"kueue.x-k8s.io/queue-name":"q"}"#, Kueue, "queued by Kueue"),
        (r#""labels":{"kueue.x-k8s.io/multikueue-origin":"m"}"#, Kueue, "queued by Kueue"),
        (r#""annotations":{"objectset.rio.cattle.io/id":"x"}"#, Rancher, "belongs to Rancher"),
        (r#""labels":{"helmcharts.helm.cattle.io/chart":"x"}"#, Rancher, "belongs to Rancher"),
        (r#""labels":{"upgrade.cattle.io/plan":"x"}"#, Rancher, "belongs to Rancher"),
        (
            r#""annotations":{"argocd.argoproj.io/tracking-id":"a:b"}"#,
            ArgoCd,
            "Argo CD would create it again",
        ),
        (r#""annotations":{"argocd.argoproj.io/hook":"PreSync"}"#, ArgoCd, "Argo CD would create it again"),
        (r#""annotations":{"helm.sh/hook":"post-install"}"#, HelmHook, "is a hook of Helm"),
        (r#""annotations":{"meta.helm.sh/release-name":"r"}"#, HelmRelease, "belongs to a Helm release"),
        (r#""labels":{"kustomize.toolkit.fluxcd.io/name":"x"}"#, Flux, "Flux would create it again"),
        (r#""labels":{"helm.toolkit.fluxcd.io/name":"x"}"#, Flux, "Flux would create it again"),
        (r#""finalizers":["batch.kubernetes.io/job-tracking","a.b/c"]"#, Finalizer, "finalizer `a.b/c`"),
        (r#""labels":{"portcullis.dev/keep":""}"#, Keep, "`portcullis.dev/keep` is set"),
        (
            r#""annotations":{"x":"\"é\ud83d\ude00","portcullis.dev/keep":"yes"}"#,
            Keep,
            "`portcullis.dev/keep` is set",
        ),
    ] {
        protected(&finished(metadata), protection, reason);
    }
    let arena = Arena::new();
    let text = finished(
        r#""finalizers":["batch.kubernetes.io/job-tracking"],"labels":{"portcullis.dev/keeper":"","nottoolkit.fluxcd.io/x":"","a.portcullis.dev/keep":""}"#,
    );
    assert_eq!(facts(&arena, &text).protections, Protections::default());
}

#[test]
fn spec_and_status_protect_too() {
    let end =
        r#""conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-09-01T10:01:00Z"}]"#;
    let with = |spec: &str, status: &str| job("", spec, &format!("{end}{status}"));
    protected(&with(r#""ttlSecondsAfterFinished":0"#, ""), Protection::Ttl, "has a TTL already");
    let other = r#""managedBy":"kueue.x-k8s.io/multikueue""#;
    protected(&with(other, ""), Protection::ManagedBy, "managed by `kueue.x-k8s.io/multikueue`");
    protected(&with("", r#","terminating":1"#), Protection::PodsLeft, "Pods are still terminating");
    protected(&with("", r#","active":1"#), Protection::PodsLeft, "Pods are still terminating");
    protected(&job("", r#""suspend":true"#, ""), Protection::Suspended, "is suspended");
    protected(&with(r#""suspend":true"#, ""), Protection::Suspended, "is suspended");
    protected(&job("", r#""suspend":false"#, r#""active":1"#), Protection::Running, "has not finished");
    let arena = Arena::new();
    let text = with(
        r#""ttlSecondsAfterFinished":null,"managedBy":"kubernetes.io/job-controller","suspend":null"#,
        r#","terminating":0"#,
    );
    assert_eq!(facts(&arena, &text).protections, Protections::default());
}

#[test]
fn a_protection_in_escapes_or_told_twice_protects() {
    let arena = Arena::new();
    let plain = finished(r#""labels":{"portcullis.dev/keep":""}"#);
    let text = plain.replace("metadata", r"met\u0061data").replace("keep", r"k\u0065ep");
    assert_eq!(facts(&arena, &text).protections, Protections::default().with(Protection::Keep));
    let text = finished(r#""labels":{"portcullis.dev/keep":""},"labels":{"a":"b"}"#);
    assert_eq!(facts(&arena, &text).protections, Protections::default().with(Protection::Keep));
}

#[test]
fn any_text_and_any_key_may_have_escapes() {
    let arena = Arena::new();
    let text = finished(
        r#""generateName":"p\"i","creationTimestamp":"\u0032026-09-01T10:00:00Z","a\"b":[{"c\\":1}],"\u2028":0,
        "ownerReferences":[{"k\nind":7,"kind":"Con\"fig"}],"annotations":{"argocd.argoproj.io/\"x":"\t"},
        "managedFields":[{"manager":"st","subresource":"sta\"tus"},{"manager":"k\"c\\","time":"\u0032","f\"":{}}]"#,
    );
    let text = text.replace("\"team-a\"", r#""team-\"a""#).replace("\"9\"", r#""\\9""#);
    let read = facts(&arena, &text);
    assert_eq!((read.namespace, read.resource_version, read.generate_name), ("team-\"a", "\\9", "p\"i"));
    assert_eq!((read.manager, read.detail), ("k\"c\\", Some("Con\"fig")));
    let protections = [Protection::Owned, Protection::ArgoCd].into_iter();
    assert_eq!(read.protections, protections.fold(Protections::default(), Protections::with));
    assert_eq!((read.created(), read.outcome), (Some(1_788_256_800), Some(Outcome::Succeeded)));
    for (metadata, spec) in [(r#""finalizers":["a\"b"]"#, ""), ("", r#""managedBy":"a\"b""#)] {
        let text =
            job(metadata, spec, r#""x\"":0,"conditions":[{"\"":0,"type":"\"Complete","status":"True"}]"#);
        let read = facts(&arena, &text);
        assert!(read.outcome.is_none() && read.protections.iter().count() == 2, "{read:?}");
    }
}

#[test]
fn the_maker_of_a_job_is_the_first_manager_of_the_object_itself() {
    let arena = Arena::new();
    let text = finished(
        r#""managedFields":[{"manager":"kcm","subresource":"status","fieldsV1":{"f:status":{"k:{\"a\":1}":{}}}},{"manager":"kubectl-create","operation":"Update"},{"manager":"later"}]"#,
    );
    assert_eq!(facts(&arena, &text).manager, "kubectl-create");
    // Those that apply come first in the list, however late they did.
    let text = finished(
        r#""managedFields":[{"manager":"portcullis-jobs","operation":"Apply","time":"2026-09-25T09:00:00Z"},{"manager":"helm","operation":"Update","time":"2026-09-01T10:00:00Z"},{"manager":"kubectl","operation":"Update","time":"2026-09-02T10:00:00Z"}]"#,
    );
    assert_eq!(facts(&arena, &text).manager, "helm");
    assert_eq!(facts(&arena, &finished(r#""managedFields":null"#)).manager, "");
}

#[test]
fn what_groups_jobs_is_the_label_asked_for_else_generate_name() {
    let arena = Arena::new();
    let text = finished(r#""labels":{"team":"x"},"generateName":"report-""#);
    let by = |label: Option<&str>| {
        let interest = Interest { group_label: label.map(Box::from), ..Interest::default() };
        read_job(&arena, &text, &interest).unwrap().group
    };
    assert_eq!(
        (by(None), by(Some("team")), by(Some("other"))),
        (Some("report-"), Some("x"), Some("report-"))
    );
}

#[test]
fn the_label_of_argo_cd_protects_where_it_is_the_one_configured() {
    let arena = Arena::new();
    let text = finished(r#""labels":{"app.kubernetes.io/instance":"x"}"#);
    let interest =
        Interest { instance_label: Some("app.kubernetes.io/instance".into()), ..Interest::default() };
    assert!(read_job(&arena, &text, &interest).unwrap().protections.contains(Protection::ArgoCd));
    assert!(facts(&arena, &text).protections.is_empty());
}

#[test]
fn what_is_no_job_is_told() {
    let arena = Arena::new();
    let why = |text: &str| read_job(&arena, text, &Interest::default()).unwrap_err().to_string();
    assert_eq!(why(r#"{"kind":"Pod","metadata":{"name":"x"}}"#), "it is a `Pod`, not a `Job` of `batch/v1`");
    let of_volcano = finished("").replace("batch/v1", "batch.volcano.sh/v1alpha1");
    assert_eq!(why(&of_volcano), "it is a `batch.volcano.sh/v1alpha1/Job`, not a `Job` of `batch/v1`");
    assert!(read_job(&arena, &finished("").replace("\"batch/v1\"", "null"), &Interest::default()).is_ok());
    assert!(matches!(read_job(&arena, "{", &Interest::default()), Err(NotAJob::Json(_))));
    let missing = |member: &str| format!("`metadata.{member}` is missing, which every Job of a cluster has");
    assert_eq!(why("{}"), missing("name"));
    assert_eq!(why("[]"), missing("name"));
    assert_eq!(why(r#"{"kind":"Job","metadata":{"name":"x","uid":"u"}}"#), missing("namespace"));
    assert_eq!(why(r#"{"metadata":{"name":"x","namespace":"","uid":"u"}}"#), missing("namespace"));
    assert_eq!(why(r#"{"kind":"Job","metadata":{"name":"x","namespace":"n","uid":""}}"#), missing("uid"));
    let identity = r#""name":"x","namespace":"n","uid":"u""#;
    assert_eq!(why(&format!(r#"{{"metadata":{{{identity}}}}}"#)), missing("resourceVersion"));
    let of_another_type =
        |member: &str| format!("its `{member}` is not that of a Job: a field has another type");
    for (member, text) in [
        ("metadata", r#"{"metadata":{"name":7,"namespace":"n","uid":"u","resourceVersion":"1"}}"#.to_owned()),
        ("spec", format!(r#"{{"metadata":{{{identity},"resourceVersion":"1"}},"spec":{{"suspend":"no"}}}}"#)),
        ("status", format!(r#"{{"metadata":{{{identity},"resourceVersion":"1"}},"status":[]}}"#)),
        ("kind", format!(r#"{{"kind":7,"metadata":{{{identity},"resourceVersion":"1"}}}}"#)),
        ("apiVersion", format!(r#"{{"apiVersion":7,"metadata":{{{identity},"resourceVersion":"1"}}}}"#)),
    ] {
        assert_eq!(why(&text), of_another_type(member));
    }
}

#[test]
fn a_selector_looks_at_the_labels_of_a_job_that_has_none_too() {
    let arena = Arena::new();
    let (labelled, bare) = (finished(r#""labels":{"app":"x"}"#), finished(""));
    let selected = |operator: Operator, text: &str| {
        let selector = Selector::new([Requirement::new("app", operator, &[]).unwrap()]);
        read_job(&arena, text, &Interest { selector, ..Interest::default() }).unwrap().selected
    };
    assert!(selected(Operator::Exists, &labelled) && !selected(Operator::Exists, &bare));
    assert!(!selected(Operator::DoesNotExist, &labelled) && selected(Operator::DoesNotExist, &bare));
}

#[test]
fn jobs_that_are_alike_are_read_as_if_each_stood_alone() {
    let job = |name: &str, fields: &str, pod: &str| {
        format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"n","uid":"u","resourceVersion":"1","managedFields":[
            {{"manager":"{name}","fieldsV1":{fields}}},{{"manager":"b","fieldsV1":{{"f:status": {{}}}},"subresource":"status"}}]}},
            "spec":{{"template":{{"spec":{pod}}},"managedBy":"{name}"}}}}"#
        )
    };
    let jobs = [
        job("a", r#"{"f:spec": {}}"#, r#"{"containers": [1]}"#),
        job("b", r#"{"f:spec": {}}"#, r#"{"containers": [1]}"#),
        job("c", r#"{"f:spec": {},"f:metadata":{}}"#, r#"{"containers": [12]}"#),
        job("d", r#"{"f:spec":  {}}"#, "null"),
        job("e", "null", "{}"),
        job("f", r#"{"f:spec": {}}"#, r#"{"containers": [1]}"#),
    ];
    let (arena, mut alike) = (Arena::new(), Alike::default());
    for text in &jobs {
        let among_others = scan_job(&mut Scanner::new(text), &Interest::default(), &mut alike);
        assert_eq!(among_others.unwrap(), facts(&arena, text));
    }
    let broken = jobs[0].replace("[1]", "[1}");
    assert_eq!(scan_job(&mut Scanner::new(&broken), &Interest::default(), &mut alike), None);
}
