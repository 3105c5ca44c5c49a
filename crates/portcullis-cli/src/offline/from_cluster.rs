//! Resources from a cluster: of the kinds that policies are about, read page by page and kept in files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use anyhow::Context as _;
use clap::Args;
use portcullis_cluster::discovery::{Discovery, ServedResource};
use portcullis_cluster::{Answer, ApiError, Asked, Connection, Extent, ListQuery, continues};
use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, KindSelector, Resource};
use portcullis_value::{Arena, OwnedValue, Value, json};
use tempfile::SpooledTempFile;

use super::inputs::Inputs;
use super::known::Known;
use crate::cluster::{ClusterArguments, Reach};
use crate::diagnostics::warning;
use crate::exit::{cannot, hinted};
use crate::files;
use crate::surroundings::{Stream, Surroundings};

/// How often a list is begun anew because the API server has forgotten its beginning.
const ATTEMPTS: u32 = 5;

/// What a cluster holds for a run.
pub(crate) struct FromCluster {
    /// One input for each kind.
    pub(crate) inputs: Inputs,
    /// The labels of namespaces.
    pub(crate) namespaces: BTreeMap<String, OwnedValue>,
}

/// Which resources of which cluster.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct ClusterResources {
    /// Take the resources that are in a cluster, of the kinds that the policies are about; `--resource` picks some by name
    #[arg(short, long)]
    pub(crate) cluster: bool,

    #[command(flatten)]
    pub(crate) access: ClusterArguments,

    /// With --cluster: those of this namespace alone
    #[arg(short, long, value_name = "NAME", requires = "cluster")]
    namespace: Option<String>,

    /// With --cluster: also those that live outside of namespaces
    #[arg(long, requires = "cluster")]
    cluster_wide_resources: bool,

    /// With --cluster: how many resources are asked for at a time
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 100,
        requires = "cluster",
        value_parser = clap::value_parser!(u32).range(1..=10_000)
    )]
    batch_size: u32,
}

impl ClusterResources {
    /// Refuses what has no meaning with `--cluster`.
    pub(crate) fn check(&self, resources: &[String], known: &Known) -> anyhow::Result<()> {
        if resources.iter().any(|name| name == "-") {
            anyhow::bail!("`--resource -` names no resource of a cluster");
        }
        if known.exceptions_within_resources {
            anyhow::bail!("exceptions are not looked for among the resources of a cluster");
        }
        Ok(())
    }

    /// Reads what `policies` are about, and of that what `names` pick.
    ///
    /// # Errors
    /// The API server cannot be asked, or refuses to list one of the kinds.
    pub(crate) fn read(
        &self,
        reach: &Reach,
        policies: &[Policy],
        names: &[String],
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<FromCluster> {
        let connection = &reach.connection;
        reach.runtime.block_on(async {
            let discovery = connection.discovery().await;
            let discovery = discovery.map_err(|error| cannot("ask which kinds there are", &error))?;
            let namespaces = connection.namespace_labels().await;
            let namespaces = namespaces.map_err(|error| cannot("list namespaces", &error))?;
            let namespace = self.namespace.as_deref().filter(|namespace| !namespace.is_empty());
            if let Some(name) = namespace.filter(|name| !namespaces.contains_key(*name)) {
                // What is judged there would be nothing, and pass.
                return Err(hinted(
                    format!("the cluster has no namespace `{name}`"),
                    Some("`kubectl get namespaces` lists those that it has"),
                ));
            }
            for kind in not_served(policies, &discovery) {
                let message =
                    format!("the cluster serves no kind `{kind}`, which policies are about: none is judged");
                warning(&mut surroundings.stderr, &message);
            }
            let mut lister = Lister {
                connection,
                namespace,
                page: self.batch_size,
                picked: picked(names),
                found: BTreeSet::new(),
                read: 0,
                progress: &mut surroundings.stderr,
            };
            let mut inputs = Inputs::default();
            for served in kinds(policies, &discovery) {
                if !served.namespaced && !self.cluster_wide_resources {
                    continue;
                }
                if let Some(spooled) = lister.list(served).await? {
                    inputs.add_spooled(&served.name(), spooled);
                }
            }
            lister.clear();
            let found = lister.found;
            for name in names.iter().filter(|name| picked(&[(*name).clone()]).is_disjoint(&found)) {
                let message = format!("no resource of the kinds that policies are about is named `{name}`");
                warning(&mut surroundings.stderr, &message);
            }
            Ok(FromCluster { inputs, namespaces })
        })
    }
}

/// The kinds that `policies` are about, each once: of several versions of a resource the most stable one.
fn kinds<'d>(policies: &[Policy], discovery: &'d Discovery) -> Vec<&'d ServedResource> {
    let selectors: Vec<_> = selectors(policies).collect();
    discovery.preferred(|gvk| selectors.iter().any(|kind| kind.matches(gvk, "", false)))
}

