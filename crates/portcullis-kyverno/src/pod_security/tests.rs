//! What the checks find, and what exclusions leave of it.

use std::fmt::Write as _;

use portcullis_value::Arena;
use proptest::prelude::*;
use proptest::sample::subsequence;

use super::*;

/// A Pod that keeps to every standard, with `container` and `pod` written into it.
fn pod(pod: &str, container: &str) -> String {
    let container = match container {
        "" => {
            "securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}, runAsNonRoot: true, \
             seccompProfile: {type: RuntimeDefault}}"
        }
        container => container,
    };
    format!("{{spec: {{{pod}{} containers: [{{name: app, image: app:1, {container}}}]}}}}", comma(pod))
}

fn comma(text: &str) -> &str {
    if text.is_empty() { "" } else { "," }
}

/// What `standard` finds in `pod`: each check with its fields and values.
fn found(standard: &str, pod: &str) -> String {
    let arena = Arena::new();
    let standard = PodSecurity::compile(portcullis_yaml::read(&arena, standard).unwrap());
    let object = portcullis_yaml::read(&arena, pod).unwrap();
    let part = |key| object.get(key).unwrap_or_default();
    let pod = Pod::read(part("metadata"), part("spec")).unwrap();
    let (version, budget) = (standard.version.unwrap(), &mut Budget::default());
    let mut failures = standard.violations(&pod, version, budget).unwrap();
    standard.exclude(&pod, version, &mut failures, budget).unwrap();
    let mut text = String::new();
    for Failure { check, violations } in &failures {
        let _ = write!(text, "{}{}:", if text.is_empty() { "" } else { "; " }, check.id);
        for violation in violations {
            let field = String::from_utf8(exclusion::without_indexes(&violation.field).collect()).unwrap();
            let is_known = |control: &Control| control.finds(&field, violation.container.is_some());
            assert!(Control::named(check.control).is_none_or(is_known), "{}: {field}", check.control);
            let field = violation.field.strip_prefix("spec.").unwrap_or(&violation.field);
            let field = field.strip_prefix("containers[0].").unwrap_or(field);
            let field = field.replace("securityContext.", "");
            let _ = match &violation.problem {
                violation::Problem::Value(bad) => write!(text, " {field}={bad}"),
                violation::Problem::Forbidden => write!(text, " {field}"),
                violation::Problem::Required => write!(text, " !{field}"),
            };
        }
    }
    text
}

#[test]
fn each_check_finds_what_it_is_about() {
    let in_pod = [
        ("hostNetwork: true, hostIPC: true", "hostNamespaces: hostNetwork=true hostIPC=true"),
        ("hostNetwork: false, hostPID: null", ""),
        (
            "volumes: [{hostPath: {path: /a}}]",
            "hostPathVolumes: volumes[0].hostPath=/a; restrictedVolumes: volumes[0].hostPath",
        ),
        (
            "volumes: [{name: a, emptyDir: {}}, {nfs: {}}, {csi: null}]",
            "restrictedVolumes: volumes[1].nfs volumes[2].unknown",
        ),
        (
            "securityContext: {appArmorProfile: {type: Unconfined}}",
            "appArmorProfile: appArmorProfile.type=Unconfined",
        ),
        ("securityContext: {appArmorProfile: {type: Localhost}}", ""),
        ("securityContext: {runAsNonRoot: false}", "runAsNonRoot: runAsNonRoot=false"),
        ("securityContext: {runAsUser: 0}", "runAsUser: runAsUser=0"),
        ("securityContext: {runAsUser: 1}", ""),
        (
            "securityContext: {seccompProfile: {type: Unconfined}}",
            "seccompProfile_baseline: seccompProfile.type=Unconfined; seccompProfile_restricted: seccompProfile.type=Unconfined",
        ),
        (
            "securityContext: {seccompProfile: {}}",
            "seccompProfile_baseline: seccompProfile.type; seccompProfile_restricted: seccompProfile.type",
        ),
        (
            "securityContext: {seLinuxOptions: {type: spc_t, user: u, level: s0}}",
            "seLinuxOptions: seLinuxOptions.type=spc_t seLinuxOptions.user=u",
        ),
        (
            "securityContext: {sysctls: [{name: net.ipv4.tcp_syncookies}, {name: kernel.msgmax}]}",
            "sysctls: sysctls[1].name=kernel.msgmax",
        ),
        (
            "securityContext: {windowsOptions: {hostProcess: true}}",
            "windowsHostProcess: windowsOptions.hostProcess=true",
        ),
    ];
    for (pod_fields, want) in in_pod {
        assert_eq!(found("{level: restricted}", &pod(pod_fields, "")), want, "{pod_fields}");
    }
    let in_container = [
        (
            "securityContext: {capabilities: {add: [SYS_TIME, CHOWN, BPF, BPF]}}",
            "capabilities_baseline: capabilities.add=[BPF SYS_TIME]",
        ),
        ("securityContext: {privileged: true}", "privileged: privileged=true"),
        ("securityContext: {procMount: Unmasked}", "procMount: procMount=Unmasked"),
        ("securityContext: {procMount: Default}", ""),
        ("ports: [{hostPort: 0}, {containerPort: 1, hostPort: 80}]", "hostPorts: ports[1].hostPort=80"),
        (
            "livenessProbe: {httpGet: {host: a}}, lifecycle: {preStop: {tcpSocket: {host: b}}}",
            "hostProbesAndHostLifecycle: lifecycle.preStop.tcpSocket.host=b livenessProbe.httpGet.host=a",
        ),
        ("startupProbe: {httpGet: {host: ''}}", ""),
        (
            "securityContext: {windowsOptions: {hostProcess: true}, seLinuxOptions: {role: r}, appArmorProfile: {type: x}}",
            "appArmorProfile: appArmorProfile.type=x; seLinuxOptions: seLinuxOptions.role=r; windowsHostProcess: windowsOptions.hostProcess=true",
        ),
    ];
    for (fields, want) in in_container {
        assert_eq!(found("{level: baseline}", &pod("", fields)), want, "{fields}");
    }
}

