//! Parse, look up and drop an object of an AdmissionReview, beside `serde_json::Value`.
//!
//! `cargo bench -p portcullis-value`
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark")]

use divan::{Bencher, black_box};
use portcullis_value::{Arena, json};

fn main() {
    divan::main();
}

/// A Pod of about 5 KB, as an API server sends it.
fn pod() -> String {
    let container = |index: usize| {
        format!(
            r#"{{"name":"c{index}","image":"registry.example/team/app:{index}","args":["--level","info","--port","8080"],"env":[{{"name":"A","value":"1"}},{{"name":"B","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.name"}}}}}}],"ports":[{{"containerPort":8080,"protocol":"TCP","name":"http"}}],"resources":{{"limits":{{"cpu":"500m","memory":"512Mi"}},"requests":{{"cpu":"100m","memory":"128Mi"}}}},"securityContext":{{"allowPrivilegeEscalation":false,"capabilities":{{"drop":["ALL"]}},"readOnlyRootFilesystem":true}},"volumeMounts":[{{"name":"data","mountPath":"/data"}}],"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}}"#
        )
    };
    let containers: Vec<_> = (0..6).map(container).collect();
    format!(
        r#"{{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"web","namespace":"team-a","uid":"b0e1c7d2-1f0a-4c1e-a8c1-6a5b1f6f2a11","labels":{{"app":"web","team":"a"}},"annotations":{{"a/b":"c"}}}},"spec":{{"containers":[{}],"restartPolicy":"Always","serviceAccountName":"default"}}}}"#,
        containers.join(",")
    )
}

#[divan::bench]
fn parse_in_arena(bencher: Bencher<'_, '_>) {
    let text = pod();
    let mut arena = Arena::new();
    bencher.bench_local(|| {
        arena.reset();
        json::read(&arena, black_box(&text)).unwrap().as_object().unwrap().len()
    });
}

#[divan::bench]
fn parse_serde_json(bencher: Bencher<'_, '_>) {
    let text = pod();
    bencher.bench(|| serde_json::from_str::<serde_json::Value>(black_box(&text)).unwrap());
}

#[divan::bench]
fn look_up_in_arena(bencher: Bencher<'_, '_>) {
    let (text, arena) = (pod(), Arena::new());
    let value = json::read(&arena, &text).unwrap();
    bencher
        .bench_local(|| black_box(value).path(&["spec", "containers"]).unwrap().at(3).unwrap().get("image"));
}

#[divan::bench]
fn look_up_serde_json(bencher: Bencher<'_, '_>) {
    let value: serde_json::Value = serde_json::from_str(&pod()).unwrap();
    bencher.bench(|| black_box(&value)["spec"]["containers"][3]["image"].as_str());
}

#[divan::bench]
fn drop_arena(bencher: Bencher<'_, '_>) {
    let text = pod();
    bencher
        .with_inputs(|| {
            let arena = Arena::new();
            json::read(&arena, &text).unwrap();
            arena
        })
        .bench_values(drop);
}

#[divan::bench]
fn drop_serde_json(bencher: Bencher<'_, '_>) {
    let text = pod();
    bencher.with_inputs(|| serde_json::from_str::<serde_json::Value>(&text).unwrap()).bench_values(drop);
}
