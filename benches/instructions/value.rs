//! `portcullis-value`: reading the body of a review.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group};
use portcullis_value::{Arena, json};

/// The review of a Pod of `containers` containers, about as an API server sends it.
pub(crate) fn pod_review(containers: usize) -> String {
    let container = |index: usize| {
        format!(
            r#"{{"name":"c{index}","image":"registry.example/team/app:{index}","args":["--level","info"],"env":[{{"name":"NAMESPACE","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.namespace"}}}}}}],"ports":[{{"containerPort":8080,"protocol":"TCP"}}],"resources":{{"limits":{{"cpu":"500m","memory":"512Mi"}}}},"securityContext":{{"capabilities":{{"drop":["ALL"]}},"runAsNonRoot":true,"readOnlyRootFilesystem":true,"allowPrivilegeEscalation":false,"seccompProfile":{{"type":"RuntimeDefault"}}}},"imagePullPolicy":"IfNotPresent"}}"#
        )
    };
    let containers: Vec<_> = (0..containers).map(container).collect();
    format!(
        r#"{{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{{"uid":"7d6b2c5e-0f43-4b7e-9a3c-0e9b1b1f7a10","kind":{{"group":"","version":"v1","kind":"Pod"}},"resource":{{"group":"","version":"v1","resource":"pods"}},"name":"web","namespace":"team-a","operation":"CREATE","userInfo":{{"username":"jane","groups":["developers","system:authenticated"]}},"object":{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"web","namespace":"team-a","labels":{{"app":"web"}}}},"spec":{{"containers":[{}],"restartPolicy":"Always"}}}},"oldObject":null,"dryRun":false}}}}"#,
        containers.join(",")
    )
}

#[library_benchmark]
#[bench::two_containers(pod_review(2))]
#[bench::ten_containers(pod_review(10))]
fn read_review(text: String) -> usize {
    let arena = Arena::new();
    let review = json::read(&arena, black_box(&text)).unwrap();
    black_box(review.as_object().map_or(0, |review| review.len()))
}

library_benchmark_group!(name = reviews, benchmarks = read_review);
