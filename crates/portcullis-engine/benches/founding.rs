//! Policies on parsed objects, in time: `cargo bench -p portcullis-engine`.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use portcullis_engine::{Host, judge};
use portcullis_kyverno::Policy;
use portcullis_model::{Answer, CompiledPolicy, Input, Question};
use portcullis_value::{Arena, OwnedValue, Value, json};

const POLICY: &str = r#"
kind: ClusterPolicy
metadata: {name: add-ttl-to-dangling-job}
spec:
  rules:
  - name: add-ttl-to-dangling-job
    match: {resources: {kinds: [Job]}}
    preconditions:
      any:
      - {key: "{{ request.object.metadata.ownerReferences || '' }}", operator: Equals, value: ''}
    mutate:
      patchStrategicMerge:
        spec:
          +(ttlSecondsAfterFinished): 900
"#;

const DANGLING: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: pi}, spec: {backoffLimit: 4, template: {spec: {restartPolicy: Never, containers: [{name: pi, image: 'perl:5.34.0'}]}}}}";
const OWNED: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: pi, ownerReferences: [{apiVersion: batch/v1, kind: CronJob, name: hello}]}, spec: {template: {spec: {restartPolicy: Never}}}}";
const POD: &str =
    "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i}]}}";

fn main() {
    divan::main();
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

#[divan::bench(args = [("dangling", DANGLING), ("owned", OWNED), ("another_kind", POD)])]
fn judge_job(bencher: Bencher<'_, '_>, (_, text): (&str, &str)) {
    let mut arena = Arena::new();
    let policy = Policy::compile(portcullis_yaml::read(&arena, POLICY).unwrap());
    let object = OwnedValue::from(portcullis_yaml::read(&arena, text).unwrap());
    bencher.bench_local(|| {
        arena.reset();
        let object = object.borrow(&arena);
        let judgement = judge(&[&policy as &dyn CompiledPolicy], Some(object), &arena, &Creation(&arena));
        black_box(judgement.responses.len())
    });
}

const POD_SECURITY: &str = include_str!("../../../benches/instructions/pod-security.yaml");
const POD_REVIEW: &str = include_str!("../../../benches/serve/data/pod.json");

/// A request that is read, for all policies.
struct Request<'a>(Input<'a>);

impl<'a> Host<'a> for Request<'a> {
    fn input(&self, _: &'a dyn CompiledPolicy, _: Option<Value<'a>>) -> Input<'a> {
        self.0
    }

    fn answer(&self, _: &'a dyn CompiledPolicy, _: &Question) -> Answer {
        Answer::Unavailable
    }
}

/// The policies about the security of Pods, all of which the Pod of the review passes.
#[divan::bench]
fn judge_pod(bencher: Bencher<'_, '_>) {
    let source = Arena::new();
    let policies: Vec<_> = POD_SECURITY
        .split("\n---\n")
        .map(|text| Policy::compile(portcullis_yaml::read(&source, text).unwrap()))
        .collect();
    let pod = json::read(&source, POD_REVIEW).unwrap().path(&["request", "object"]).unwrap();
    let input = Input::create(&source, pod);
    let mut arena = Arena::with_capacity(256 << 10);
    bencher.bench_local(|| {
        arena.reset();
        let policies: Vec<_> = policies.iter().map(|policy| policy as &dyn CompiledPolicy).collect();
        black_box(judge(&policies, Some(pod), &arena, &Request(input)).responses.len())
    });
}
