//! The corpus `admission-reviews`: what an admission controller answers to the reviews of one policy each.
//!
//! Compared are the verdict, the text of a refusal, the warnings that were recorded, and the object that the patch makes;
//! how a patch is split into operations is free. A review that comes to a rule which is not executed yet counts as
//! failed, whatever the answer: it would be right by accident.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use portcullis_engine::{
    Facts, ImmutableFields, Missing, Options, PolicySet, ReviewContext, Route, Selection, Settings, Verdict,
};
use portcullis_kyverno::{Policy, PolicyException};
use portcullis_model::{
    Answer, CompiledPolicy, FailurePolicy, Obstacle, Phase, Question, RecordMode, Review, Roles, User,
};
use portcullis_patch::json6902::{self, Patch};
use portcullis_value::{Arena, Budget, Object, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, files, read_text};
use crate::objects::Objects;

pub(crate) const CORPUS: Corpus = Corpus { name: "admission-reviews", cases };

/// What a user with a certificate is bound to in a cluster where nobody has bound anything.
pub(crate) const CLUSTER_ROLES: [&str; 3] =
    ["system:basic-user", "system:discovery", "system:public-info-viewer"];

/// The filters that the reference is installed with, as far as they are not about its own objects.
pub(crate) const FILTERS: &str = "[Event,*,*][*/*,kube-system,*][*/*,kube-public,*][*/*,kube-node-lease,*][Node,*,*][Node/?*,*,*]\
    [APIService,*,*][APIService/?*,*,*][TokenReview,*,*][SubjectAccessReview,*,*][SelfSubjectAccessReview,*,*]\
    [Binding,*,*][Pod/binding,*,*][ReplicaSet,*,*][ReplicaSet/?*,*,*]";

/// A policy, and what was answered to reviews of it.
#[derive(Deserialize)]
pub(crate) struct Document {
    pub(crate) id: String,
    pub(crate) policy: Box<RawValue>,
    /// The labels of namespaces, by name.
    pub(crate) namespaces: Box<RawValue>,
    /// The kinds of facts from outside that the policy asks for.
    pub(crate) context: Vec<String>,
    pub(crate) exceptions: Option<Box<RawValue>>,
    pub(crate) reviews: Vec<Recorded>,
}

/// A review and its answer.
#[derive(Deserialize)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    request: Box<RawValue>,
    pub(crate) response: Response,
}

#[derive(Deserialize)]
pub(crate) struct Response {
    allowed: bool,
    pub(crate) message: Option<String>,
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    patch: Option<Box<RawValue>>,
}

/// What is known to the reviews of some policies.
pub(crate) struct Cluster {
    policies: PolicySet,
    settings: Settings,
    /// The labels of namespaces, by name.
    namespaces: Box<RawValue>,
    objects: Objects,
}

fn cases(root: &Path) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for document in documents(root)? {
        let class = class(&document)?;
        let cluster = Arc::new(document.cluster()?);
        for (index, recorded) in document.reviews.into_iter().enumerate() {
            let cluster = Arc::clone(&cluster);
            let id = format!("{}/{index}", document.id);
            cases.push(Case::new(id, class.clone(), move || check(&cluster, &recorded)));
        }
    }
    Ok(cases)
}

/// The documents of the corpus.
pub(crate) fn documents(root: &Path) -> Result<Vec<Document>> {
    let read =
        |path: PathBuf| serde_json::from_str(&read_text(&path)?).with_context(|| path.display().to_string());
    files(&root.join("admission"), "adm-")?.into_iter().map(read).collect()
}

impl Document {
    /// What is known to its reviews.
    pub(crate) fn cluster(&self) -> Result<Cluster> {
        let arena = Arena::new();
        let policy = json::read(&arena, self.policy.get()).context("policy")?;
        let exceptions = match &self.exceptions {
            Some(list) => {
                json::read(&arena, list.get()).context("exceptions")?.as_array().unwrap_or_default()
            }
            None => &[],
        };
        Ok(Cluster::new([policy], exceptions, self.namespaces.clone()))
    }
}

