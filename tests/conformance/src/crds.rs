//! The corpus `crds`: the definitions of policies as an API server holds them, keyword by keyword.
//!
//! A case is a field near the root with all below it, or what a definition or a version says beside its schema.
//! Descriptions are ours. Defaults are left out on purpose: the reference's are not compared, one of ours is a
//! difference.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use portcullis_value::{Arena, json};
use serde_json::Value;

use crate::corpus::{Case, Corpus, Finding, read_text};

pub(crate) const CORPUS: Corpus = Corpus { name: "crds", cases };

const NAMES: [&str; 3] = ["clusterpolicies", "policies", "policyexceptions"];

/// The fields whose own fields are cases.
const OPENED: [&[&str]; 6] =
    [&[], &["spec"], &["spec", "rules"], &["spec", "rules", "[]"], &["status"], &["status", "autogen"]];

fn cases(root: &Path) -> Result<Vec<Case>> {
    let arena = Arena::new();
    let mut ours = BTreeMap::new();
    for crd in portcullis_kyverno::crds(&arena) {
        let mut crd: Value = serde_json::from_str(&json::Writer::compact().to_string(crd))?;
        let name = take(&mut take(&mut crd, "metadata"), "name");
        ours.insert(name.to_string(), Parts::of(take(&mut crd, "spec")));
    }
    let mut cases = Vec::new();
    for name in NAMES {
        let text = read_text(&root.join(format!("crds/{name}.kyverno.io.json")))?;
        let mut crd: Value = serde_json::from_str(&text).context(name)?;
        let mut theirs = Parts::of(take(&mut crd, "spec"));
        theirs.drop_defaults();
        let mut ours = ours.remove(&take(&mut crd, "name").to_string()).unwrap_or_default();
        let missing = ours.parts.keys().filter(|part| !theirs.parts.contains_key(*part));
        let parts: Vec<_> = theirs.parts.keys().chain(missing).cloned().collect();
        for (version, part) in parts {
            let key = (version, part);
            let wanted = theirs.parts.remove(&key).unwrap_or_default();
            let got = ours.parts.remove(&key).unwrap_or_default();
            let (version, part) = key;
            let id = [name, &version, &part].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
            let class = format!("{name} {version}");
            cases.push(Case::new(id.join("/"), class.trim_end(), move || compare(&wanted, &got)));
        }
    }
    Ok(cases)
}

/// The keywords of schemas, by their paths.
type Keywords = BTreeMap<String, Value>;

/// A definition taken apart: what each case compares, by version and the path of the case.
#[derive(Default)]
struct Parts {
    parts: BTreeMap<(String, String), Keywords>,
}

impl Parts {
    fn of(mut spec: Value) -> Parts {
        let mut parts = Parts::default();
        let versions = take(&mut spec, "versions");
        parts.add("", "definition", "", spec);
        for version in versions.as_array().into_iter().flatten() {
            let mut version = version.clone();
            let name = version.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
            let mut schema = take(&mut version, "schema");
            parts.add(&name, "version", "", version);
            parts.add_schema(&name, take(&mut schema, "openAPIV3Schema"), &mut Vec::new());
        }
        parts
    }

    fn add(&mut self, version: &str, part: &str, path: &str, keywords: Value) {
        let part = self.parts.entry((version.to_owned(), part.to_owned())).or_default();
        part.insert(path.to_owned(), keywords);
    }

    /// Adds `schema`, which stands at `path`, and all below it.
    fn add_schema(&mut self, version: &str, mut schema: Value, path: &mut Vec<String>) {
        take(&mut schema, "description");
        let mut children: Vec<(String, Value)> = Vec::new();
        if let Value::Object(properties) = take(&mut schema, "properties") {
            children.extend(properties);
        }
        for (keyword, name) in [("items", "[]"), ("additionalProperties", "{}")] {
            match take(&mut schema, keyword) {
                Value::Null => {}
                child => children.push((name.to_owned(), child)),
            }
        }
        let opened = |path: &[String]| OPENED.iter().any(|opened| *path == **opened);
        let length = (0..=path.len()).find(|length| !path.get(..*length).is_some_and(opened));
        let part = path.get(..length.unwrap_or(path.len())).unwrap_or_default();
        self.add(version, &written(part), &written(path), schema);
        for (name, child) in children {
            path.push(name);
            self.add_schema(version, child, path);
            path.pop();
        }
    }

    fn drop_defaults(&mut self) {
        for keywords in self.parts.values_mut().flat_map(BTreeMap::values_mut) {
            take(keywords, "default");
        }
    }
}

/// `path` as `kubectl` writes it: `.spec.rules[].name`.
fn written(path: &[String]) -> String {
    format!(".{}", path.join(".")).replace(".[]", "[]").replace(".{}", "{}")
}

/// Takes `key` out of a map; null if it is not there.
fn take(map: &mut Value, key: &str) -> Value {
    map.as_object_mut().and_then(|map| map.remove(key)).unwrap_or_default()
}

fn compare(wanted: &Keywords, got: &Keywords) -> Finding {
    let mut differences = Vec::new();
    for (path, wanted) in wanted {
        match got.get(path) {
            Some(got) if got == wanted => {}
            Some(got) => differences.push(format!("`{path}`: want {wanted}, got {got}")),
            None => differences.push(format!("`{path}` is missing: {wanted}")),
        }
    }
    for (path, got) in got.iter().filter(|(path, _)| !wanted.contains_key(*path)) {
        differences.push(format!("`{path}` is not the reference's: {got}"));
    }
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n")) }
}
