//! The CustomResourceDefinitions of ClusterPolicy, Policy and PolicyException.
//!
//! They say what the reference's say, field by field, so that an API server refuses the same documents with the same
//! words and shows the same columns. Two things are ours: the descriptions, and that there are no defaults. A default
//! of a schema is written into every stored policy, where it looks like a change to whoever keeps policies in Git; here
//! defaults are part of evaluation.

mod openapi;

use portcullis_value::{Arena, Value};

use crate::schema::{EXCEPTION, Field, POLICY, Version};

const GROUP: &str = "kyverno.io";

/// The annotation that has Helm leave a definition in the cluster when the release goes: every policy would go with it.
const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");
/// The label of a definition that Portcullis has installed, and not another engine of the same policies.
pub const CRD_LABEL: (&str, &str) = ("app.kubernetes.io/name", "portcullis");

/// The definitions as they are applied to a cluster.
pub fn crds(arena: &Arena) -> Vec<Value<'_>> {
    DEFINITIONS.iter().map(|definition| definition.write(arena)).collect()
}

struct Definition {
    kind: &'static str,
    list_kind: &'static str,
    singular: &'static str,
    plural: &'static str,
    short_name: &'static str,
    is_namespaced: bool,
    doc: &'static str,
    fields: &'static [Field],
    has_status: bool,
    columns: &'static [Column],
    /// The first is the one that is stored.
    versions: &'static [Served],
}

/// A version under which objects are served.
struct Served {
    name: &'static str,
    fields: Version,
    is_deprecated: bool,
}

/// A column of `kubectl get`.
struct Column {
    name: &'static str,
    of: &'static str,
    path: &'static str,
    /// Shown with `--output wide` alone.
    is_wide: bool,
}

static DEFINITIONS: [Definition; 3] = [
    Definition {
        kind: "ClusterPolicy",
        list_kind: "ClusterPolicyList",
        singular: "clusterpolicy",
        plural: "clusterpolicies",
        short_name: "cpol",
        is_namespaced: false,
        doc: "Rules for the objects of the whole cluster: what they must be, and what is changed or made.",
        fields: &POLICY,
        has_status: true,
        columns: &POLICY_COLUMNS,
        versions: &POLICY_VERSIONS,
    },
    Definition {
        kind: "Policy",
        list_kind: "PolicyList",
        singular: "policy",
        plural: "policies",
        short_name: "pol",
        is_namespaced: true,
        doc: "Rules for the objects of its own namespace: what they must be, and what is changed or made.",
        fields: &POLICY,
        has_status: true,
        columns: &POLICY_COLUMNS,
        versions: &POLICY_VERSIONS,
    },
    Definition {
        kind: "PolicyException",
        list_kind: "PolicyExceptionList",
        singular: "policyexception",
        plural: "policyexceptions",
        short_name: "polex",
        is_namespaced: true,
        doc: "Objects and requests to which rules of policies do not apply.",
        fields: &EXCEPTION,
        has_status: false,
        columns: &[],
        versions: &[
            Served { name: "v2", fields: Version::V2, is_deprecated: false },
            Served { name: "v2beta1", fields: Version::V2, is_deprecated: true },
        ],
    },
];

static POLICY_VERSIONS: [Served; 2] = [
    Served { name: "v1", fields: Version::V1, is_deprecated: false },
    Served { name: "v2beta1", fields: Version::V2, is_deprecated: false },
];

static POLICY_COLUMNS: [Column; 10] = [
    column("ADMISSION", "boolean", ".spec.admission"),
    column("BACKGROUND", "boolean", ".spec.background"),
    column("READY", "string", ".status.conditions[?(@.type == \"Ready\")].status"),
    column("AGE", "date", ".metadata.creationTimestamp"),
    column("FAILURE POLICY", "string", ".spec.failurePolicy").wide(),
    column("VALIDATE", "integer", ".status.rulecount.validate").wide(),
    column("MUTATE", "integer", ".status.rulecount.mutate").wide(),
    column("GENERATE", "integer", ".status.rulecount.generate").wide(),
    column("VERIFY IMAGES", "integer", ".status.rulecount.verifyimages").wide(),
    column("MESSAGE", "string", ".status.conditions[?(@.type == \"Ready\")].message"),
];