impl Recorded {
    /// The body of the request.
    pub(crate) fn body(&self) -> String {
        format!(
            r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}}"#,
            self.request.get()
        )
    }
}

/// The kinds of the policy's rules, of the facts that they ask for, and whether there are exceptions to them.
pub(crate) fn class(document: &Document) -> Result<String> {
    let arena = Arena::new();
    let mut kinds = rule_kinds(json::read(&arena, document.policy.get()).context("policy")?);
    kinds.extend(document.context.iter().map(|fact| format!("context.{fact}")));
    kinds.extend(document.exceptions.as_ref().map(|_| "exceptions".to_owned()));
    Ok(kinds.into_iter().collect::<Vec<_>>().join(" "))
}

/// The kinds of the policy's rules.
pub(crate) fn rule_kinds(policy: Value<'_>) -> BTreeSet<String> {
    const PARTS: [&str; 10] = [
        "foreach",
        "podSecurity",
        "cel",
        "manifests",
        "pattern",
        "anyPattern",
        "deny",
        "targets",
        "patchStrategicMerge",
        "patchesJson6902",
    ];
    let rules = policy.path(&["spec", "rules"]).and_then(Value::as_array).unwrap_or_default();
    let mut kinds = BTreeSet::new();
    for rule in rules {
        for kind in ["mutate", "validate", "generate", "verifyImages"] {
            let Some(action) = rule.get(kind) else { continue };
            let part = PARTS.into_iter().find(|part| action.get(part).is_some());
            kinds.insert(part.map_or_else(|| kind.to_owned(), |part| format!("{kind}.{part}")));
        }
    }
    kinds
}

fn check(cluster: &Cluster, recorded: &Recorded) -> Finding {
    let body = recorded.body();
    let arena = Arena::new();
    let parsed = Review::parse(&body).map_err(|error| error.to_string())?;
    let route = cluster.route(&recorded.path).ok_or("no such path")?;
    let verdict = cluster.review(&arena, &parsed, &route)?;
    let object = parsed.request.object(&arena).map_err(|error| error.to_string())?;
    compare(&arena, &verdict, &recorded.response, object.unwrap_or_default())
}

impl Cluster {
    pub(crate) fn new<'p>(
        policies: impl IntoIterator<Item = Value<'p>>,
        exceptions: &[Value<'p>],
        namespaces: Box<RawValue>,
    ) -> Self {
        let exceptions: Vec<_> =
            exceptions.iter().map(|exception| Arc::new(PolicyException::compile(*exception))).collect();
        let compile =
            |policy| -> Arc<dyn CompiledPolicy> { Arc::new(Policy::compile(policy).excepting(&exceptions)) };
        Self {
            policies: PolicySet::new(policies.into_iter().map(compile)),
            settings: Settings::read([("resourceFilters", FILTERS)]).0,
            namespaces,
            objects: Objects::default(),
        }
    }

    /// The same with `objects` in it.
    pub(crate) fn with(self, objects: Objects) -> Self {
        Self { objects, ..self }
    }

