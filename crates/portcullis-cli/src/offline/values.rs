//! The Values file and `--set`: what variables read where no cluster is asked.

mod named;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::bail;
use portcullis_model::{Diagnostic, Operation, Resource, closest};
use portcullis_value::{Arena, Object, OwnedValue, Pointer, Value, json};

use self::named::Named;
use super::fields::{Fields, Problems, below};
use crate::diagnostics::{self, Reporter};
use crate::exit::hinted;
use crate::files;
use crate::surroundings::Surroundings;

/// The size a file of values may have, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// What rules get of a rule that was written for a Pod.
const AUTOGEN_PREFIXES: [&str; 3] = ["", "autogen-", "autogen-cronjob-"];

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
    /// By resource name: what is set for it beside the global values.
    resources: BTreeMap<String, Named>,
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
            problems.refuse_of_old(document, "Values");
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
                [name, _] if named::is_too_deep(name) => "its name has too many parts",
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

    /// The parts of the file that say anything beside the labels of namespaces.
    pub(crate) fn other_parts(&self) -> impl Iterator<Item = &'static str> {
        let parts = [
            ("globalValues", self.global.is_empty()),
            ("policies", self.policies.is_empty()),
            ("subresources", self.subresources.is_empty()),
        ];
        parts.into_iter().filter(|(_, is_empty)| !is_empty).map(|(part, _)| part)
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

    /// Whether something is known of a namespace.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        self.namespace_labels.contains_key(namespace)
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
        self.global = read_named(&file, "globalValues", problems);
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
            let own = read_named(&resource, "values", problems);
            values.resources.insert(resource.text("name", problems).to_owned(), own);
        }
        for (rule, path) in policy.list("rules", problems) {
            let rule = problems.fields(rule, path, &["name", "values", "foreachValues"]);
            let mut own = read_named(&rule, "values", problems);
            let of_elements = rule.map("foreachValues", problems);
            check_names(of_elements, &rule.path("foreachValues"), problems);
            let of_elements = Fields::new(of_elements, rule.path("foreachValues"));
            for name in of_elements.names() {
                // COMPAT(kyverno): there is one value for each element, and the first stands for all of them.
                let first = of_elements.list(name, problems).first().map(|(value, _)| (*value).into());
                own.extend(first.map(|value: OwnedValue| (name.to_owned(), value)));
            }
            let own = OwnedValue::from(Value::Object(named::document(&Arena::new(), &own)));
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
        let arena = Arena::new();
        let common = Value::Object(named::document(&arena, named::overlaid(&self.global, &self.set)));
        self.common = common.into();
        let of_resources = self.policies.values().flat_map(|policy| policy.resources.values());
        let documents = of_resources.map(|own| Value::Object(named::document(&arena, own)));
        for document in documents.chain([common]) {
            if let Some(operation) = document.path(&["request", "operation"])
                && operation.as_str().is_none_or(|text| text.parse::<Operation>().is_err())
            {
                let text = operation.as_str().map_or_else(|| operation.to_string(), str::to_owned);
                const OPERATIONS: [&str; 4] = ["CREATE", "UPDATE", "DELETE", "CONNECT"];
                let upper = text.to_uppercase();
                let hint = match closest(&upper, OPERATIONS) {
                    Some(operation) => format!("did you mean `{operation}`?"),
                    None => "without it the operation is CREATE".to_owned(),
                };
                let message = format!(
                    "invalid request.operation value \"{text}\", must be one of CREATE, UPDATE, DELETE, CONNECT"
                );
                return Err(hinted(message, Some(hint)));
            }
        }
        Ok(self)
    }

    /// The variables for `policy` and the resource named `resource`.
    pub(crate) fn variables<'a>(&'a self, arena: &'a Arena, policy: &str, resource: &str) -> Object<'a> {
        match self.policies.get(policy).and_then(|policy| policy.resources.get(resource)) {
            Some(own) => named::document(arena, named::overlaid(&self.global, own)),
            None => self.common.borrow(arena).as_object().unwrap_or_default(),
        }
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

/// The labels of the namespaces among `objects`, by name.
pub(crate) fn namespaces(objects: &[OwnedValue]) -> BTreeMap<String, OwnedValue> {
    let arena = Arena::new();
    let all = objects.iter().map(|object| Resource(object.borrow(&arena)));
    let namespaces = all.filter(|object| object.gvk().group.is_empty() && object.kind() == "Namespace");
    let labels = |namespace: Resource<'_>| {
        let labels = namespace.0.path(&["metadata", "labels"]).and_then(Value::as_object);
        Value::Object(labels.unwrap_or_default()).into()
    };
    namespaces.map(|namespace| (namespace.name().to_owned(), labels(namespace))).collect()
}

/// The map `field` of `holder` by its dotted names.
fn read_named(holder: &Fields<'_>, field: &str, problems: &mut Problems) -> Named {
    let map = holder.map(field, problems);
    check_names(map, &holder.path(field), problems);
    map.iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Notes the dotted names in `map`, which is at `path`, that lead too deep.
fn check_names(map: Object<'_>, path: &Pointer, problems: &mut Problems) {
    for name in map.keys().filter(|name| named::is_too_deep(name)) {
        let message = format!("the name has more than {} parts", json::MAX_DEPTH);
        problems.0.push(Diagnostic::error(below(path, name), message).at_key());
    }
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
    use crate::exit::Hinted;

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

        let values =
            Values { global: vec![("request.operation".to_owned(), "updat".into())], ..Values::default() };
        let error = values.settle().unwrap_err();
        assert_eq!(error.downcast_ref::<Hinted>().unwrap().hint, "did you mean `UPDATE`?");
    }

    #[test]
    fn a_name_that_leads_deeper_than_any_document_is_a_mistake() {
        let name = vec!["a"; json::MAX_DEPTH + 1].join(".");
        for text in [
            format!("{{globalValues: {{? {name} : 1}}}}"),
            format!("{{policies: [{{name: p, rules: [{{name: r, foreachValues: {{? {name} : [1]}}}}]}}]}}"),
        ] {
            let (arena, mut problems) = (Arena::new(), Problems::default());
            let file = portcullis_yaml::read(&arena, &text).unwrap();
            Values::default().file(file, Pointer::root(), &mut problems);
            let told: Vec<_> = problems.0.iter().map(|problem| &*problem.message).collect();
            assert_eq!(told, ["the name has more than 256 parts"]);
        }
    }
}
