//! `uninstall`: from whatever is there, in whatever state, to nothing that calls or is called.

use std::fmt::Debug;
use std::io::Write as _;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim, Pod, Secret};
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, NamespaceResourceScope};
use kube::runtime::wait::{Condition, conditions};
use kube::{Api, Resource, ResourceExt as _};
use portcullis_cli::{Surroundings, UninstallArguments, hinted};
use serde::de::DeserializeOwned;

use super::definitions::is_ours;
use super::objects::{Choices, Objects, definitions, kind, objects, title};
use super::{NAME, Site, at, if_there};
use crate::serve::{LEASES, SECRET};

/// How many objects are listed at a time.
const PAGE: u32 = 500;

/// Runs the command.
pub(crate) fn uninstall(
    arguments: &UninstallArguments,
    surroundings: &mut Surroundings<'_>,
) -> anyhow::Result<()> {
    let namespace = &arguments.namespace.namespace;
    at(&arguments.cluster, namespace, arguments.timeout, async |site| {
        if let Some(other) = site.elsewhere().await? {
            let message =
                format!("portcullis is not installed in the namespace `{namespace}` but in `{other}`");
            return Err(hinted(
                message,
                Some(format!("`portcullis uninstall --namespace {other}` removes it")),
            ));
        }
        if arguments.delete_policies
            && let Some(kyverno) = site.kyverno().await?
        {
            let message = "Kyverno serves this cluster: the policies are its own as well".to_owned();
            let called = kyverno.configurations.join("`, `");
            return Err(hinted(
                message,
                Some(format!("leave out `--delete-policies`; Kyverno is called by `{called}`")),
            ));
        }
        let Objects { chosen, left_out } = objects(&Choices::in_namespace(namespace))?;
        let release = site.release(&chosen).await?;
        // Without this binding a replica that still runs cannot put back what is removed next, so that at no time is
        // somebody called who is not there.
        let binding = if_there(site.all::<ClusterRoleBinding>().delete(NAME, &DeleteParams::default()).await);
        let binding =
            binding.map_err(|error| site.told("delete", "clusterrolebinding/portcullis", &error))?;
        let mut removed = usize::from(binding.is_some());
        removed += site.remove_configurations(surroundings).await?;
        let (workload, others): (Vec<_>, Vec<_>) =
            chosen.into_iter().chain(left_out).partition(|object| kind(object) == "Deployment");
        for deployment in &workload {
            removed += site.remove_and_tell(deployment, surroundings).await?;
        }
        site.until_gone(surroundings).await?;
        removed += site.remove_configurations(surroundings).await?;
        if arguments.delete_policies {
            removed += site.delete_policies(surroundings).await?;
        }
        removed += site.remove_what_it_made().await?;
        for object in others.iter().filter(|object| kind(object) != "Namespace") {
            removed += site.remove_and_tell(object, surroundings).await?;
        }
        removed += site.remove_namespace(surroundings).await?;
        if removed == 0 {
            writeln!(surroundings.stdout, "nothing to remove: portcullis is not installed")?;
        } else if !arguments.delete_policies {
            writeln!(surroundings.stdout, "policies, exceptions and their definitions stay")?;
        }
        // What Helm has noted of it goes with the namespace, where that goes.
        if let Some(release) = release
            && site.own_namespace().await?.is_some()
        {
            let left = format!(
                "Helm still lists the release `{release}`: `helm uninstall {release} --namespace {namespace}` ends that"
            );
            writeln!(surroundings.stdout, "{left}")?;
        }
        Ok(())
    })
}

impl Site {
    /// Waits until the Deployment is gone, which is when its Pods are.
    async fn until_gone(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        self.until_stopped(surroundings).await?;
        let is_gone = |deployment: Option<&Deployment>| deployment.is_none();
        self.until(self.namespaced(), NAME, is_gone, "deployment/portcullis").await
    }

