//! Mutations of fields that cannot change any more.

use portcullis_engine::ImmutableFields;
use portcullis_model::{Obstacle, Status};

use crate::support::{JOB, POD, Request, Setting, rule};

/// Reviews the update of `old` to `new` under a policy that lays `overlay` over it, and tells whether the change was taken.
#[track_caller]
fn is_taken(gvk: [&str; 3], old: &str, new: &str, overlay: &str) -> bool {
    let mutate = format!("mutate: {{patchStrategicMerge: {overlay}}}");
    let setting = Setting::of([rule("p", "background: false", gvk[2], &mutate)]);
    setting.review("/mutate", Request::update(gvk, old, new), |verdict, _| {
        let (_, outcome) = verdict.outcomes().next().unwrap();
        match outcome.obstacle {
            Some(Obstacle::Immutable) => {
                assert_eq!((outcome.status, verdict.patch.len()), (Status::Skip, 0));
                assert!(outcome.message.starts_with("immutable: spec"), "{}", outcome.message);
                false
            }
            _ => {
                assert_eq!(outcome.status, Status::Pass, "{}", outcome.message);
                true
            }
        }
    })
}

fn job(spec: &str, status: &str) -> String {
    format!(
        "{{apiVersion: batch/v1, kind: Job, metadata: {{name: pi}}, spec: {{template: {{spec: {{restartPolicy: Never}}}}, {spec}}}, status: {{{status}}}}}"
    )
}

#[test]
fn the_template_of_a_job_is_fixed_once_it_may_have_started() {
    let check = |spec: &str, status: &str, overlay: &str, want: bool| {
        let job = job(spec, status);
        assert_eq!(is_taken(JOB, &job, &job, overlay), want, "{spec} {status} {overlay}");
    };
    let node = "{spec: {template: {spec: {nodeSelector: {spot: 'true'}}}}}";
    let image = "{spec: {template: {spec: {serviceAccountName: x}}}}";
    check("parallelism: 1", "", node, false);
    check("suspend: true", "", node, true);
    check("suspend: true", "", image, false);
    check("suspend: true", "startTime: '2026-09-01T10:00:00Z'", node, false);
    check("parallelism: 1", "", "{spec: {ttlSecondsAfterFinished: 900}}", true);
    check("parallelism: 1", "", "{spec: {suspend: true}}", true);
    check("parallelism: 1", "", "{metadata: {labels: {a: b}}}", true);
}

#[test]
fn most_of_a_pod_is_fixed() {
    let pod = |spec: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: w}}, spec: {{containers: [{{name: c, image: i}}], {spec}}}}}"
        )
    };
    let check = |spec: &str, overlay: &str, want: bool| {
        assert_eq!(is_taken(POD, &pod(spec), &pod(spec), overlay), want, "{spec} {overlay}");
    };
    check("a: 1", "{spec: {containers: [{name: c, image: other}]}}", true);
    check("a: 1", "{spec: {containers: [{name: c, tty: true}]}}", false);
    check("a: 1", "{spec: {containers: [{name: new, image: i}]}}", false);
    check("a: 1", "{spec: {nodeSelector: {spot: 'true'}}}", false);
    check("schedulingGates: [{name: g}]", "{spec: {nodeSelector: {spot: 'true'}}}", true);
    check("a: 1", "{metadata: {annotations: {a: b}}}", true);
}

