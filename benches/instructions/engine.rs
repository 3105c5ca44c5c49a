//! `portcullis-engine`: reviews, from the body to the verdict.

use std::hint::black_box;
use std::sync::Arc;

use gungraun::{library_benchmark, library_benchmark_group};
use portcullis_engine::{FixedFacts, Options, PolicySet, ReviewContext, Route, Selection, Settings, review};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy, FailurePolicy, Phase, Review};
use portcullis_value::{Arena, Value};

use crate::value::pod_review;

const FOUNDING: &str = r#"
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

/// Seventeen policies about the security of Pods.
pub(crate) const POD_SECURITY: &str = include_str!("pod-security.yaml");

/// The review of a Job without an owner, as an API server sends it.
const JOB: &str = include_str!("../serve/data/job.json");

/// The review of a Pod of three containers, as an API server sends it: twice as long as that of [`pod_review`].
const POD: &str = include_str!("../serve/data/pod.json");

/// What a server keeps between reviews, and one review.
struct Server {
    policies: PolicySet,
    settings: Settings,
    facts: FixedFacts,
    /// Used before, so that it has its memory.
    arena: Arena,
    phase: Phase,
    body: String,
}

impl Server {
    fn new(policies: Vec<Arc<dyn CompiledPolicy>>, phase: Phase, body: String) -> Self {
        let (settings, _) = Settings::read([
            ("resourceFilters", "[Event,*,*][*/*,kube-system,*][Node,*,*][Node/?*,*,*][ReplicaSet,*,*]"),
            ("excludeGroups", "system:nodes"),
        ]);
        let (policies, facts) = (PolicySet::new(policies), FixedFacts::default());
        Self { policies, settings, facts, arena: Arena::with_capacity(256 << 10), phase, body }
    }

    /// The number of policies that were asked.
    fn review(&self) -> usize {
        let parsed = Review::parse(black_box(&self.body)).unwrap();
        let context = ReviewContext {
            policies: &self.policies,
            settings: &self.settings,
            options: Options::default(),
            facts: &self.facts,
            arena: &self.arena,
            now: 0,
            seed: 1,
            clock: &|| 0,
            deadline: u64::MAX,
            records: None,
        };
        let route = Route { phase: self.phase, policies: Selection::Failing(FailurePolicy::Fail) };
        let verdict = black_box(review(&parsed, &route, &context).unwrap());
        assert!(verdict.allowed);
        verdict.policies_asked()
    }
}

/// `count` policies, copies of `text` in turn under names of their own, each about `kind`.
fn policies(text: &str, count: usize, kind: &str) -> Vec<Arc<dyn CompiledPolicy>> {
    let arena = Arena::new();
    let text = text.replace("kinds: [Pod]", &format!("kinds: [{kind}]"));
    let documents: Vec<_> =
        text.split("\n---\n").map(|one| portcullis_yaml::read(&arena, one).unwrap()).collect();
    let compile = |(index, document): (usize, &Value<'_>)| -> Arc<dyn CompiledPolicy> {
        let arena = Arena::new();
        let name = arena.string(&format!("{}-{index}", kind.to_lowercase()));
        Arc::new(Policy::compile(document.copy_to(&arena).with(&arena, &["metadata", "name"], name)))
    };
    documents.iter().cycle().take(count).enumerate().map(compile).collect()
}

fn job() -> Server {
    Server::new(policies(FOUNDING, 1, ""), Phase::Mutate, JOB.to_owned())
}

/// Reviews a Pod of three containers under `matching` policies, and as many `others` that are about another kind.
fn pod(matching: usize, others: usize) -> Server {
    let mut all = policies(POD_SECURITY, matching, "Pod");
    all.extend(policies(POD_SECURITY, others, "ConfigMap"));
    Server::new(all, Phase::Validate, pod_review(3))
}

fn pod_of_api_server() -> Server {
    Server::new(policies(POD_SECURITY, 17, "Pod"), Phase::Validate, POD.to_owned())
}

// The server is given back, since what becomes of it afterwards is not the review's work.
#[library_benchmark]
#[bench::founding_policy(job())]
fn review_job(server: Server) -> Server {
    assert_eq!(server.review(), 1);
    server
}

#[library_benchmark]
#[bench::no_policy(pod(0, 0), 0)]
#[bench::seventeen_policies(pod(17, 0), 17)]
#[bench::pod_of_api_server(pod_of_api_server(), 17)]
#[bench::seventeen_of_ten_thousand(pod(17, 10_000), 17)]
#[bench::thousand_policies(pod(1_000, 0), 1_000)]
fn review_pod(server: Server, asked: usize) -> Server {
    assert_eq!(server.review(), asked);
    server
}

library_benchmark_group!(name = judgements, benchmarks = [review_job, review_pod]);