#[test]
fn restricted_asks_every_container_for_what_the_pod_does_not_say() {
    let nothing = "allowPrivilegeEscalation: !allowPrivilegeEscalation; capabilities_restricted: !capabilities.drop; \
        runAsNonRoot: !runAsNonRoot; seccompProfile_restricted: !seccompProfile.type";
    assert_eq!(found("{level: restricted}", &pod("", "securityContext: null")), nothing);
    let pod_says = "securityContext: {runAsNonRoot: true, seccompProfile: {type: Localhost}}";
    let container_says = "securityContext: {capabilities: {drop: [KILL], add: [NET_BIND_SERVICE, CHOWN]}}";
    assert_eq!(
        found("{level: restricted}", &pod(pod_says, container_says)),
        "allowPrivilegeEscalation: allowPrivilegeEscalation=nil; capabilities_restricted: capabilities.drop=[KILL] capabilities.add=[CHOWN]"
    );
    let against_the_pod = "securityContext: {allowPrivilegeEscalation: true, capabilities: {drop: [ALL]}, runAsNonRoot: false, \
        seccompProfile: {type: Unconfined}, runAsUser: 0}";
    assert_eq!(
        found("{level: restricted}", &pod(pod_says, against_the_pod)),
        "allowPrivilegeEscalation: allowPrivilegeEscalation=true; runAsNonRoot: runAsNonRoot=false; runAsUser: runAsUser=0; \
         seccompProfile_baseline: seccompProfile.type=Unconfined; seccompProfile_restricted: seccompProfile.type=Unconfined"
    );
}

