//! The Values file and `--set`: what variables read where no cluster is asked.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use portcullis_model::{Diagnostic, Operation};
use portcullis_value::{Arena, Object, OwnedValue, Pointer, Value};

use super::fields::{Fields, Problems};
use crate::diagnostics::{self, Reporter};
use crate::files;
use crate::surroundings::Surroundings;

/// The size a file of values may have, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// What rules get of a rule that was written for a Pod.
const AUTOGEN_PREFIXES: [&str; 3] = ["", "autogen-", "autogen-cronjob-"];

/// Values of variables by their dotted names, in the order they are set.
type Named = Vec<(String, OwnedValue)>;

/// The values of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    global: Named,
    set: Named,
    policies: BTreeMap<String, PolicyValues>,
    namespace_labels: BTreeMap<String, OwnedValue>,
    subresources: Vec<Subresource>,
    /// What is set wherever the policy or resource has no values of its own.
    common: OwnedValue,
}

#[derive(Clone, Debug, Default)]
struct PolicyValues {
    /// By resource name: everything that is set for it.
    resources: BTreeMap<String, OwnedValue>,
    /// By rule name, those of generated rules included.
    rules: Vec<(String, OwnedValue)>,
}

/// A kind that stands for a subresource: `PodExecOptions` for `pods/exec`.
#[derive(Clone, Debug)]
pub(crate) struct Subresource {
    kind: String,
    /// What follows the slash.
    pub(crate) name: String,
    pub(crate) parent_group: String,
    pub(crate) parent_version: String,
    pub(crate) parent_kind: String,
}

impl Values {
    /// Reads the Values file at `path`.
    ///
    /// # Errors
    /// It cannot be used; the mistakes in it are told.
    pub(crate) fn read(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        let mut values = Self::default();
        read_strictly(path, surroundings, |document, problems| {
            if document.get("apiVersion").is_none() || document.get("kind").is_none() {
                let message = "the file uses a deprecated schema: it has no `apiVersion` and `kind`";
                problems.0.push(
                    Diagnostic::error(Pointer::root(), message)
                        .with_hint("begin it with `apiVersion: cli.kyverno.io/v1alpha1` and `kind: Values`"),
                );
            }
            values.file(document, Pointer::root(), problems);
        })?;
        values.settle()
    }

    /// Takes the values that stand at `path` of another file. What is wrong with them is noted in `problems`.
    pub(crate) fn inline(document: Value<'_>, path: Pointer, problems: &mut Problems) -> Self {
        let mut values = Self::default();
        values.file(document, path.clone(), problems);
        values.settle().unwrap_or_else(|error| {
            problems.0.push(Diagnostic::error(path, error.to_string()));
            Self::default()
        })
    }

    /// Takes the arguments of `--set`.
    ///
    /// # Errors
    /// An operation that does not exist.
    pub(crate) fn set(arguments: &[String], surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        let mut values = Self::default();
        for argument in arguments {
            // COMPAT(kyverno): the reference drops these without a word; here a word is said.
            let parts: Vec<&str> = argument.split('=').map(str::trim).collect();
            let problem = match parts.as_slice() {
                [name, value] if name.is_empty() || value.is_empty() => "a part of it is empty",
                [name, _] if name.contains("request.object.") => "the object cannot be set here",
                [name, _] if values.set.iter().any(|(known, _)| known == name) => "it is set already",
                [name, value] => {
                    values.set.push(((*name).to_owned(), OwnedValue::from(*value)));
                    continue;
                }
                _ => "it is not NAME=VALUE",
            };
            let message = format!("`--set {argument}` is passed over: {problem}");
            diagnostics::warning(&mut surroundings.stderr, &message);
        }
        values.settle()
    }

    /// No values but the labels of namespaces, by name.
    pub(crate) fn of_namespaces(namespace_labels: BTreeMap<String, OwnedValue>) -> Self {
        Self { namespace_labels, ..Self::default() }
    }

    /// The labels of the namespaces that are given, by name.
    pub(crate) fn into_namespaces(self) -> BTreeMap<String, OwnedValue> {
        self.namespace_labels
    }

    /// Adds the labels of namespaces; what the values say of one comes first.
    pub(crate) fn add_namespaces(&mut self, namespaces: BTreeMap<String, OwnedValue>) {
        for (name, labels) in namespaces {
            self.namespace_labels.entry(name).or_insert(labels);
        }
    }

