//! Any body is an AdmissionReview or is refused; what is one is answered, with a patch that applies.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use portcullis_engine::{
    FixedFacts, ImmutableFields, Options, PolicySet, ReviewContext, Route, Selection, Settings,
};
use portcullis_fuzz::{POLICIES, limits};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy, Phase, RecordMode, Review};
use portcullis_patch::json6902::{self, Patch};
use portcullis_value::{Arena, Budget};

static POLICY_SET: LazyLock<PolicySet> = LazyLock::new(|| {
    PolicySet::new(portcullis_yaml::documents(POLICIES).map(|source| -> Arc<dyn CompiledPolicy> {
        let arena = Arena::new();
        let document = source.ok().and_then(|source| source.read(&arena).ok()).map(|document| document.value);
        let Some(document) = document else { panic!("a policy is no YAML") };
        Arc::new(Policy::compile(document))
    }))
});

fuzz_target!(|body: &str| {
    let Ok(parsed) = Review::parse(body) else { return };
    let facts = FixedFacts::default();
    let settings = Settings::default();
    for phase in [Phase::Mutate, Phase::Validate] {
        let arena = Arena::new();
        let context = ReviewContext {
            policies: &POLICY_SET,
            settings: &settings,
            options: Options {
                record: RecordMode::Annotation,
                immutable_fields: ImmutableFields::Skip,
                limits: limits(),
                warn_of_not_executed: true,
            },
            facts: &facts,
            arena: &arena,
            now: 0,
            seed: 1,
            clock: &|| 0,
            deadline: u64::MAX,
            records: None,
        };
        let route = Route { phase, policies: Selection::All };
        let Ok(verdict) = portcullis_engine::review(&parsed, &route, &context) else { continue };
        if let Ok(Some(object)) = parsed.request.object(&arena) {
            let patch = Patch { operations: verdict.patch };
            let applied = patch.apply(&arena, object, json6902::Options::default(), &mut Budget::default());
            assert!(applied.is_ok(), "the patch does not apply: {applied:?}\n{patch:?}");
        }
    }
});