#[test]
fn checks_change_with_the_version() {
    let sysctls = |names: &str| pod(&format!("securityContext: {{sysctls: [{names}]}}"), "");
    let windows = pod("os: {name: windows}", "securityContext: {runAsNonRoot: true}");
    let engine = pod("securityContext: {seLinuxOptions: {type: container_engine_t}}", "");
    let annotated = "{metadata: {annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined, \
        container.seccomp.security.alpha.kubernetes.io/app: localhost/a, container.apparmor.security.beta.kubernetes.io/app: unconfined}}, \
        spec: {containers: [{name: app}]}}";
    let app_armor = "appArmorProfile: metadata.annotations[container.apparmor.security.beta.kubernetes.io/app]=unconfined";
    for (level, pod, before, since, want) in [
        (
            "baseline",
            &*sysctls("{name: net.ipv4.ip_local_reserved_ports}"),
            26,
            27,
            "sysctls: sysctls[0].name=net.ipv4.ip_local_reserved_ports",
        ),
        (
            "baseline",
            &*sysctls("{name: net.ipv4.tcp_fin_timeout}"),
            28,
            29,
            "sysctls: sysctls[0].name=net.ipv4.tcp_fin_timeout",
        ),
        (
            "baseline",
            &*sysctls("{name: net.ipv4.tcp_wmem}"),
            31,
            32,
            "sysctls: sysctls[0].name=net.ipv4.tcp_wmem",
        ),
        ("baseline", &*engine, 30, 31, "seLinuxOptions: seLinuxOptions.type=container_engine_t"),
        (
            "restricted",
            &*windows,
            24,
            25,
            "allowPrivilegeEscalation: allowPrivilegeEscalation=nil; capabilities_restricted: !capabilities.drop; seccompProfile_restricted: !seccompProfile.type",
        ),
    ] {
        let at = |version: u32| found(&format!("{{level: {level}, version: v1.{version}}}"), pod);
        assert_eq!((&*at(before), &*at(since)), (want, ""), "{pod}");
    }
    let seccomp = "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]=unconfined";
    assert_eq!(
        found("{level: baseline, version: v1.18}", annotated),
        format!("{app_armor}; seccompProfile_baseline: {seccomp}")
    );
    assert_eq!(found("{level: baseline, version: v1.19}", annotated), app_armor);
}

#[test]
fn versions_are_read_as_kubernetes_writes_them() {
    let read = |text: &str| Version::parse(text).map(|version| version.0);
    assert_eq!(
        ["", "latest", "v1.0", "v1.32"].map(read),
        [Some(u32::MAX), Some(u32::MAX), Some(0), Some(32)]
    );
    assert_eq!(["v1.x", "v2.1", "1.2", "v1.01", "v1.+1", "v1.", "v1.99999999999"].map(read), [None; 7]);
}

#[test]
fn an_exclusion_is_for_a_control_its_images_its_field_and_its_values() {
    let two = "{spec: {hostPID: true, hostNetwork: true, containers: [{name: a, image: a/x:1, securityContext: {privileged: true, \
        seccompProfile: {type: Unconfined}, capabilities: {add: [BPF, KILL, SYS_TIME]}}}], initContainers: [{name: b, image: b, \
        securityContext: {privileged: true, seccompProfile: {type: Unconfined}}}]}}";
    let all = found("{level: baseline}", two);
    let [capabilities, namespaces] = [
        "capabilities_baseline: capabilities.add=[BPF SYS_TIME]; ",
        "hostNamespaces: hostNetwork=true hostPID=true; ",
    ];
    let privileged = "privileged: initContainers[0].privileged=true privileged=true; ";
    let seccomp = "seccompProfile_baseline: initContainers[0].seccompProfile.type=Unconfined seccompProfile.type=Unconfined";
    assert_eq!(all, [capabilities, namespaces, privileged, seccomp].concat());
    for (exclusion, replaced, by) in [
        ("controlName: Host Namespaces", namespaces, ""),
        (
            "controlName: Host Namespaces, restrictedField: spec.hostPID, values: ['true']",
            namespaces,
            "hostNamespaces: hostNetwork=true; ",
        ),
        ("controlName: Host Namespaces, restrictedField: spec.hostPID, values: ['false']", "", ""),
        (
            "controlName: Privileged Containers, images: ['a/*']",
            privileged,
            "privileged: initContainers[0].privileged=true; ",
        ),
        ("controlName: Privileged Containers, images: ['*']", privileged, ""),
        ("controlName: Privileged Containers, images: [x]", "", ""),
        (
            "controlName: Capabilities, images: ['*'], restrictedField: 'spec.containers[*].securityContext.capabilities.add', values: [SYS_*]",
            "",
            "",
        ),
        (
            "controlName: Capabilities, images: ['*'], restrictedField: 'spec.containers[*].securityContext.capabilities.add', values: [SYS_*, BPF]",
            capabilities,
            "",
        ),
        (
            "controlName: Capabilities, images: ['*'], restrictedField: 'spec.containers[0].securityContext.capabilities.add', values: ['*']",
            "",
            "",
        ),
        // Without images it is for the Pod, which says nothing about seccomp.
        ("controlName: Seccomp", "", ""),
        (
            "controlName: Seccomp, images: [b]",
            seccomp,
            "seccompProfile_baseline: seccompProfile.type=Unconfined",
        ),
    ] {
        let standard = format!("{{level: baseline, exclude: [{{{exclusion}}}]}}");
        assert_eq!(found(&standard, two), all.replacen(replaced, by, 1), "{exclusion}");
    }
}

