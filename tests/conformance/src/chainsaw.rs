//! The corpus `chainsaw`: end-to-end tests, read for what they say of requests. A policy is written, then objects, and the test
//! says which of them are refused.
//!
//! A test is read up to the first step that takes more than that: a script, another kind of policy, one that asks for facts. What
//! an API server would refuse itself is not known here, and of what it sets itself only what policies go by.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use portcullis_engine::{Route, Selection};
use portcullis_kyverno::{Findings, Lookups, Policy};
use portcullis_model::{Phase, Resource, Review};
use portcullis_patch::json6902::{self, Patch};
use portcullis_patch::merge;
use portcullis_value::{Arena, Budget, Value};
use serde_json::value::RawValue;

use crate::corpus::{Case, Corpus, Finding, read_text};
use crate::defaulted::defaulted;
use crate::objects::Objects;
use crate::reviews::{Cluster, rule_kinds};

pub(crate) const CORPUS: Corpus = Corpus { name: "chainsaw", cases };

/// The test that is run where no exception counts.
const WITHOUT_EXCEPTIONS: &str = "/policy-exceptions-disabled";
/// Where objects live that name no namespace.
const NAMESPACE: &str = "chainsaw";
/// Kinds that live in none.
const CLUSTER_SCOPED: [&str; 10] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
];

fn cases(root: &Path) -> Result<Vec<Case>> {
    let root = root.join("chainsaw");
    let mut cases = Vec::new();
    for row in read_text(&root.join("MANIFEST.tsv"))?.lines().skip(1) {
        let columns: Vec<_> = row.split('\t').collect();
        if let [test, "ClusterPolicy" | "Policy", ..] = columns.as_slice() {
            let arena = Arena::new();
            let mut reader = Reader::new(&arena, &root, test);
            reader.read().with_context(|| format!("the test `{test}`"))?;
            cases.append(&mut reader.cases);
        }
    }
    Ok(cases)
}

/// Reads one test; what it holds is what is in the cluster.
struct Reader<'a> {
    arena: &'a Arena,
    test: &'a str,
    folder: PathBuf,
    policies: Vec<Value<'a>>,
    exceptions: Vec<Value<'a>>,
    /// By kind, namespace and name.
    objects: BTreeMap<[&'a str; 3], Value<'a>>,
    cases: Vec<Case>,
}

/// Whether the rest of a test can be read.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    NoFurther,
}

impl<'a> Reader<'a> {
    fn new(arena: &'a Arena, root: &Path, test: &str) -> Self {
        let (policies, exceptions, objects, cases) = Default::default();
        Self { arena, test: arena.str(test), folder: root.join(test), policies, exceptions, objects, cases }
    }

