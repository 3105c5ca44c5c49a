//! The founding policy on a parsed Job, in time: `cargo bench -p portcullis-engine`.
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use portcullis_engine::{Host, judge};
use portcullis_kyverno::Policy;
use portcullis_model::{Answer, CompiledPolicy, Input, Question};
use portcullis_value::{Arena, OwnedValue, Value};

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