#[test]
fn an_exclusion_without_images_excuses_one_container_that_says_nothing() {
    let silent = "{spec: {securityContext: {seccompProfile: null}, containers: [{name: a}, {name: b}]}}";
    let standard = "{level: restricted, exclude: [{controlName: Seccomp}]}";
    assert!(
        found(standard, silent).ends_with("seccompProfile_restricted: !containers[1].seccompProfile.type")
    );
}

/// Pods that break some standards and keep to others.
fn pods() -> impl Strategy<Value = String> {
    let context = subsequence(
        vec![
            "runAsNonRoot: true",
            "seccompProfile: {type: RuntimeDefault}",
            "seccompProfile: {type: Unconfined}",
            "runAsUser: 0",
            "privileged: true",
            "allowPrivilegeEscalation: false",
            "capabilities: {drop: [ALL]}",
            "capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}",
            "capabilities: {add: [SYS_TIME, NET_BIND_SERVICE]}",
        ],
        0..7,
    );
    let volumes =
        subsequence(vec!["{hostPath: {path: /}}", "{emptyDir: {}}", "{nfs: {}}", "{secret: {}}"], 0..3);
    let containers = prop::collection::vec((context.clone(), "[ab]"), 0..3);
    (context, containers, volumes).prop_map(|(context, containers, volumes)| {
        // The last of two entries of one key counts.
        let object = |entries: &[&str]| {
            let mut last = std::collections::BTreeMap::new();
            last.extend(entries.iter().filter_map(|entry| entry.split_once(": ")));
            let entries: Vec<_> = last.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", entries.join(", "))
        };
        let containers: Vec<_> = containers
            .iter()
            .map(|(context, image)| {
                format!("{{name: {image}, image: {image}, securityContext: {}}}", object(context))
            })
            .collect();
        format!(
            "{{spec: {{securityContext: {}, volumes: [{}], containers: [{}]}}}}",
            object(&context),
            volumes.join(", "),
            containers.join(", ")
        )
    })
}

proptest! {
    #[test]
    fn what_a_restricted_check_allows_the_baseline_check_of_the_same_thing_allows(pod in pods()) {
        let found = found("{level: restricted}", &pod);
        let fails = |id: &str| found.split("; ").any(|failure| failure.starts_with(&format!("{id}:")));
        for (restricted, baseline) in [
            ("capabilities_restricted", "capabilities_baseline"),
            ("seccompProfile_restricted", "seccompProfile_baseline"),
            ("restrictedVolumes", "hostPathVolumes"),
        ] {
            prop_assert!(fails(restricted) || !fails(baseline), "{pod}: {found}");
        }
    }

    #[test]
    fn exclusions_add_nothing_and_their_order_plays_no_part_where_they_share_no_control(pod in pods()) {
        let exclusions = ["{controlName: Capabilities, images: [a]}", "{controlName: Seccomp}", "{controlName: Volume Types}"];
        let with = |exclusions: &[&str]| {
            let standard = format!("{{level: restricted, exclude: [{}]}}", exclusions.join(", "));
            found(&standard, &pod)
        };
        let count = |found: &str| found.split(' ').count();
        prop_assert!(count(&with(&exclusions)) <= count(&with(&[])));
        let [a, b, c] = exclusions;
        prop_assert_eq!(with(&[a, b, c]), with(&[c, a, b]));
    }

    #[test]
    fn no_document_makes_reading_a_pod_fail_but_by_a_wrong_type(pod in pods(), at in 0_usize..200, with in "[{}\\[\\]:, a0]") {
        // What is no YAML any more is no case.
        let mut text = pod;
        let at = at.min(text.len());
        text.insert_str(at, &with);
        let arena = Arena::new();
        if let Ok(document) = portcullis_yaml::read(&arena, &text) {
            let part = |key| document.get(key).unwrap_or_default();
            if let Err(error) = Pod::read(part("metadata"), part("spec")) {
                prop_assert!(error.to_string().starts_with("`spec"), "{error}");
            }
        }
    }
}
