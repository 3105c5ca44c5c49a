//! Pod security patterns, compiled and checked, and the Pod Security Standards, on a Pod of an AdmissionReview.
//!
//! `cargo bench -p portcullis-kyverno --bench patterns`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use portcullis_kyverno::Policy;
use portcullis_kyverno::condition::Operator;
use portcullis_kyverno::pattern::Pattern;
use portcullis_model::{Answers, CompiledPolicy as _, Input, Numbers, Phase, Run};
use portcullis_value::{Arena, Budget, Value, json};

fn main() {
    divan::main();
}

/// Two containers and what an API server defaults.
const POD: &str = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"team-a",
"labels":{"app":"web","app.kubernetes.io/name":"web","team":"a"},"annotations":{"corp.example/owner":"a","corp.example/tier":"1"}},
"spec":{"containers":[
{"name":"app","image":"registry.corp.example/team/app:1.2.3","imagePullPolicy":"IfNotPresent","ports":[{"containerPort":8080,"protocol":"TCP"}],
"resources":{"limits":{"cpu":"500m","memory":"512Mi"},"requests":{"cpu":"100m","memory":"128Mi"}},
"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}},
{"name":"proxy","image":"registry.corp.example/mesh/proxy:1.19","imagePullPolicy":"IfNotPresent","ports":[{"containerPort":15001,"protocol":"TCP"}],
"resources":{"limits":{"cpu":"1","memory":"1Gi"},"requests":{"cpu":"10m","memory":"64Mi"}},
"securityContext":{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}}}],
"volumes":[{"name":"data","emptyDir":{}},{"name":"token","projected":{"sources":[]}}],
"restartPolicy":"Always","serviceAccountName":"default","hostNetwork":false,"nodeName":"n1","securityContext":{"runAsUser":1000}}}"#;

const PATTERNS: &[&str] = &[
    "seccomp",
    "host_ports",
    "apparmor",
    "selinux",
    "limits",
    "latest_tag",
    "condition_not_met",
    "violated",
];

fn pattern(name: &str) -> &'static str {
    match name {
        "seccomp" => {
            r#"{"spec":{"=(securityContext)":{"=(seccompProfile)":{"=(type)":"RuntimeDefault | Localhost"}},
            "=(ephemeralContainers)":[{"=(securityContext)":{"=(seccompProfile)":{"=(type)":"RuntimeDefault | Localhost"}}}],
            "=(initContainers)":[{"=(securityContext)":{"=(seccompProfile)":{"=(type)":"RuntimeDefault | Localhost"}}}],
            "containers":[{"=(securityContext)":{"=(seccompProfile)":{"=(type)":"RuntimeDefault | Localhost"}}}]}}"#
        }
        "host_ports" => {
            r#"{"spec":{"=(initContainers)":[{"=(ports)":[{"=(hostPort)":0}]}],"containers":[{"=(ports)":[{"=(hostPort)":0}]}]}}"#
        }
        "apparmor" => {
            r#"{"=(metadata)":{"=(annotations)":{"=(container.apparmor.security.beta.kubernetes.io/*)":"runtime/default | localhost/*"}}}"#
        }
        "selinux" => {
            r#"{"spec":{"=(securityContext)":{"=(seLinuxOptions)":{"X(user)":"null","X(role)":"null"}},
            "containers":[{"=(securityContext)":{"=(seLinuxOptions)":{"X(user)":"null","X(role)":"null"}}}]}}"#
        }
        "limits" => {
            r#"{"spec":{"containers":[{"resources":{"requests":{"cpu":"?*","memory":"?*"},"limits":{"memory":"<=1Gi"}}}]}}"#
        }
        "latest_tag" => r#"{"spec":{"containers":[{"image":"!*:latest & *:*"}]}}"#,
        // The first container does not come from the registry that the condition names.
        "condition_not_met" => {
            r#"{"spec":{"containers":[{"(image)":"*/mesh/*","imagePullPolicy":"IfNotPresent"}]}}"#
        }
        _ => r#"{"spec":{"containers":[{"securityContext":{"privileged":"true"}}]}}"#,
    }
}

#[divan::bench(args = PATTERNS)]
fn check(bencher: Bencher<'_, '_>, name: &str) {
    let arena = Arena::new();
    let pod = json::read(&arena, POD).unwrap();
    let pattern =
        Pattern::compile(json::read(&arena, pattern(name)).unwrap(), &mut Budget::default()).unwrap();
    bencher
        .bench_local(|| pattern.check(black_box(pod), Numbers::AsWritten, &mut Budget::default()).unwrap());
}

#[divan::bench(args = PATTERNS)]
fn compile(bencher: Bencher<'_, '_>, name: &str) {
    let arena = Arena::new();
    let pattern = json::read(&arena, pattern(name)).unwrap();
    bencher.bench_local(|| Pattern::compile(black_box(pattern), &mut Budget::default()).unwrap());
}

/// All checks that a level asks for; the Pod keeps to them.
#[divan::bench(args = ["baseline", "restricted"])]
fn pod_security(bencher: Bencher<'_, '_>, level: &str) {
    let arena = Arena::new();
    let source = format!(
        r#"{{"kind":"ClusterPolicy","metadata":{{"name":"p"}},"spec":{{"rules":[{{"name":"r","match":{{"any":[{{"resources":{{"kinds":["Pod"]}}}}]}},
        "validate":{{"podSecurity":{{"level":"{level}"}}}}}}]}}}}"#
    );
    let policy = Policy::compile(json::read(&arena, &source).unwrap());
    let input = Input::create(&arena, json::read(&arena, POD).unwrap());
    let answers = Answers::new();
    bencher.bench_local(|| {
        let (arena, mut budget) = (Arena::new(), Budget::default());
        policy.evaluate(Phase::Validate, black_box(&input), &mut Run::new(&arena, &answers, &mut budget));
    });
}

#[divan::bench]
fn any_not_in(bencher: Bencher<'_, '_>) {
    let key = [Value::String("NET_ADMIN"), Value::String("CHOWN")];
    let value = ["NET_BIND_SERVICE", "AUDIT_WRITE", "CHOWN", "NET_ADMIN", ""].map(Value::String);
    bencher.bench_local(|| {
        Operator::AnyNotIn.evaluate(
            black_box(Value::Array(&key)),
            Value::Array(&value),
            &mut Budget::default(),
        )
    });
}