    fn read(&mut self) -> Result<()> {
        let test = self.documents("chainsaw-test.yaml")?;
        let steps = test.iter().filter_map(|test| test.path(&["spec", "steps"])?.as_array()).flatten();
        for step in steps {
            if let Some(template) = step.path(&["use", "template"]).and_then(Value::as_str)
                && template.ends_with("/create-policy.yaml")
            {
                let bindings = step.path(&["use", "with", "bindings"]).and_then(Value::as_array);
                let file = bindings.and_then(|bindings| bindings.first()?.get("value")?.as_str());
                if self.write(file.context("a step without a file")?, false)? == Goes::NoFurther {
                    return Ok(());
                }
            }
            for operation in step.get("try").and_then(Value::as_array).unwrap_or_default() {
                if self.operate(*operation)? == Goes::NoFurther {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn operate(&mut self, operation: Value<'a>) -> Result<Goes> {
        let has = |key: &str| operation.get(key).is_some();
        if let Some(written) = operation.get("apply").or_else(|| operation.get("create")) {
            let Some(file) = written.get("file").and_then(Value::as_str) else { return Ok(Goes::NoFurther) };
            // The one expectation that there is: an error.
            return self.write(file, written.get("expect").is_some());
        }
        if let Some(patch) = operation.path(&["patch", "resource"]) {
            let is_it = |policy: &&mut Value<'a>| Resource(**policy).name() == Resource(patch).name();
            let Some(policy) = self.policies.iter_mut().find(is_it) else { return Ok(Goes::NoFurther) };
            *policy = merge::merge(self.arena, *policy, patch);
            return Ok(Goes::On);
        }
        let is_about_the_state = ["assert", "error", "sleep"].into_iter().any(has);
        Ok(if is_about_the_state { Goes::On } else { Goes::NoFurther })
    }

    /// Writes the documents of `file`, all of which are refused or none.
    fn write(&mut self, file: &str, is_refused: bool) -> Result<Goes> {
        for (index, document) in self.documents(file)?.into_iter().enumerate() {
            let api = document.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
            match Resource(document).kind() {
                "ClusterPolicy" | "Policy" if is_refused => {}
                "ClusterPolicy" | "Policy" if asks_for_facts(document) => return Ok(Goes::NoFurther),
                "ClusterPolicy" | "Policy" => self.policies.push(document),
                "PolicyException" if is_refused || self.test.ends_with(WITHOUT_EXCEPTIONS) => {}
                "PolicyException" if Findings::of_exception(document).refusal().is_none() => {
                    self.exceptions.push(document);
                }
                _ if api.contains("kyverno.io/") => return Ok(Goes::NoFurther),
                _ => self.ask(file, index, document, is_refused),
            }
        }
        Ok(Goes::On)
    }

    /// Makes a case of writing `object`.
    fn ask(&mut self, file: &str, index: usize, object: Value<'a>, is_refused: bool) {
        let kind = Resource(object).kind();
        let is_placed = CLUSTER_SCOPED.contains(&kind) || !Resource(object).namespace().is_empty();
        let object = match is_placed {
            true => object,
            false => object.with(self.arena, &["metadata", "namespace"], Value::String(NAMESPACE)),
        };
        let key = [kind, Resource(object).namespace(), Resource(object).name()];
        let before = self.objects.get(&key).copied();
        // What is there is patched.
        let object = before.map_or(object, |before| merge::merge(self.arena, before, object));
        let object = defaulted(self.arena, object);
        let id = format!("{}:{}:{file}:{index}", self.test, self.cases.len());
        let policies = self.policies.iter().copied();
        let class: BTreeSet<_> = policies.flat_map(rule_kinds).collect();
        let case = Written {
            policies: self.arena.array(&self.policies).to_string(),
            exceptions: self.arena.array(&self.exceptions).to_string(),
            namespaces: self.namespaces().to_string(),
            objects: self.arena.array(&self.objects.values().copied().collect::<Vec<_>>()).to_string(),
            review: review(self.arena, object, before).to_string(),
            is_refused,
        };
        let class: Vec<_> = class.into_iter().collect();
        if !class.is_empty() {
            self.cases.push(Case::new(id, class.join(" "), move || case.check()));
        }
        if !is_refused {
            // Another object has another UID; what it is does not matter.
            let uid = Value::String(self.arena.str(&key.join("/")));
            self.objects.insert(key, object.with(self.arena, &["metadata", "uid"], uid));
        }
    }

    /// The labels of the namespaces that were made, by name.
    fn namespaces(&self) -> Value<'a> {
        let namespaces = self.objects.iter().filter(|([kind, ..], _)| *kind == "Namespace");
        let labels = |object: Value<'a>| {
            object.path(&["metadata", "labels"]).unwrap_or(Value::Object(Default::default()))
        };
        self.arena.object(&mut namespaces.map(|([_, _, name], object)| (*name, labels(*object))).collect())
    }

    fn documents(&self, file: &str) -> Result<Vec<Value<'a>>> {
        let text = self.arena.str(&read_text(&self.folder.join(file))?);
        let mut documents = Vec::new();
        for source in portcullis_yaml::documents(text) {
            let document = source?.read(self.arena)?.value;
            if !document.is_null() {
                documents.push(document);
            }
        }
        Ok(documents)
    }
}

/// Whether a rule of `policy` asks a cluster for facts.
fn asks_for_facts(policy: Value<'_>) -> bool {
    Policy::compile(policy)
        .rules_not_executed(Lookups::default())
        .any(|(_, part)| part.starts_with("context."))
}

/// The AdmissionReview of writing `object`, in place of what was there `before`.
fn review<'a>(arena: &'a Arena, object: Value<'a>, before: Option<Value<'a>>) -> Value<'a> {
    let resource = Resource(object);
    let gvk = resource.gvk();
    let text = |text: &'a str| Value::String(text);
    let map = |entries: &[(&'a str, Value<'a>)]| arena.object(&mut entries.to_vec());
    let kind = map(&[("group", text(gvk.group)), ("version", text(gvk.version)), ("kind", text(gvk.kind))]);
    let plural = arena.string(&format!("{}s", gvk.kind.to_lowercase()));
    let groups = arena.array(&["system:masters", "system:authenticated"].map(text));
    let request = map(&[
        ("uid", text("1")),
        ("kind", kind),
        (
            "resource",
            map(&[("group", text(gvk.group)), ("version", text(gvk.version)), ("resource", plural)]),
        ),
        ("name", text(resource.name())),
        ("namespace", text(resource.namespace())),
        ("operation", text(if before.is_some() { "UPDATE" } else { "CREATE" })),
        ("userInfo", map(&[("username", text("kubernetes-admin")), ("groups", groups)])),
        ("object", object),
        ("oldObject", before.unwrap_or_default()),
    ]);
    map(&[
        ("apiVersion", text("admission.k8s.io/v1")),
        ("kind", text("AdmissionReview")),
        ("request", request),
    ])
}

