//! Resources as the command line judges them.

use std::collections::BTreeSet;
use std::convert::Infallible;

use portcullis_model::{Diagnostic, Gvk, Resource, Severity};
use portcullis_value::{Arena, Object, OwnedValue, Pointer, Value};
use portcullis_yaml::Source;

use super::documents::{self, Place};
use super::inputs::{Input, Inputs};
use crate::diagnostics::Reporter;
use crate::surroundings::{Stream, Surroundings};

/// Kinds that live outside namespaces: group and kind.
const CLUSTER_SCOPED: &[(&str, &str)] = &[
    ("", "ComponentStatus"),
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("authentication.k8s.io", "SelfSubjectReview"),
    ("authentication.k8s.io", "TokenReview"),
    ("authorization.k8s.io", "SelfSubjectAccessReview"),
    ("authorization.k8s.io", "SelfSubjectRulesReview"),
    ("authorization.k8s.io", "SubjectAccessReview"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("certificates.k8s.io", "ClusterTrustBundle"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("internal.apiserver.k8s.io", "StorageVersion"),
    ("networking.k8s.io", "IPAddress"),
    ("networking.k8s.io", "IngressClass"),
    ("networking.k8s.io", "ServiceCIDR"),
    ("node.k8s.io", "RuntimeClass"),
    ("policy", "PodSecurityPolicy"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("resource.k8s.io", "DeviceClass"),
    ("resource.k8s.io", "ResourceSlice"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "CSINode"),
    ("storage.k8s.io", "StorageClass"),
    ("storage.k8s.io", "VolumeAttachment"),
    ("storage.k8s.io", "VolumeAttributesClass"),
    ("storagemigration.k8s.io", "StorageVersionMigration"),
];

/// Fields that are maps wherever they stand: a null there is an empty map.
const MAPS: &[&str] = &["annotations", "data", "labels", "matchLabels", "nodeSelector", "stringData"];

/// Which kinds live outside namespaces.
#[derive(Debug, Default)]
pub(crate) struct Scopes {
    /// Group and kind of custom resources.
    cluster_scoped: BTreeSet<(String, String)>,
}

impl Scopes {
    /// With the custom resource definitions that `paths` name. Returns also how many errors were told.
    pub(crate) fn read(paths: &[String], surroundings: &mut Surroundings<'_>) -> (Self, usize) {
        let mut scopes = Self::default();
        let mut found = Inputs::find(paths, true, surroundings);
        let mut errors = found.errors;
        let mut arena = Arena::new();
        for input in &mut found.inputs {
            let name = input.name.clone();
            let told = documents::each(input, &mut surroundings.stderr, |source, stderr| {
                arena.reset();
                let mut reporter = Reporter::new(&name, stderr);
                if let Some(document) = documents::read(&arena, source, &mut reporter) {
                    scopes.add(document);
                }
                Ok::<_, Infallible>(reporter.errors())
            });
            errors += told.unwrap_or_default();
        }
        (scopes, errors)
    }

    fn add(&mut self, document: Value<'_>) {
        let text = |path: &[&str]| document.path(path).and_then(Value::as_str);
        let (group, kind) = (text(&["spec", "group"]), text(&["spec", "names", "kind"]));
        if let (Some("CustomResourceDefinition"), Some("Cluster"), Some(group), Some(kind)) =
            (text(&["kind"]), text(&["spec", "scope"]), group, kind)
        {
            self.cluster_scoped.insert((group.to_owned(), kind.to_owned()));
        }
    }

    fn is_cluster_scoped(&self, gvk: Gvk<'_>) -> bool {
        CLUSTER_SCOPED.contains(&(gvk.group, gvk.kind))
            || self.cluster_scoped.iter().any(|(group, kind)| group == gvk.group && kind == gvk.kind)
    }

    /// The resource as it is judged: in namespace `default` where it names none, with maps where maps belong.
    ///
    /// COMPAT(kyverno): a custom kind of which nothing is known lives in a namespace too.
    pub(crate) fn complete<'a>(&self, arena: &'a Arena, resource: Value<'a>) -> Value<'a> {
        let value = with_maps(arena, resource);
        if Resource(value).namespace().is_empty() && !self.is_cluster_scoped(Gvk::of(value)) {
            return value.with(arena, &["metadata", "namespace"], Value::String("default"));
        }
        value
    }
}

/// `value` with `{}` for null in fields that are maps. What holds none is shared.
fn with_maps<'a>(arena: &'a Arena, value: Value<'a>) -> Value<'a> {
    match value {
        Value::Object(object) if lacks_maps(value) => {
            let mend = |(key, value): (&'a str, Value<'a>)| match value {
                Value::Null if MAPS.contains(&key) => (key, Value::Object(Object::default())),
                value => (key, with_maps(arena, value)),
            };
            let entries: Vec<_> = object.iter().map(mend).collect();
            Value::Object(Object::from_sorted(arena.slice(&entries)))
        }
        Value::Array(items) if lacks_maps(value) => {
            let items: Vec<_> = items.iter().map(|item| with_maps(arena, *item)).collect();
            arena.array(&items)
        }
        value => value,
    }
}

/// Whether a map is null somewhere in `value`. Reading has bounded the depth.
fn lacks_maps(value: Value<'_>) -> bool {
    match value {
        Value::Object(object) => {
            object.iter().any(|(key, value)| (value.is_null() && MAPS.contains(&key)) || lacks_maps(value))
        }
        Value::Array(items) => items.iter().any(|item| lacks_maps(*item)),
        _ => false,
    }
}

/// How many resources `input` holds, as far as its separators and lists tell.
pub(crate) fn count(input: &mut Input) -> usize {
    let Ok(reader) = input.open() else { return 0 };
    let mut reader = portcullis_yaml::DocumentReader::new(reader);
    let mut arena = Arena::new();
    let mut count = 0;
    while let Some(document) = reader.next_document() {
        let Ok(source) = document else { continue };
        arena.reset();
        let list = may_be_list(source.text()).then(|| documents::read_quietly(&arena, source)).flatten();
        count += list.map_or(1, |list| count_objects(&arena, list));
    }
    count
}

fn count_objects<'a>(arena: &'a Arena, document: Value<'a>) -> usize {
    let mut count = 0;
    let counted = documents::objects(arena, document, &mut |_, _| {
        count += 1;
        Ok::<_, Infallible>(())
    });
    counted.map_or_else(|never| match never {}, |()| count)
}

/// Whether it is worth the time to look for items in a text.
fn may_be_list(text: &str) -> bool {
    text.contains("items") && text.contains("List")
}

/// Calls `visit` with each resource of `input`; tells of documents that hold none. Returns how many errors were told.
///
/// # Errors
/// Those of `visit`, which end the reading.
pub(crate) fn each<E>(
    input: &mut Input,
    stderr: &mut Stream<'_>,
    arena: &mut Arena,
    mut visit: impl FnMut(Value<'_>, &mut Stream<'_>) -> Result<(), E>,
) -> Result<usize, E> {
    let (name, is_named) = (input.name.clone(), input.is_named);
    let mut is_empty = true;
    let errors = documents::each(input, stderr, |source, stderr| {
        arena.reset();
        let mut reporter = Reporter::new(&name, stderr);
        let Some(document) = documents::read(arena, source, &mut reporter) else {
            return Ok(reporter.errors());
        };
        let mut errors = reporter.errors();
        is_empty &= document.is_null();
        documents::objects(arena, document, &mut |object, place| {
            if is_resource(object) {
                return visit(object, stderr);
            }
            if !document.is_null() {
                errors += tell_no_resource(source, place, object, &name, stderr);
            }
            Ok(())
        })?;
        Ok(errors)
    })?;
    if is_empty && is_named && errors == 0 {
        Reporter::new(&name, stderr).whole(Severity::Warning, "there is no resource in this file", None);
    }
    Ok(errors)
}

/// All resources of `inputs` as they are judged, and how many errors were told.
pub(crate) fn read_all(
    inputs: &mut [Input],
    scopes: &Scopes,
    stderr: &mut Stream<'_>,
) -> (Vec<OwnedValue>, usize) {
    let (mut all, mut errors) = (Vec::new(), 0);
    let mut arena = Arena::new();
    for input in inputs {
        let told = each(input, stderr, &mut arena, |resource, _| {
            all.push(scopes.complete(&Arena::new(), resource).into());
            Ok::<_, Infallible>(())
        });
        errors += told.unwrap_or_default();
    }
    (all, errors)
}

fn is_resource(value: Value<'_>) -> bool {
    let gvk = Gvk::of(value);
    !gvk.kind.is_empty() && !gvk.version.is_empty()
}

fn tell_no_resource(
    source: Source<'_>,
    place: &Place,
    value: Value<'_>,
    name: &str,
    stderr: &mut Stream<'_>,
) -> usize {
    let message = if value.as_object().is_none() {
        let found = if value.as_array().is_some() { "list" } else { value.kind().name() };
        format!("expected a resource, found a {found}")
    } else if Gvk::of(value).kind.is_empty() {
        "the resource has no `kind`".to_owned()
    } else {
        "the resource has no `apiVersion`".to_owned()
    };
    let mut path = Pointer::root();
    for index in place {
        path.push("items");
        path.push(&index.to_string());
    }
    let diagnostic = Diagnostic::error(path, message)
        .with_hint("each document is one Kubernetes object with `apiVersion` and `kind`");
    let mut reporter = Reporter::new(name, stderr);
    let arena = Arena::new();
    if let Ok(marked) = source.read_marked(&arena) {
        reporter.diagnostic(source, &marked.marks, &diagnostic);
    } else {
        reporter.at_line(source.line(), 1, &diagnostic.message, diagnostic.hint.as_deref());
    }
    reporter.errors()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(resource: &str, want: &str) {
        let arena = Arena::new();
        let value = portcullis_yaml::read(&arena, resource).unwrap();
        let mut scopes = Scopes::default();
        let definition = "{kind: CustomResourceDefinition, spec: {group: example.com, scope: Cluster, names: {kind: Zone}}}";
        scopes.add(portcullis_yaml::read(&arena, definition).unwrap());
        assert_eq!(scopes.complete(&arena, value).to_string(), want);
    }

    #[test]
    fn a_resource_without_namespace_lives_in_default_unless_its_kind_is_known_to_live_in_none() {
        check(
            "{apiVersion: v1, kind: Pod}",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default"}}"#,
        );
        check("{apiVersion: v1, kind: Node}", r#"{"apiVersion":"v1","kind":"Node"}"#);
        check(
            "{apiVersion: openshift.io/v1, kind: Namespace}",
            r#"{"apiVersion":"openshift.io/v1","kind":"Namespace","metadata":{"namespace":"default"}}"#,
        );
        check("{apiVersion: example.com/v1, kind: Zone}", r#"{"apiVersion":"example.com/v1","kind":"Zone"}"#);
        check(
            "{apiVersion: v1, kind: Pod, metadata: {namespace: a}}",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"a"}}"#,
        );
    }

    #[test]
    fn null_where_a_map_belongs_is_an_empty_map() {
        check(
            "{apiVersion: v1, kind: Node, metadata: {labels: , name: }, spec: [{data: , x: }]}",
            r#"{"apiVersion":"v1","kind":"Node","metadata":{"labels":{},"name":null},"spec":[{"data":{},"x":null}]}"#,
        );
    }
}
