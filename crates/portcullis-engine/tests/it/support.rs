//! A request and policies as text, and the verdict.

use std::cell::Cell;
use std::sync::Arc;

use portcullis_engine::{
    Facts, FixedFacts, Need, Options, PolicySet, ReviewContext, Route, Selection, Settings, Verdict, review,
};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy, FailurePolicy, Phase, Review};
use portcullis_patch::json6902::{self, Patch};
use portcullis_value::{Arena, Budget, Value};

/// The route of a webhook's path.
pub(crate) fn route(path: &str) -> Route<'_> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let phase = if parts[0] == "mutate" { Phase::Mutate } else { Phase::Validate };
    let failing = |word| if word == "ignore" { FailurePolicy::Ignore } else { FailurePolicy::Fail };
    let policies = match parts[1..] {
        [] => Selection::All,
        [word] => Selection::Failing(failing(word)),
        [word, "finegrained", name] => Selection::One { failing: failing(word), namespace: "", name },
        [word, "finegrained", namespace, name] => Selection::One { failing: failing(word), namespace, name },
        _ => panic!("{path}"),
    };
    Route { phase, policies }
}

/// A policy written in YAML; what it is called is part of it.
pub(crate) fn policy(text: &str) -> Arc<dyn CompiledPolicy> {
    let arena = Arena::new();
    Arc::new(Policy::compile(portcullis_yaml::read(&arena, text).unwrap()))
}

/// A ClusterPolicy with one rule `r` about `kind`.
pub(crate) fn rule(name: &str, spec: &str, kind: &str, action: &str) -> Arc<dyn CompiledPolicy> {
    policy(&format!(
        "{{kind: ClusterPolicy, metadata: {{name: {name}}}, spec: {{{spec}, rules: [{{name: r, match: {{any: [{{resources: {{kinds: [{kind}]}}}}]}}, {action}}}]}}}}"
    ))
}

/// A request, in parts.
#[derive(Clone, Copy)]
pub(crate) struct Request<'t> {
    pub(crate) operation: &'t str,
    pub(crate) gvk: [&'t str; 3],
    /// In YAML, or as it is where it begins like JSON; empty for `null`.
    pub(crate) object: &'t str,
    pub(crate) old_object: &'t str,
    /// More fields, as JSON with a comma in front.
    pub(crate) more: &'t str,
}

pub(crate) const JOB: [&str; 3] = ["batch", "v1", "Job"];
pub(crate) const POD: [&str; 3] = ["", "v1", "Pod"];

impl<'t> Request<'t> {
    pub(crate) fn create(gvk: [&'t str; 3], object: &'t str) -> Self {
        Self { operation: "CREATE", gvk, object, old_object: "", more: "" }
    }

    pub(crate) fn update(gvk: [&'t str; 3], old_object: &'t str, object: &'t str) -> Self {
        Self { operation: "UPDATE", old_object, ..Self::create(gvk, object) }
    }

    fn body(&self) -> String {
        let arena = Arena::new();
        let json = |text: &str| match text {
            "" => "null".to_owned(),
            json if json.starts_with("{\"") => json.to_owned(),
            text => portcullis_yaml::read(&arena, arena.str(text)).unwrap().to_string(),
        };
        let [group, version, kind] = self.gvk;
        let (object, old_object) = (json(self.object), json(self.old_object));
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{{"uid":"1","kind":{{"group":"{group}","version":"{version}","kind":"{kind}"}},"name":"n","namespace":"team","operation":"{}","userInfo":{{"username":"jane","groups":["developers"]}},"object":{object},"oldObject":{old_object}{}}}}}"#,
            self.operation, self.more
        )
    }
}

/// What surrounds a review.
pub(crate) struct Setting<'s> {
    pub(crate) policies: PolicySet,
    pub(crate) settings: Settings,
    pub(crate) options: Options,
    pub(crate) facts: &'s dyn Facts,
    /// The time by which the answer is due; every look at the clock takes 1.
    pub(crate) deadline: u64,
    pub(crate) now: &'s str,
}

impl Setting<'static> {
    pub(crate) fn of(policies: impl IntoIterator<Item = Arc<dyn CompiledPolicy>>) -> Self {
        static NOTHING: std::sync::LazyLock<FixedFacts> = std::sync::LazyLock::new(FixedFacts::default);
        Self {
            policies: PolicySet::new(policies),
            settings: Settings::default(),
            options: Options::default(),
            facts: &*NOTHING,
            deadline: u64::MAX,
            now: "2026-09-01T10:00:00Z",
        }
    }
}

impl Setting<'_> {
    /// Gives the verdict on `request` at `path` to `look`, with the object that is admitted.
    #[track_caller]
    pub(crate) fn review<T>(
        &self,
        path: &str,
        request: Request<'_>,
        look: impl FnOnce(&Verdict<'_>, Value<'_>) -> T,
    ) -> T {
        self.try_review(path, request, look).unwrap()
    }

    pub(crate) fn try_review<T>(
        &self,
        path: &str,
        request: Request<'_>,
        look: impl FnOnce(&Verdict<'_>, Value<'_>) -> T,
    ) -> Result<T, Vec<Need>> {
        self.try_verdict(path, &request.body(), |arena, parsed, verdict| {
            let object = parsed.request.object(arena).unwrap().unwrap_or_default();
            let patch = Patch { operations: verdict.patch.clone() };
            let options = json6902::Options::default();
            look(verdict, patch.apply(arena, object, options, &mut Budget::default()).unwrap())
        })
    }

    /// The refusal or the first warning, and whether the request is admitted.
    pub(crate) fn verdict(&self, path: &str, request: Request<'_>) -> (Option<String>, bool) {
        let look = |_: &Arena, _: &Review<'_>, verdict: &Verdict<'_>| {
            (verdict.message.clone().or(verdict.warnings.first().cloned()), verdict.allowed)
        };
        self.try_verdict(path, &request.body(), look).unwrap()
    }

    fn try_verdict<T>(
        &self,
        path: &str,
        body: &str,
        look: impl for<'a> FnOnce(&'a Arena, &'a Review<'a>, &Verdict<'a>) -> T,
    ) -> Result<T, Vec<Need>> {
        let (arena, time) = (Arena::new(), Cell::new(0));
        let parsed = Review::parse(body).unwrap();
        let clock = || time.replace(time.get() + 1);
        let now: jiff::Timestamp = self.now.parse().unwrap();
        let context = ReviewContext {
            policies: &self.policies,
            settings: &self.settings,
            options: self.options,
            facts: self.facts,
            arena: &arena,
            now: i64::try_from(now.as_nanosecond()).unwrap(),
            seed: 1,
            clock: &clock,
            deadline: self.deadline,
            records: None,
        };
        let verdict = review(&parsed, &route(path), &context)?;
        Ok(look(&arena, &parsed, &verdict))
    }
}
