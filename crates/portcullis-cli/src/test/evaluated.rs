//! What the policies of a test said of its resources.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use portcullis_engine::Response;
use portcullis_model::{CompiledPolicy, Operation, Resource};
use portcullis_value::{Arena, OwnedValue, Value};

use super::file::{GlobalEntry, Test};
use crate::diagnostics;
use crate::offline::documents;
use crate::offline::exceptions::{self, Files};
use crate::offline::facts::{Facts, Reach};
use crate::offline::global_context::GlobalContext;
use crate::offline::host::{Circumstances, ResourceHost};
use crate::offline::inputs::Inputs;
use crate::offline::policies::{Fault, Policies};
use crate::offline::resources::{self, Scopes};
use crate::offline::user::UserInfo;
use crate::offline::values::{self, Values};
use crate::surroundings::Surroundings;

/// What a test gives, loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) policies: Policies,
    pub(crate) scopes: Scopes,
    resources: Vec<OwnedValue>,
    circumstances: Circumstances,
}

/// A resource and what was said of it.
#[derive(Debug)]
pub(crate) struct Evaluated<'a> {
    pub(crate) resource: Resource<'a>,
    pub(crate) operation: Option<Operation>,
    pub(crate) responses: Vec<Response<'a>>,
}

impl Loaded {
    /// Loads what `test` names. Mistakes are told.
    ///
    /// # Errors
    /// Something cannot be used: what the test would show is not what its author meant.
    pub(crate) fn load(test: &Test, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        let mut values = match (&test.values, &test.values_file) {
            (Some(values), _) => values.clone(),
            (None, Some(path)) => Values::read(path, surroundings)?,
            (None, None) => Values::default(),
        };
        let user = test.user_info.as_deref();
        let user = user.map(|path| UserInfo::read_of_test(path, surroundings)).transpose()?;
        let user = user.and_then(UserInfo::known);
        let mut policies = Policies::load_alone(&test.policies, surroundings);
        policies.except(&exceptions::read(&test.exceptions, Files::OfExceptions, surroundings)?);
        // COMPAT(kyverno): others of a wrong form are told of, and no policy has their name.
        let is_unusable = |fault| matches!(fault, Fault::UnknownField | Fault::NotYet);
        let unusable = policies.left_out.iter().filter(|policy| is_unusable(policy.fault)).count();
        match policies.errors + unusable {
            0 => {}
            1 => bail!("one policy cannot be used"),
            count => bail!("{count} policies cannot be used"),
        }

        if let Some(entry) = test.entries.iter().find(|entry| entry.has_field_path) {
            bail!("`fieldPath` of the global context entry `{}` is not read yet", entry.name);
        }
        let cluster = Cluster::read(&test.cluster_resources, Path::new(&test.path), surroundings);
        let (scopes, scope_errors) = Scopes::read(&cluster.definitions, surroundings);
        let (read, resource_errors) = read_resources(&test.resources, &scopes, surroundings);
        let (targets, target_errors) = read_resources(&test.targets, &scopes, surroundings);
        let mut sources: Vec<_> = test.rows.iter().filter_map(|row| row.clone_source.clone()).collect();
        sources.sort_unstable();
        sources.dedup();
        let (clone_sources, source_errors) = read_paths(&sources, &scopes, surroundings);
        let mut entries = BTreeMap::new();
        let mut entry_errors = 0;
        for entry in &test.entries {
            let (content, told) = content(entry, &scopes, surroundings);
            entry_errors += told;
            let known = GlobalContext { content, projections: entry.projections.clone() };
            for (projection, _) in &*known.projections {
                known.read(Some(projection)).map_err(|reason| anyhow!("{reason}, of `{}`", entry.name))?;
            }
            entries.insert(entry.name.clone(), known);
        }
        let errors = cluster.errors + scope_errors + resource_errors;
        if errors + target_errors + source_errors + entry_errors > 0 {
            bail!("not all resources could be read");
        }
        let resources = without_doubles(read, surroundings);

        let reach = if test.cluster_resources.is_empty() { Reach::Nothing } else { Reach::Cluster };
        let known = match reach {
            Reach::Cluster => resources.iter().cloned().chain(targets).chain(cluster.resources).collect(),
            _ => targets,
        };
        if reach == Reach::Cluster {
            values.add_namespaces(values::namespaces(&known));
            check_namespaces(&resources, &values)?;
        }
        let mut facts = Facts::new(reach, known, test.calls.clone(), entries);
        facts.clone_sources = clone_sources;
        let circumstances = Circumstances {
            values,
            user,
            facts,
            now: surroundings.now,
            seed: surroundings.seed,
            ..Circumstances::default()
        };
        Ok(Self { policies, scopes, resources, circumstances })
    }

    /// How many resources there are.
    pub(crate) fn resources(&self) -> usize {
        self.resources.len()
    }

    /// Evaluates all policies on all resources, once for each of `operations`.
    pub(crate) fn evaluate<'a>(
        &'a self,
        operations: &[Option<Operation>],
        arena: &'a Arena,
    ) -> Vec<Evaluated<'a>> {
        let policies: Vec<_> =
            self.policies.policies.iter().map(|policy| policy as &dyn CompiledPolicy).collect();
        let mut evaluated = Vec::new();
        for operation in operations {
            for resource in &self.resources {
                let resource = resource.borrow(arena);
                let host = ResourceHost::new(&self.circumstances, arena, resource, *operation);
                let judgement = portcullis_engine::judge(&policies, Some(resource), arena, &host);
                evaluated.push(Evaluated {
                    resource: Resource(resource),
                    operation: *operation,
                    responses: judgement.responses,
                });
            }
        }
        evaluated
    }
}

