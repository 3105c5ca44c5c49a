//! `portcullis-kyverno`: loading policies, from their text to what reviews are asked of.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group};
use portcullis_kyverno::{Findings, Policy};
use portcullis_value::{Arena, Value};
use portcullis_yaml::Source;

use crate::engine::POD_SECURITY;

/// The documents of [`POD_SECURITY`], and the arena they live in, which is never given back.
fn documents() -> Vec<Value<'static>> {
    let arena: &Arena = Box::leak(Box::default());
    POD_SECURITY.split("\n---\n").map(|one| portcullis_yaml::read(arena, one).unwrap()).collect()
}

#[library_benchmark]
fn read() -> usize {
    let arena = Arena::new();
    black_box(POD_SECURITY)
        .split("\n---\n")
        .map(|one| Source::new(one).read_marked(&arena).unwrap())
        .filter(|document| black_box(document).value.as_object().is_some())
        .count()
}

#[library_benchmark]
#[bench::seventeen_policies(documents())]
fn check(documents: Vec<Value<'static>>) -> usize {
    let findings = documents.iter().map(|document| Findings::of(black_box(*document), None));
    findings.map(|findings| findings.into_diagnostics().len()).sum()
}

#[library_benchmark]
#[bench::seventeen_policies(documents())]
fn compile(documents: Vec<Value<'static>>) -> Vec<Policy> {
    documents.iter().map(|document| Policy::compile(black_box(*document))).collect()
}

library_benchmark_group!(name = loading, benchmarks = [read, check, compile]);