    /// Waits until `gone` holds of the object `name`, which people call `title`.
    async fn until<K>(
        &self,
        api: Api<K>,
        name: &str,
        gone: impl Condition<K>,
        title: &str,
    ) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        if self.comes_true(api, name, gone).await? {
            return Ok(());
        }
        Err(hinted(
            format!("{title} is still there after {} s", self.patience.as_secs()),
            Some("`kubectl get -o yaml` says what keeps it; `portcullis uninstall` goes on from here"),
        ))
    }

    /// What Portcullis itself has written in its namespace, and the configuration of it.
    async fn remove_what_it_made(&self) -> anyhow::Result<usize> {
        let none = DeleteParams::default();
        let secret = if_there(self.namespaced::<Secret>().delete(SECRET, &none).await).map(|it| it.is_some());
        let map = if_there(self.namespaced::<ConfigMap>().delete(NAME, &none).await).map(|it| it.is_some());
        let mut found = vec![("the certificate", secret), ("the configuration", map)];
        for name in LEASES {
            let lease = if_there(self.namespaced::<Lease>().delete(name, &none).await);
            found.push(("the leases", lease.map(|it| it.is_some())));
        }
        let mut removed = 0;
        for (what, found) in found {
            removed += usize::from(found.map_err(|error| self.told("delete", what, &error))?);
        }
        Ok(removed)
    }

    /// Removes policies and exceptions after saying how many there are, and the definitions that are ours.
    async fn delete_policies(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<usize> {
        let mut removed = 0;
        for wanted in definitions()? {
            let Some(found) = self.definition(&wanted).await? else { continue };
            let kind = &found.spec.names.plural;
            let objects = self.custom_resources(&found).await?;
            writeln!(surroundings.stdout, "{} {kind} to remove", objects.len())?;
            surroundings.stdout.flush()?;
            for object in &objects {
                removed += usize::from(self.remove(object).await?);
            }
            writeln!(surroundings.stdout, "{} {kind} removed", objects.len())?;
            if !is_ours(&found) {
                writeln!(surroundings.stdout, "{} stays: somebody else has installed it", title(&wanted))?;
                continue;
            }
            removed += self.remove_and_tell(&wanted, surroundings).await?;
            let (name, uid) = (found.name_any(), found.uid().unwrap_or_default());
            let definitions = self.all::<CustomResourceDefinition>();
            self.until(definitions, &name, conditions::is_deleted(&uid), &title(&wanted)).await?;
        }
        Ok(removed)
    }

    /// The objects of a definition in the whole cluster, their metadata alone.
    async fn custom_resources(
        &self,
        definition: &CustomResourceDefinition,
    ) -> anyhow::Result<Vec<DynamicObject>> {
        let spec = &definition.spec;
        let version = spec.versions.iter().find(|version| version.served).map_or("", |version| &version.name);
        let kind = GroupVersionKind::gvk(&spec.group, version, &spec.names.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &spec.names.plural);
        let api: Api<DynamicObject> = Api::all_with(self.connection.background().clone(), &resource);
        let mut objects = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let listed = if_there(api.list_metadata(&page).await);
            let Some(list) = listed.map_err(|error| self.told("list", &spec.names.plural, &error))? else {
                break;
            };
            objects.extend(list.items.into_iter().map(|found| {
                let object = DynamicObject::new(&found.name_any(), &resource);
                match found.metadata.namespace {
                    Some(namespace) => object.within(&namespace),
                    None => object,
                }
            }));
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => break,
            }
        }
        Ok(objects)
    }

    /// Removes the namespace, if `install` has made it and nobody keeps policies or exceptions in it, and waits until it is
    /// gone, so that it can be made again.
    async fn remove_namespace(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<usize> {
        let namespaces = self.all::<Namespace>();
        let Some(found) = self.own_namespace().await? else { return Ok(0) };
        let title = format!("namespace/{}", self.namespace);
        if self.is_namespace_of_others().await? {
            writeln!(surroundings.stdout, "{title} stays: it was there before")?;
            return Ok(0);
        }
        let kept = self.kept_in_namespace().await?;
        if !kept.is_empty() {
            writeln!(surroundings.stdout, "{title} stays: it holds {}", kept.join(", "))?;
            return Ok(0);
        }
        let deleted = if_there(namespaces.delete(&self.namespace, &DeleteParams::default()).await);
        deleted.map_err(|error| self.told("delete", &title, &error))?;
        let uid = found.uid().unwrap_or_default();
        self.until(namespaces, &self.namespace, conditions::is_deleted(&uid), &title).await?;
        writeln!(surroundings.stdout, "{title} removed")?;
        Ok(1)
    }

    /// What people keep in the namespace and would lose with it: policies and exceptions, and what is theirs and runs or stores
    /// something there.
    async fn kept_in_namespace(&self) -> anyhow::Result<Vec<String>> {
        let mut policies = 0;
        for wanted in definitions()? {
            let Some(found) = self.definition(&wanted).await? else { continue };
            let objects = self.custom_resources(&found).await?;
            let is_inside =
                |object: &&DynamicObject| object.metadata.namespace.as_ref() == Some(&self.namespace);
            policies += objects.iter().filter(is_inside).count();
        }
        let pods = self.of_others::<Pod>().await?;
        let claims = self.of_others::<PersistentVolumeClaim>().await?;
        let found =
            [(policies, "policies or exceptions"), (pods, "Pods of others"), (claims, "volume claims")];
        let kept = found.into_iter().filter(|(number, _)| *number > 0);
        Ok(kept.map(|(number, what)| format!("{number} {what}")).collect())
    }

    /// How many objects of a kind there are in the namespace that are none of an installation.
    async fn of_others<K>(&self) -> anyhow::Result<usize>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
    {
        let theirs = ListParams::default().labels("app.kubernetes.io/name!=portcullis");
        let listed = self.namespaced::<K>().list_metadata(&theirs).await;
        Ok(listed.map_err(|error| self.told("list", &K::plural(&()), &error))?.items.len())
    }
}
