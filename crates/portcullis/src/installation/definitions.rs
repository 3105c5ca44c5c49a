//! The definitions of policies in a cluster that may have some already.

use std::io::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::DynamicObject;
use kube::runtime::conditions::is_crd_established;
use portcullis_cli::{Surroundings, hinted};
use portcullis_kyverno::CRD_LABEL;

use super::Site;
use super::objects::{definitions, title};

impl Site {
    /// Brings the definitions of policies to this version. Those of somebody else are left as they are.
    ///
    /// # Errors
    /// One of somebody else has no place for what Portcullis reads and writes.
    pub(super) async fn define_policies(&self, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        let definitions = definitions()?;
        let mut is_other = Vec::new();
        // All are looked at before one is written.
        for wanted in &definitions {
            let found = self.definition(wanted).await?;
            let other = found.filter(|found| !is_ours(found));
            if let Some(other) = &other {
                check(wanted, other)?;
            }
            is_other.push(other.is_some());
        }
        for (wanted, is_other) in definitions.iter().zip(is_other) {
            let title = title(wanted);
            if is_other {
                let left = "left as it is: somebody else has installed it, and it is compatible";
                writeln!(surroundings.stdout, "{title} {left}")?;
                continue;
            }
            self.apply_and_tell(wanted, surroundings).await?;
        }
        for wanted in &definitions {
            self.until_established(wanted).await?;
        }
        Ok(())
    }

    /// A definition as it is in the cluster.
    pub(super) async fn definition(
        &self,
        wanted: &DynamicObject,
    ) -> anyhow::Result<Option<CustomResourceDefinition>> {
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        let found = self.all::<CustomResourceDefinition>().get_opt(name).await;
        found.map_err(|error| self.told("get", &title(wanted), &error))
    }

    async fn until_established(&self, wanted: &DynamicObject) -> anyhow::Result<()> {
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        if self.comes_true(self.all(), name, is_crd_established()).await? {
            return Ok(());
        }
        Err(hinted(
            format!("the API server does not serve {} after {} s", title(wanted), self.patience.as_secs()),
            Some(format!("`kubectl describe crd {name}` says what is in the way")),
        ))
    }
}

/// Whether Portcullis has installed a definition.
pub(super) fn is_ours(definition: &CustomResourceDefinition) -> bool {
    let labels = definition.metadata.labels.iter().flatten();
    let (key, value) = CRD_LABEL;
    labels.into_iter().any(|(name, text)| name == key && text == value)
}

/// Checks that what we read and write has a place in a definition of somebody else: the kind in the same scope, the version
/// that we store served, and the status apart from the rest.
fn check(wanted: &DynamicObject, found: &CustomResourceDefinition) -> anyhow::Result<()> {
    let wanted: CustomResourceDefinition = wanted.clone().try_parse()?;
    let lacks = |what: String| {
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        let message =
            format!("the definition `{name}` in the cluster, which somebody else has installed, {what}");
        let hint = "`portcullis crds | kubectl apply --server-side --force-conflicts -f -` replaces it";
        Err(hinted(message, Some(hint)))
    };
    if found.spec.scope != wanted.spec.scope {
        return lacks(format!("is of scope `{}` and not `{}`", found.spec.scope, wanted.spec.scope));
    }
    let Some(needed) = wanted.spec.versions.iter().find(|version| version.storage) else { return Ok(()) };
    let Some(served) =
        found.spec.versions.iter().find(|version| version.name == needed.name && version.served)
    else {
        return lacks(format!("does not serve the version `{}`", needed.name));
    };
    let has_status = |subresources: &Option<_>| subresources.is_some();
    if has_status(&needed.subresources) && !has_status(&served.subresources) {
        return lacks("has no status that is written apart from the rest".to_owned());
    }
    Ok(())
}