    fn file(&mut self, document: Value<'_>, path: Pointer, problems: &mut Problems) {
        let known = [
            "apiVersion",
            "kind",
            "metadata",
            "globalValues",
            "policies",
            "namespaceSelector",
            "namespaces",
            "subresources",
        ];
        let file = problems.fields(document, path, &known);
        self.global = named(file.map("globalValues", problems));
        for (policy, path) in file.list("policies", problems) {
            self.policy(policy, path, problems);
        }
        for (selector, path) in file.list("namespaceSelector", problems) {
            let selector = problems.fields(selector, path, &["name", "labels"]);
            let labels = selector.map("labels", problems);
            self.namespace_labels
                .insert(selector.text("name", problems).to_owned(), Value::Object(labels).into());
        }
        for (namespace, _) in file.list("namespaces", problems) {
            let name = namespace.path(&["metadata", "name"]).and_then(Value::as_str).unwrap_or_default();
            let labels =
                namespace.path(&["metadata", "labels"]).and_then(Value::as_object).unwrap_or_default();
            self.namespace_labels.insert(name.to_owned(), Value::Object(labels).into());
        }
        for (entry, path) in file.list("subresources", problems) {
            self.add_subresource(entry, path, problems);
        }
    }

    fn policy(&mut self, policy: Value<'_>, path: Pointer, problems: &mut Problems) {
        let policy = problems.fields(policy, path, &["name", "resources", "rules"]);
        let name = policy.text("name", problems).to_owned();
        let mut values = self.policies.remove(&name).unwrap_or_default();
        for (resource, path) in policy.list("resources", problems) {
            let resource = problems.fields(resource, path, &["name", "values"]);
            let own = named(resource.map("values", problems));
            let all = overlaid(&self.global, &own);
            values.resources.insert(resource.text("name", problems).to_owned(), tree(&all));
        }
        for (rule, path) in policy.list("rules", problems) {
            let rule = problems.fields(rule, path, &["name", "values", "foreachValues"]);
            let mut own = named(rule.map("values", problems));
            let of_elements = Fields::new(rule.map("foreachValues", problems), rule.path("foreachValues"));
            for name in of_elements.names() {
                // COMPAT(kyverno): there is one value for each element, and the first stands for all of them.
                let first = of_elements.list(name, problems).first().map(|(value, _)| (*value).into());
                own.extend(first.map(|value: OwnedValue| (name.to_owned(), value)));
            }
            let own = tree(&own);
            let name = rule.text("name", problems);
            values.rules.extend(AUTOGEN_PREFIXES.map(|prefix| (format!("{prefix}{name}"), own.clone())));
        }
        self.policies.insert(name, values);
    }

    fn add_subresource(&mut self, entry: Value<'_>, path: Pointer, problems: &mut Problems) {
        // What a server says of a resource; here three of its fields are of use.
        let known = [
            "name",
            "singularName",
            "namespaced",
            "group",
            "version",
            "kind",
            "verbs",
            "shortNames",
            "categories",
            "storageVersionHash",
        ];
        let entry = problems.fields(entry, path, &["subresource", "parentResource"]);
        let part = |field: &str, problems: &mut Problems| {
            problems.fields(entry.get(field).unwrap_or_default(), entry.path(field), &known)
        };
        let (own, parent) = (part("subresource", problems), part("parentResource", problems));
        let name = own.text("name", problems);
        self.subresources.push(Subresource {
            kind: own.text("kind", problems).to_owned(),
            name: name.split_once('/').map_or(name, |(_, name)| name).to_owned(),
            parent_group: parent.text("group", problems).to_owned(),
            parent_version: parent.text("version", problems).to_owned(),
            parent_kind: parent.text("kind", problems).to_owned(),
        });
    }

    /// Works out what is common to all, and refuses operations that do not exist.
    fn settle(mut self) -> anyhow::Result<Self> {
        self.common = tree(&overlaid(&self.global, &self.set));
        let trees = self.policies.values().flat_map(|policy| policy.resources.values()).chain([&self.common]);
        let arena = Arena::new();
        for tree in trees {
            if let Some(operation) = tree.borrow(&arena).path(&["request", "operation"])
                && operation.as_str().is_none_or(|text| text.parse::<Operation>().is_err())
            {
                let text = operation.as_str().map_or_else(|| operation.to_string(), str::to_owned);
                bail!(
                    "invalid request.operation value \"{text}\", must be one of CREATE, UPDATE, DELETE, CONNECT"
                );
            }
        }
        Ok(self)
    }

    /// The variables for `policy` and the resource named `resource`.
    pub(crate) fn variables<'a>(&'a self, arena: &'a Arena, policy: &str, resource: &str) -> Object<'a> {
        let own = self.policies.get(policy).and_then(|policy| policy.resources.get(resource));
        own.unwrap_or(&self.common).borrow(arena).as_object().unwrap_or_default()
    }