const fn column(name: &'static str, of: &'static str, path: &'static str) -> Column {
    Column { name, of, path, is_wide: false }
}

impl Column {
    const fn wide(self) -> Column {
        Column { is_wide: true, ..self }
    }

    fn write<'a>(&self, arena: &'a Arena) -> Value<'a> {
        let mut entries =
            vec![("name", self.name.into()), ("type", self.of.into()), ("jsonPath", self.path.into())];
        if self.is_wide {
            entries.push(("priority", 1.into()));
        }
        arena.object(&mut entries)
    }
}

impl Definition {
    fn write<'a>(&self, arena: &'a Arena) -> Value<'a> {
        let object = |mut entries: Vec<(&'a str, Value<'a>)>| arena.object(&mut entries);
        let versions: Vec<_> = self
            .versions
            .iter()
            .enumerate()
            .map(|(index, served)| self.version(served, index == 0, arena))
            .collect();
        let names = object(vec![
            ("kind", self.kind.into()),
            ("listKind", self.list_kind.into()),
            ("singular", self.singular.into()),
            ("plural", self.plural.into()),
            ("shortNames", arena.array(&[self.short_name.into()])),
            ("categories", arena.array(&["kyverno".into()])),
        ]);
        object(vec![
            ("apiVersion", "apiextensions.k8s.io/v1".into()),
            ("kind", "CustomResourceDefinition".into()),
            (
                "metadata",
                object(vec![
                    ("annotations", object(vec![(KEEP.0, KEEP.1.into())])),
                    ("labels", object(vec![(CRD_LABEL.0, CRD_LABEL.1.into())])),
                    ("name", arena.format(format_args!("{}.{GROUP}", self.plural)).into()),
                ]),
            ),
            (
                "spec",
                object(vec![
                    ("group", GROUP.into()),
                    ("names", names),
                    ("scope", if self.is_namespaced { "Namespaced" } else { "Cluster" }.into()),
                    ("versions", arena.array(&versions)),
                ]),
            ),
        ])
    }

    fn version<'a>(&self, served: &Served, is_stored: bool, arena: &'a Arena) -> Value<'a> {
        let schema = openapi::document(arena, self.doc, self.fields, served.fields);
        let mut entries = vec![
            ("name", served.name.into()),
            ("served", true.into()),
            ("storage", is_stored.into()),
            ("schema", arena.object(&mut vec![("openAPIV3Schema", schema)])),
        ];
        if served.is_deprecated {
            entries.push(("deprecated", true.into()));
        }
        if self.has_status {
            let status = arena.object(&mut vec![("status", arena.object(&mut Vec::new()))]);
            entries.push(("subresources", status));
        }
        if !self.columns.is_empty() {
            let columns: Vec<_> = self.columns.iter().map(|column| column.write(arena)).collect();
            entries.push(("additionalPrinterColumns", arena.array(&columns)));
        }
        arena.object(&mut entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_version_is_stored_and_all_are_served() {
        let arena = Arena::new();
        for crd in crds(&arena) {
            let versions = crd.path(&["spec", "versions"]).and_then(Value::as_array).unwrap();
            let stored = versions.iter().filter(|version| version.get("storage") == Some(true.into()));
            assert_eq!(stored.count(), 1, "{crd}");
            assert!(versions.iter().all(|version| version.get("served") == Some(true.into())));
        }
    }

    #[test]
    fn a_default_is_told_and_not_given() {
        let arena = Arena::new();
        let admission = crds(&arena)[0]
            .path(&["spec", "versions"])
            .and_then(|versions| versions.at(0))
            .and_then(|version| {
                version.path(&["schema", "openAPIV3Schema", "properties", "spec", "properties", "admission"])
            })
            .unwrap();
        assert_eq!(
            admission.to_string(),
            r#"{"description":"Whether the rules are applied to requests. Defaults to `true`.","type":"boolean"}"#
        );
    }
}
