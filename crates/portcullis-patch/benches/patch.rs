//! The patches of an admission: a field added to a Job, a variable added to a container, and their difference.
//!
//! `cargo bench -p portcullis-patch`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use portcullis_patch::diff::diff;
use portcullis_patch::json6902::{Options, Patch};
use portcullis_patch::strategic;
use portcullis_value::{Arena, Budget, json};

fn main() {
    divan::Divan::from_args().sample_size(1000).main();
}

const JOB: &str = r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"creationTimestamp":null,"generateName":"pi-","labels":{"app":"pi"},"name":"pi","namespace":"batch","uid":"b0e1c7d2-1f0a-4c1e-a8c1-6a5b1f6f2a11"},"spec":{"backoffLimit":4,"completionMode":"NonIndexed","completions":1,"manualSelector":false,"parallelism":1,"podReplacementPolicy":"TerminatingOrFailed","selector":{"matchLabels":{"batch.kubernetes.io/controller-uid":"b0e1c7d2"}},"suspend":false,"template":{"metadata":{"creationTimestamp":null,"labels":{"batch.kubernetes.io/job-name":"pi"}},"spec":{"containers":[{"command":["perl","-Mbignum=bpi","-wle","print bpi(2000)"],"env":[{"name":"A","value":"1"},{"name":"B","value":"2"}],"image":"perl:5.34.0","imagePullPolicy":"IfNotPresent","name":"pi","ports":[{"containerPort":8080,"protocol":"TCP"}],"resources":{"limits":{"cpu":"1"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}],"dnsPolicy":"ClusterFirst","restartPolicy":"Never","schedulerName":"default-scheduler","securityContext":{},"terminationGracePeriodSeconds":30}}}}"#;
const TTL: &str = r#"{"spec":{"ttlSecondsAfterFinished":900}}"#;
const VARIABLE: &str = r#"{"spec":{"template":{"spec":{"containers":[{"name":"pi","env":[{"name":"HTTP_PROXY","value":"http://proxy:3128"}]}]}}}}"#;

fn merge(bencher: Bencher<'_, '_>, overlay: &str) {
    let texts = Arena::new();
    let (job, overlay) = (json::read(&texts, JOB).unwrap(), json::read(&texts, overlay).unwrap());
    let mut arena = Arena::new();
    bencher.bench_local(|| {
        arena.reset();
        let merged = strategic::merge(&arena, black_box(job), black_box(overlay), &mut Budget::default());
        black_box(merged).is_ok()
    });
}

#[divan::bench]
fn strategic_merge_of_a_field(bencher: Bencher<'_, '_>) {
    merge(bencher, TTL);
}

#[divan::bench]
fn strategic_merge_of_a_variable(bencher: Bencher<'_, '_>) {
    merge(bencher, VARIABLE);
}

#[divan::bench]
fn collapse_of_a_job(bencher: Bencher<'_, '_>) {
    let arena = Arena::new();
    let job = json::read(&arena, JOB).unwrap();
    bencher.bench_local(|| {
        strategic::collapse_pairs(&arena, black_box(job), &mut Budget::default()).unwrap().is_same(job)
    });
}

fn difference(bencher: Bencher<'_, '_>, overlay: &str) {
    let texts = Arena::new();
    let (job, overlay) = (json::read(&texts, JOB).unwrap(), json::read(&texts, overlay).unwrap());
    let merged = strategic::merge(&texts, job, overlay, &mut Budget::default()).unwrap();
    let mut arena = Arena::new();
    bencher.bench_local(|| {
        arena.reset();
        diff(&arena, black_box(job), black_box(merged)).len()
    });
}

#[divan::bench]
fn difference_of_a_field(bencher: Bencher<'_, '_>) {
    difference(bencher, TTL);
}

#[divan::bench]
fn difference_of_a_variable(bencher: Bencher<'_, '_>) {
    difference(bencher, VARIABLE);
}

#[divan::bench]
fn difference_of_documents_read_twice(bencher: Bencher<'_, '_>) {
    let texts = Arena::new();
    let (before, after) = (json::read(&texts, JOB).unwrap(), json::read(&texts, JOB).unwrap());
    let mut arena = Arena::new();
    bencher.bench_local(|| {
        arena.reset();
        diff(&arena, black_box(before), black_box(after)).len()
    });
}

#[divan::bench]
fn json_patch_of_a_field(bencher: Bencher<'_, '_>) {
    let texts = Arena::new();
    let job = json::read(&texts, JOB).unwrap();
    let patch = r#"[{"op":"add","path":"/spec/ttlSecondsAfterFinished","value":900}]"#;
    let patch = Patch::parse(json::read(&texts, patch).unwrap()).unwrap();
    let mut arena = Arena::new();
    bencher.bench_local(|| {
        arena.reset();
        patch.apply(&arena, black_box(job), Options::LENIENT, &mut Budget::default()).is_ok()
    });
}