    /// What is answered to a review.
    ///
    /// # Errors
    /// It cannot be told, or it was come by without a rule that should have been executed.
    pub(crate) fn review<'a>(
        &'a self,
        arena: &'a Arena,
        review: &'a Review<'a>,
        route: &Route<'_>,
    ) -> Result<Verdict<'a>, String> {
        let context = ReviewContext {
            policies: &self.policies,
            settings: &self.settings,
            options: Options {
                record: RecordMode::Off,
                immutable_fields: ImmutableFields::AsWritten,
                ..Options::default()
            },
            facts: self,
            arena,
            now: 1_795_000_000_000_000_000,
            seed: 1,
            clock: &|| 0,
            deadline: u64::MAX,
            records: None,
        };
        let verdict = portcullis_engine::review(review, route, &context)
            .map_err(|needs| format!("asks for {needs:?}"))?;
        let not_executed = verdict
            .outcomes()
            .find(|(_, outcome)| outcome.obstacle == Some(Obstacle::NotExecuted))
            .map(|(_, outcome)| format!("rule `{}` is {}", outcome.rule, outcome.message));
        not_executed.map_or(Ok(verdict), Err)
    }

    /// What was asked at a recorded path: no policy of the corpus has a webhook of its own, and one that only audits is
    /// never asked at one that fails closed.
    pub(crate) fn route(&self, path: &str) -> Option<Route<'static>> {
        let (phase, failing) = path.strip_prefix('/')?.split_once('/')?;
        let phase = if phase == "mutate" { Phase::Mutate } else { Phase::Validate };
        let may_enforce = self.policies.policies().iter().any(|member| member.policy.profile().may_enforce);
        let failing = match failing {
            "fail" if phase == Phase::Mutate || may_enforce => FailurePolicy::Fail,
            _ => FailurePolicy::Ignore,
        };
        Some(Route { phase, policies: Selection::Failing(failing) })
    }
}

/// The path of our own webhook for `route`.
pub(crate) fn path(route: &Route<'_>) -> String {
    let phase = if route.phase == Phase::Mutate { "mutate" } else { "validate" };
    let failing = if route.policies == Selection::Failing(FailurePolicy::Fail) { "fail" } else { "ignore" };
    format!("/{phase}/{failing}")
}

pub(crate) fn compare<'a>(
    arena: &'a Arena,
    verdict: &Verdict<'a>,
    recorded: &'a Response,
    object: Value<'a>,
) -> Finding {
    let outcomes = || {
        let lines = verdict
            .outcomes()
            .map(|(_, outcome)| format!("\n  {} {:?}: {}", outcome.rule, outcome.status, outcome.message));
        lines.collect::<String>()
    };
    if (verdict.allowed, &verdict.message) != (recorded.allowed, &recorded.message) {
        return Err(format!(
            "answers otherwise\nwant {} {:?}\ngot  {} {:?}{}",
            recorded.allowed,
            recorded.message,
            verdict.allowed,
            verdict.message,
            outcomes()
        ));
    }
    if let Some(missing) = recorded.warnings.iter().find(|warning| !verdict.warnings.contains(warning)) {
        return Err(format!("does not warn\nwant {missing}\ngot  {:?}", verdict.warnings));
    }
    let wanted = match &recorded.patch {
        Some(patch) => {
            let patch = json::read(arena, patch.get()).map_err(|error| error.to_string())?;
            Patch::parse(patch).map_err(|error| error.to_string())?
        }
        None => Patch::default(),
    };
    let patched = |patch: &Patch<'a>| {
        patch
            .apply(arena, object, json6902::Options::default(), &mut Budget::default())
            .map_err(|error| error.to_string())
    };
    let got = Patch { operations: verdict.patch.clone() };
    let (want, got) = (patched(&wanted)?, patched(&got)?);
    if want == got {
        Ok(())
    } else {
        Err(format!("patches otherwise\nwant {want}\ngot  {got}{}", outcomes()))
    }
}

impl Facts for Cluster {
    fn namespace_labels<'a>(&self, arena: &'a Arena, namespace: &str) -> Result<Object<'a>, Missing> {
        let namespaces = json::read(arena, arena.str(self.namespaces.get())).map_err(|_| Missing::Unknown)?;
        Ok(namespaces.get(namespace).and_then(Value::as_object).unwrap_or_default())
    }

    fn roles<'a>(&self, _: &'a Arena, _: &User<'_>, _: &str) -> Result<Roles<'a>, Missing> {
        Ok(Roles { roles: &[], cluster_roles: &CLUSTER_ROLES })
    }

    fn answer(&self, _: &str, question: &Question) -> Option<Answer> {
        Some(self.objects.answer(question))
    }
}
