//! `portcullis-engine`: the founding policy on the creation of a Job, from the body of the review to the record.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group};
use portcullis_engine::record::{Change, record};
use portcullis_engine::{Host, judge};
use portcullis_kyverno::Policy;
use portcullis_model::{Answer, CompiledPolicy, Input, Question, Review};
use portcullis_value::{Arena, Value};

const POLICY: &str = r#"
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: add-ttl-to-dangling-job
spec:
  background: false
  rules:
  - name: add-ttl-to-dangling-job
    match:
      resources:
        kinds: [Job]
    preconditions:
      any:
      - key: "{{ request.object.metadata.ownerReferences || '' }}"
        operator: Equals
        value: ''
    mutate:
      patchStrategicMerge:
        spec:
          +(ttlSecondsAfterFinished): 900
"#;

/// The review of a Job that `kubectl create` sends, as an API server passes it on.
const REVIEW: &str = r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":"1c3c1d0e-55a4-4f0a-8d0a-0c2b6f7d9a11","kind":{"group":"batch","version":"v1","kind":"Job"},"resource":{"group":"batch","version":"v1","resource":"jobs"},"requestKind":{"group":"batch","version":"v1","kind":"Job"},"requestResource":{"group":"batch","version":"v1","resource":"jobs"},"name":"import-2026-09-01","namespace":"team-a","operation":"CREATE","userInfo":{"username":"jane@example.com","uid":"0d5c1a35-9d5e-44a2-9c0e-7a2f1e3b4c22","groups":["developers","team-a","system:authenticated"],"extra":{"authentication.kubernetes.io/credential-id":["X509SHA256=2f6c1b0d9a7e4c35"]}},"object":{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"import-2026-09-01","namespace":"team-a","creationTimestamp":null,"labels":{"app":"import"},"managedFields":[{"manager":"kubectl-create","operation":"Update","apiVersion":"batch/v1","time":"2026-09-01T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:backoffLimit":{},"f:completionMode":{},"f:completions":{},"f:parallelism":{},"f:suspend":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"main\"}":{".":{},"f:args":{},"f:command":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{}}},"f:restartPolicy":{}}}}}}]},"spec":{"parallelism":1,"completions":1,"backoffLimit":6,"template":{"metadata":{"creationTimestamp":null,"labels":{"app":"import"}},"spec":{"containers":[{"name":"main","image":"registry.example/import:1.4","command":["/bin/import"],"args":["--day","2026-09-01"],"resources":{},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Never","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},"completionMode":"NonIndexed","suspend":false,"podReplacementPolicy":"TerminatingOrFailed"},"status":{}},"oldObject":null,"dryRun":false,"options":{"kind":"CreateOptions","apiVersion":"meta.k8s.io/v1","fieldManager":"kubectl-create"}}}"#;

fn policy() -> Policy {
    let arena = Arena::new();
    Policy::compile(portcullis_yaml::read(&arena, POLICY).unwrap())
}

struct Creation<'a>(&'a Arena);

impl<'a> Host<'a> for Creation<'a> {
    fn input(&self, _: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a> {
        Input::create(self.0, object.unwrap_or_default())
    }

    fn answer(&self, _: &'a dyn CompiledPolicy, _: &Question) -> Answer {
        Answer::Unavailable
    }
}

/// Judges the object and records what was changed; gives the number of changes.
fn judge_and_record<'a>(policy: &'a Policy, arena: &'a Arena, object: Value<'a>) -> usize {
    let judgement = judge(&[policy as &dyn CompiledPolicy], Some(object), arena, &Creation(arena));
    let mut before = object;
    let mut changes = Vec::new();
    for response in &judgement.responses {
        for outcome in &response.evaluation.outcomes {
            if let Some(after) = outcome.patched {
                let (policy, rule) = (policy.name(), outcome.rule);
                changes.push(Change { policy, namespace: "", rule, before, after });
                before = after;
            }
        }
    }
    black_box(record(arena, before, &changes));
    changes.len()
}

// With an arena that has been used before, as a server keeps one.
// The whole of a review: envelope, object, policy, difference, record.
#[library_benchmark]
#[bench::founding_policy((policy(), Arena::with_capacity(64 << 10)))]
fn review_job((policy, arena): (Policy, Arena)) -> (Policy, Arena) {
    let review = Review::parse(black_box(REVIEW)).unwrap();
    let object = review.request.object(&arena).unwrap().unwrap();
    let changes = judge_and_record(&policy, &arena, object);
    assert_eq!(changes, 1);
    // Given back, since what becomes of them afterwards is not the review's work.
    (policy, arena)
}

library_benchmark_group!(name = judgements, benchmarks = review_job);