/// Looks for the namespace of each of `resources` in what stands for a cluster and what the values say.
///
/// # Errors
/// One is in neither.
fn check_namespaces(resources: &[OwnedValue], values: &Values) -> anyhow::Result<()> {
    let arena = Arena::new();
    let lives_nowhere = |resource: &Resource<'_>| {
        let namespace = resource.namespace();
        !namespace.is_empty() && !values.has_namespace(namespace)
    };
    match resources.iter().map(|resource| Resource(resource.borrow(&arena))).find(lives_nowhere) {
        None => Ok(()),
        Some(homeless) => {
            let (key, namespace) = (homeless.key(), homeless.namespace());
            bail!(
                "there is no namespace `{namespace}` for {key}: name it in `clusterResources` or in the values"
            )
        }
    }
}

/// The first of those that are of one group, kind, namespace and name.
fn without_doubles(resources: Vec<OwnedValue>, surroundings: &mut Surroundings<'_>) -> Vec<OwnedValue> {
    let arena = Arena::new();
    let identity = |resource: &OwnedValue| {
        let scratch = Arena::new();
        let resource = Resource(resource.borrow(&scratch));
        let text = |text: &str| arena.str(text);
        (text(resource.gvk().group), text(resource.kind()), text(resource.namespace()), text(resource.name()))
    };
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for resource in resources {
        let identity = identity(&resource);
        if seen.contains(&identity) {
            let (_, kind, namespace, name) = identity;
            let message =
                format!("found duplicated resource {kind} {name} {namespace}: the first one counts");
            diagnostics::warning(&mut surroundings.stderr, &message);
        } else {
            seen.insert(identity);
            kept.push(resource);
        }
    }
    kept
}

/// The resources that are judged or changed, and how many errors were told that end the test.
///
/// COMPAT(kyverno): of the paths that cannot be read only the first ends it; others are told of and passed over.
fn read_resources(
    paths: &[String],
    scopes: &Scopes,
    surroundings: &mut Surroundings<'_>,
) -> (Vec<OwnedValue>, usize) {
    let (first, others) = paths.split_at(paths.len().min(1));
    let mut inputs = Inputs::find(first, false, surroundings);
    inputs.inputs.extend(Inputs::find(others, false, surroundings).inputs);
    let (read, told) = resources::read_all(&mut inputs.inputs, scopes, &mut surroundings.stderr);
    (read, inputs.errors + told)
}

/// The resources in the files that `paths` name, and how many errors were told.
fn read_paths(
    paths: &[String],
    scopes: &Scopes,
    surroundings: &mut Surroundings<'_>,
) -> (Vec<OwnedValue>, usize) {
    let mut inputs = Inputs::find(paths, false, surroundings);
    let (read, told) = resources::read_all(&mut inputs.inputs, scopes, &mut surroundings.stderr);
    (read, inputs.errors + told)
}

/// The content of an entry of the global context, and how many errors were told.
fn content(entry: &GlobalEntry, scopes: &Scopes, surroundings: &mut Surroundings<'_>) -> (OwnedValue, usize) {
    if let Some(data) = &entry.data {
        return (data.clone(), 0);
    }
    let (resources, told) = read_paths(&entry.files, scopes, surroundings);
    (OwnedValue::Array(resources.into()), told)
}

/// The files of `clusterResources`.
#[derive(Debug, Default)]
struct Cluster {
    /// That of the test, where relative paths in them start.
    folder: PathBuf,
    /// Paths of custom resource definitions.
    definitions: Vec<String>,
    resources: Vec<OwnedValue>,
    errors: usize,
}

impl Cluster {
    /// Reads them for the test in the file at `test`.
    fn read(paths: &[String], test: &Path, surroundings: &mut Surroundings<'_>) -> Self {
        let folder = test.parent().unwrap_or(Path::new("")).to_owned();
        let mut cluster = Self { folder, ..Self::default() };
        let mut found = Inputs::find(paths, false, surroundings);
        cluster.errors = found.errors;
        let mut arena = Arena::new();
        for input in &mut found.inputs {
            let name = input.name.clone();
            let told = documents::each(input, &mut surroundings.stderr, |source, stderr| {
                arena.reset();
                let mut reporter = diagnostics::Reporter::new(&name, stderr);
                if let Some(document) = documents::read(&arena, source, &mut reporter) {
                    cluster.add(document);
                }
                Ok::<_, std::convert::Infallible>(reporter.errors())
            });
            cluster.errors += told.unwrap_or_default();
        }
        cluster
    }

    /// Takes a document of kind `ClusterResource`.
    fn add(&mut self, document: Value<'_>) {
        let list = |field| document.path(&["spec", field]).and_then(Value::as_array).unwrap_or_default();
        let paths = list("crds").iter().filter_map(|path| path.as_str());
        self.definitions.extend(paths.map(|path| self.folder.join(path).display().to_string()));
        self.resources.extend(list("resources").iter().copied().map(OwnedValue::from));
    }
}