/// An object that is written, and what becomes of it; documents are JSON.
struct Written {
    policies: String,
    exceptions: String,
    namespaces: String,
    /// What was there before.
    objects: String,
    review: String,
    is_refused: bool,
}

impl Written {
    fn check(&self) -> Finding {
        let arena = Arena::new();
        let read = |text| portcullis_value::json::read(&arena, text).map_err(|error| error.to_string());
        let policies = read(&self.policies)?.as_array().unwrap_or_default();
        let exceptions = read(&self.exceptions)?.as_array().unwrap_or_default();
        let namespaces = RawValue::from_string(self.namespaces.clone()).map_err(|error| error.to_string())?;
        let objects = Objects::of(read(&self.objects)?);
        let cluster = Cluster::new(policies.iter().copied(), exceptions, namespaces).with(objects);
        let refusal = match refusal(&cluster, &arena, &self.review, Phase::Mutate)? {
            Ok(mutated) => refusal(&cluster, &arena, &mutated, Phase::Validate)?.err(),
            Err(refusal) => Some(refusal),
        };
        match (self.is_refused, refusal) {
            (true, None) => Err("is let through".to_owned()),
            (false, Some(refusal)) => Err(format!("is refused: {refusal}")),
            _ => Ok(()),
        }
    }
}

/// What becomes of a review: its text with the object as policies left it, or why it is refused.
fn refusal(
    cluster: &Cluster,
    arena: &Arena,
    body: &str,
    phase: Phase,
) -> Result<Result<String, String>, String> {
    let parsed = Review::parse(body).map_err(|error| error.to_string())?;
    let verdict = cluster.review(arena, &parsed, &Route { phase, policies: Selection::All })?;
    if !verdict.allowed {
        return Ok(Err(verdict.message.unwrap_or_default()));
    }
    let document = portcullis_value::json::read(arena, body).map_err(|error| error.to_string())?;
    let object = document.path(&["request", "object"]).unwrap_or_default();
    let patch = Patch { operations: verdict.patch };
    let patched = patch
        .apply(arena, object, json6902::Options::default(), &mut Budget::default())
        .map_err(|error| error.to_string())?;
    Ok(Ok(document.with(arena, &["request", "object"], patched).to_string()))
}