#[test]
fn some_fields_can_change_in_one_way_alone() {
    let check = |gvk: [&str; 3], object: &str, overlay: &str, want: bool| {
        let object = format!("{{kind: {}, metadata: {{name: x}}, {object}}}", gvk[2]);
        assert_eq!(is_taken(gvk, &object, &object, overlay), want, "{object} {overlay}");
    };
    let completions = "{spec: {completions: 3}}";
    check(JOB, "spec: {completions: 2}", completions, false);
    let indexed = "spec: {completionMode: Indexed, completions: 2, parallelism: 2}";
    check(JOB, indexed, completions, false);
    check(JOB, indexed, "{spec: {completions: 3, parallelism: 3}}", true);
    check(JOB, indexed, "{spec: {parallelism: 3}}", true);

    let tolerant = "spec: {tolerations: [{key: a, operator: Exists, tolerationSeconds: 9}]}";
    let [kept, replaced] = ["{key: a, operator: Exists}, {key: b}", "{key: b}"]
        .map(|tolerations| format!("{{spec: {{tolerations: [{tolerations}]}}}}"));
    check(POD, tolerant, &kept, true);
    check(POD, tolerant, &replaced, false);
    check(POD, "spec: {activeDeadlineSeconds: 60}", "{spec: {activeDeadlineSeconds: 30}}", true);
    check(POD, "spec: {activeDeadlineSeconds: 60}", "{spec: {activeDeadlineSeconds: 90}}", false);
    check(POD, "spec: {}", "{spec: {activeDeadlineSeconds: 90}}", true);
    let gated = "spec: {schedulingGates: [{name: g}], nodeSelector: {a: b}}";
    check(POD, gated, "{spec: {nodeSelector: {c: d}}}", true);
    check(POD, gated, "{spec: {nodeSelector: {a: c}}}", false);
    check(POD, gated, "{spec: {schedulingGates: [{name: other}]}}", false);

    let service = ["", "v1", "Service"];
    let addressed =
        "spec: {type: ClusterIP, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ipFamilies: [IPv4]}";
    check(service, addressed, "{spec: {clusterIP: 10.0.0.2}}", false);
    check(service, addressed, "{spec: {clusterIPs: [10.0.0.2]}}", false);
    check(service, addressed, "{spec: {clusterIPs: [10.0.0.1, fd00::1], ipFamilies: [IPv4, IPv6]}}", true);
    check(service, addressed, "{spec: {ipFamilies: [IPv6]}}", false);
    check(service, "spec: {type: ExternalName}", "{spec: {clusterIP: 10.0.0.2}}", true);

    let claim = ["", "v1", "PersistentVolumeClaim"];
    let size = |size: &str| format!("{{spec: {{resources: {{requests: {{storage: {size}}}}}}}}}");
    let claimed = |phase: &str| {
        format!("spec: {{resources: {{requests: {{storage: 1Gi}}}}}}, status: {{phase: {phase}}}")
    };
    check(claim, &claimed("Bound"), &size("1.5Gi"), true);
    check(claim, &claimed("Bound"), &size("1000Mi"), false);
    check(claim, &claimed("Pending"), &size("2Gi"), false);

    let volume = ["", "v1", "PersistentVolume"];
    check(volume, "spec: {hostPath: {path: /a}}", "{spec: {hostPath: {path: /b}}}", false);
    check(volume, "spec: {hostPath: {path: /a}}", "{spec: {persistentVolumeReclaimPolicy: Retain}}", true);

    let range = ["networking.k8s.io", "v1", "ServiceCIDR"];
    check(range, "spec: {cidrs: [10.0.0.0/24]}", "{spec: {cidrs: [10.0.0.0/24, fd00::/112]}}", true);
    check(range, "spec: {cidrs: [10.0.0.0/24]}", "{spec: {cidrs: [10.1.0.0/24]}}", false);
    let template = ["resource.k8s.io", "v1", "ResourceClaimTemplate"];
    check(template, "spec: {spec: {}}", "{spec: {spec: {devices: {}}}}", false);
}

#[test]
fn what_restores_a_fixed_field_is_no_change_of_it() {
    let old = "{apiVersion: v1, kind: Pod, metadata: {name: w}, spec: {containers: [{name: c, image: i}], nodeSelector: {spot: 'true'}}}";
    let new = "{apiVersion: v1, kind: Pod, metadata: {name: w}, spec: {containers: [{name: c, image: i}]}}";
    assert!(is_taken(POD, old, new, "{spec: {nodeSelector: {spot: 'true'}}}"));
    assert!(!is_taken(POD, old, new, "{spec: {nodeSelector: {spot: 'false'}}}"));
}

#[test]
fn a_skipped_rule_leaves_the_others_their_effect() {
    let policies = [
        rule(
            "a",
            "background: false",
            "Job",
            "mutate: {patchStrategicMerge: {spec: {template: {spec: {hostNetwork: false}}}}}",
        ),
        rule(
            "b",
            "background: false",
            "Job",
            "mutate: {patchStrategicMerge: {spec: {ttlSecondsAfterFinished: 900}}}",
        ),
    ];
    let job = job("parallelism: 1", "");
    let mut setting = Setting::of(policies);
    setting.review("/mutate", Request::update(JOB, &job, &job), |verdict, object| {
        assert_eq!(verdict.count(Obstacle::Immutable), 1);
        assert_eq!(object.path(&["spec", "template", "spec", "hostNetwork"]), None);
        assert!(object.path(&["spec", "ttlSecondsAfterFinished"]).is_some());
    });
    setting.options.immutable_fields = ImmutableFields::AsWritten;
    setting.review("/mutate", Request::update(JOB, &job, &job), |verdict, object| {
        assert_eq!(verdict.count(Obstacle::Immutable), 0);
        assert!(object.path(&["spec", "template", "spec", "hostNetwork"]).is_some());
    });
}

#[test]
fn no_policy_changes_what_an_object_is_called_or_its_status() {
    for (overlay, want) in [
        ("{metadata: {name: other}}", "the patch changes metadata.name, which no policy can"),
        ("{status: {phase: Done}}", "the patch changes the status, which is written by `/status` alone"),
    ] {
        let mutate = format!("mutate: {{patchStrategicMerge: {overlay}}}");
        let setting = Setting::of([rule("p", "background: false", "Job", &mutate)]);
        setting.review("/mutate", Request::create(JOB, &job("parallelism: 1", "")), |verdict, _| {
            assert!(!verdict.allowed);
            assert_eq!(verdict.outcomes().next().unwrap().1.message, want);
        });
    }
}