    /// The variables for single rules of `policy`.
    pub(crate) fn rule_variables<'a>(
        &'a self,
        arena: &'a Arena,
        policy: &str,
    ) -> &'a [(&'a str, Object<'a>)] {
        let Some(policy) = self.policies.get(policy) else { return &[] };
        let rules: Vec<_> = policy
            .rules
            .iter()
            .map(|(rule, tree)| (rule.as_str(), tree.borrow(arena).as_object().unwrap_or_default()))
            .collect();
        arena.slice(&rules)
    }

    /// The labels of a namespace.
    pub(crate) fn namespace_labels<'a>(&'a self, arena: &'a Arena, namespace: &str) -> Object<'a> {
        let labels = self.namespace_labels.get(namespace).map(|labels| labels.borrow(arena));
        labels.and_then(Value::as_object).unwrap_or_default()
    }

    /// The subresource that resources of `kind` stand for.
    pub(crate) fn subresource(&self, kind: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| subresource.kind == kind)
    }
}

fn named(object: Object<'_>) -> Named {
    object.iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Both, but for names of `below` that `above` sets too.
fn overlaid(below: &Named, above: &Named) -> Named {
    let is_kept = |entry: &&(String, OwnedValue)| !above.iter().any(|(name, _)| *name == entry.0);
    below.iter().filter(is_kept).chain(above).cloned().collect()
}

/// The document in which each value stands at its dotted name.
fn tree(values: &Named) -> OwnedValue {
    let arena = Arena::new();
    let mut root = Object::default();
    for (name, value) in values {
        let path: Vec<&str> = path_of(name).iter().map(|part| arena.str(part)).collect();
        let value = value.borrow(&arena);
        if let Some(branch) = Value::Null.with(&arena, &path, value).as_object() {
            root = root.merged(&arena, branch);
        }
    }
    Value::Object(root).into()
}

/// The parts of a dotted name; a part in double quotes may hold dots, as in CSV: `labels."a.b/c"`.
fn path_of(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in name.chars() {
        match (character, parts.last_mut()) {
            ('"', _) => quoted = !quoted,
            ('.', _) if !quoted => parts.push(String::new()),
            (_, Some(part)) => part.push(character),
            (_, None) => {}
        }
    }
    parts
}

/// Reads the one document of the file at `path` with `decode`, which notes what is wrong.
///
/// # Errors
/// The file cannot be read, or something is wrong, which is told.
pub(crate) fn read_strictly(
    path: &str,
    surroundings: &mut Surroundings<'_>,
    decode: impl FnOnce(Value<'_>, &mut Problems),
) -> anyhow::Result<()> {
    let place = surroundings.directory.join(Path::new(path));
    let text = files::read_text(&place, MAX_FILE)?;
    let arena = Arena::new();
    let mut reporter = Reporter::new(path, &mut surroundings.stderr);
    let source = portcullis_yaml::Source::new(&text);
    match source.read_marked(&arena) {
        Ok(document) => {
            document.duplicates.iter().for_each(|duplicate| reporter.duplicate(source, duplicate));
            let mut problems = Problems::default();
            decode(document.value, &mut problems);
            for problem in &problems.0 {
                reporter.diagnostic(source, &document.marks, problem);
            }
        }
        Err(error) => reporter.syntax(source, &error),
    }
    if reporter.errors() > 0 {
        bail!("`{path}` cannot be used");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_become_nested_maps_and_quotes_keep_dots_together() {
        assert_eq!(path_of("a.b.c"), ["a", "b", "c"]);
        assert_eq!(path_of(r#"labels."a.b/c""#), ["labels", "a.b/c"]);
        let values = vec![
            ("cm.data.a".to_owned(), OwnedValue::from("1")),
            ("cm.data.b".to_owned(), OwnedValue::from("2")),
        ];
        assert_eq!(format!("{:?}", tree(&values)), r#"{"cm":{"data":{"a":"1","b":"2"}}}"#);
    }

    #[test]
    fn values_of_a_resource_come_before_global_ones() {
        let mut values = Values::default();
        let arena = Arena::new();
        let file =
            "{globalValues: {a: 1, b: 1}, policies: [{name: p, resources: [{name: r, values: {a: 2}}]}]}";
        let mut problems = Problems::default();
        values.file(portcullis_yaml::read(&arena, file).unwrap(), Pointer::root(), &mut problems);
        let values = values.settle().unwrap();
        assert!(problems.0.is_empty());
        let read = |policy, resource| values.variables(&arena, policy, resource);
        assert_eq!(format!("{:?}", read("p", "r")), r#"{"a":2,"b":1}"#);
        assert_eq!(format!("{:?}", read("p", "other")), r#"{"a":1,"b":1}"#);
        assert_eq!(format!("{:?}", read("q", "r")), r#"{"a":1,"b":1}"#);
    }

    #[test]
    fn an_operation_that_does_not_exist_is_refused() {
        let values =
            Values { global: vec![("request.operation".to_owned(), "PATCH".into())], ..Values::default() };
        let error = values.settle().unwrap_err().to_string();
        assert!(error.starts_with("invalid request.operation value \"PATCH\""), "{error}");
    }
}