/// The kinds that `policies` name and the cluster does not serve, as they are written.
fn not_served<'p>(policies: &'p [Policy], discovery: &Discovery) -> BTreeSet<&'p str> {
    let served = discovery.resources();
    let is_missing = |kind: &&KindSelector| {
        !served.iter().any(|served| kind.matches(served.gvk(), &served.subresource, false))
    };
    selectors(policies).filter(is_missing).map(|kind| &*kind.written).collect()
}

fn selectors(policies: &[Policy]) -> impl Iterator<Item = &KindSelector> {
    let profiles = policies.iter().map(|policy| policy.profile());
    profiles.flat_map(|profile| profile.mutates.iter().chain(&*profile.validates)).map(|target| &target.kind)
}

/// The names of resources that were picked; none where all are wanted.
///
/// COMPAT(kyverno): a path of a file stands for the resource of its name, with or without its extension.
fn picked(paths: &[String]) -> BTreeSet<String> {
    let stem = |path: &String| Path::new(path).file_stem()?.to_str().map(str::to_owned);
    let file = |path: &String| Path::new(path).file_name()?.to_str().map(str::to_owned);
    paths.iter().flat_map(|path| [stem(path), file(path)]).flatten().collect()
}

/// Lists resources, and says how many it has read.
struct Lister<'l, 's> {
    connection: &'l Connection,
    /// `None` for all.
    namespace: Option<&'l str>,
    page: u32,
    picked: BTreeSet<String>,
    /// The names of what was picked and is there.
    found: BTreeSet<String>,
    read: usize,
    progress: &'l mut Stream<'s>,
}

impl Lister<'_, '_> {
    /// The resources of a kind as documents; nothing where the kind cannot be listed, as reviews cannot.
    async fn list(&mut self, served: &ServedResource) -> anyhow::Result<Option<SpooledTempFile>> {
        let mut attempt = 1;
        loop {
            let mut spooled = files::spool(&mut std::io::empty())?;
            let error = match self.pages(served, &mut spooled).await {
                Ok(()) => return Ok(Some(spooled)),
                Err(error) => error,
            };
            match error.downcast_ref::<ApiError>() {
                // A part is never taken for the whole.
                Some(ApiError::Expired { .. }) if attempt < ATTEMPTS => attempt += 1,
                Some(ApiError::NotFound { .. } | ApiError::Refused { code: 405, .. }) => return Ok(None),
                Some(error) => return Err(cannot(&format!("list {}", served.name()), error)),
                None => return Err(error),
            }
        }
    }

    async fn pages(&mut self, served: &ServedResource, spooled: &mut SpooledTempFile) -> anyhow::Result<()> {
        let (connection, resource, path) = (self.connection, served.name(), served.path(self.namespace));
        let listed = ListQuery { limit: self.page, ..ListQuery::all(&resource, &path, Extent::Whole) };
        let read = |answer: Answer| -> anyhow::Result<_> {
            let arena = Arena::new();
            let list = answer.document(&arena, Asked { verb: "list", resource: resource.clone() })?;
            for item in list.get("items").and_then(Value::as_array).unwrap_or_default() {
                self.keep(&arena, served, *item, spooled)?;
            }
            self.tell();
            Ok(continues(list))
        };
        connection.pages(&listed, read).await
    }

    /// Writes an item as a document of its own.
    fn keep<'a>(
        &mut self,
        arena: &'a Arena,
        served: &ServedResource,
        item: Value<'a>,
        spooled: &mut SpooledTempFile,
    ) -> anyhow::Result<()> {
        let name = Resource(item).name();
        if !self.picked.is_empty() {
            if !self.picked.contains(name) {
                return Ok(());
            }
            self.found.insert(name.to_owned());
        }
        let document = json::Writer::compact().to_string(served.item(arena, item));
        writeln!(spooled, "---\n{document}")
            .context("cannot keep what the cluster holds in a temporary file")?;
        self.read += 1;
        Ok(())
    }

    fn tell(&mut self) {
        if self.progress.width.is_some() {
            // Progress that cannot be shown is no reason to stop.
            let _ = write!(self.progress, "\r\x1b[Kread {} resources", self.read);
            let _ = self.progress.flush();
        }
    }

    fn clear(&mut self) {
        if self.progress.width.is_some() {
            let _ = write!(self.progress, "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_picks_the_resource_of_its_name() {
        let picked = picked(&["jobs/pi.yaml".to_owned(), "web".to_owned(), "v1.2".to_owned()]);
        assert_eq!(
            picked.iter().map(String::as_str).collect::<Vec<_>>(),
            ["pi", "pi.yaml", "v1", "v1.2", "web"]
        );
    }
}
