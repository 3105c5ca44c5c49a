//! Compile once, search a Pod.
//!
//! `cargo bench -p portcullis-jmespath`
#![allow(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use portcullis_jmespath::{Context, Expression};
use portcullis_value::{Arena, Budget, Limits, json};

fn main() {
    divan::main();
}

const REVIEW: &str = r#"{"request":{"uid":"b0e1c7d2","operation":"CREATE","namespace":"team-a","userInfo":{"username":"ci"},"object":{
"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"team-a","labels":{"app":"web","team":"a"}},
"spec":{"restartPolicy":"Always","serviceAccountName":"default","containers":[
{"name":"web","image":"nginx:1.25","ports":[{"containerPort":80}],"securityContext":{"privileged":false}},
{"name":"proxy","image":"ghcr.io/acme/proxy:v2","securityContext":{"privileged":true}},
{"name":"log","image":"busybox","securityContext":{"privileged":false,"runAsUser":1000}}]}}}}"#;

const EXPRESSIONS: &[&str] = &[
    "request.object.metadata.name",
    "request.object.metadata.labels.missing || 'default'",
    "request.object.spec.containers[?securityContext.privileged].name",
    "request.object.spec.containers[*].image",
    "length(request.object.spec.containers[].ports[])",
    "contains(request.object.spec.containers[*].name, 'proxy')",
    "to_upper(request.object.metadata.name)",
    "merge(request.object.metadata.labels, `{\"tier\": \"front\"}`)",
];

#[divan::bench(args = EXPRESSIONS)]
fn search(bencher: Bencher<'_, '_>, source: &str) {
    let document = Arena::new();
    let root = json::read(&document, REVIEW).unwrap();
    let expression = Expression::compile(source).unwrap();
    let mut random = || 0;
    // A new arena a thousand searches: what a search makes is freed with the request, not with the search.
    bencher.counter(divan::counter::ItemsCount::new(1000_u32)).bench_local(|| {
        let arena = Arena::new();
        let mut budget = Budget::new(Limits { steps: u64::MAX, depth: 256, bytes: usize::MAX }, &|| false);
        let mut context = Context { arena: &arena, budget: &mut budget, now: 0, random: &mut random };
        for _ in 0..1000 {
            black_box(black_box(&expression).search(black_box(root), &mut context)).unwrap();
        }
    });
}

#[divan::bench(args = EXPRESSIONS)]
fn compile(source: &str) -> Expression {
    Expression::compile(black_box(source)).unwrap()
}
