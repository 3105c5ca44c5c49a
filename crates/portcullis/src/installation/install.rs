//! `install`.

use std::io::Write as _;

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt as _;
use portcullis_cli::{InstallArguments, Surroundings, hinted};
use portcullis_value::{Arena, json};

use super::objects::{Choices, Objects, definitions, kind, objects, title};
use super::{NAME, Site, at};

/// Runs the command.
pub(crate) fn install(
    arguments: &InstallArguments,
    surroundings: &mut Surroundings<'_>,
) -> anyhow::Result<()> {
    let choices = Choices::from(arguments);
    if arguments.print {
        return print(&choices, surroundings);
    }
    at(&arguments.cluster, &choices.namespace, arguments.timeout, async |site| {
        site.refuse_release(&choices).await?;
        site.refuse_end_of_namespace().await?;
        if let Some(namespace) = site.elsewhere().await? {
            let message = format!("portcullis is installed in the namespace `{namespace}`");
            let hint =
                format!("`--namespace {namespace}` brings that to this version; there is one in a cluster");
            return Err(hinted(message, Some(hint)));
        }
        let kyverno = site.kyverno().await?;
        if let Some(kyverno) = &kyverno
            && !(arguments.beside_kyverno || arguments.take_over)
        {
            return Err(kyverno.in_the_way());
        }
        site.define_policies(surroundings).await?;
        site.apply_all(&choices, surroundings).await?;
        if !choices.beside_kyverno && !arguments.take_over {
            site.warn_of_guards(surroundings).await?;
        }
        site.until_ready(surroundings).await?;
        if let Some(kyverno) = kyverno.filter(|_| arguments.take_over) {
            site.take_over(&kyverno, surroundings).await?;
        }
        conclude(&choices, surroundings)
    })
}

/// Prints what would be applied, the definitions included.
fn print(choices: &Choices, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    let objects = definitions()?.into_iter().chain(objects(choices)?.chosen);
    for object in objects {
        let arena = Arena::new();
        let text = serde_json::to_string(&object)?;
        let document = portcullis_yaml::to_string(json::read(&arena, &text)?);
        write!(surroundings.stdout, "---\n{document}")?;
    }
    Ok(())
}

fn conclude(choices: &Choices, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
    if choices.beside_kyverno {
        let beside = "portcullis runs beside Kyverno: nothing calls it, and it writes no status; it judges and counts \
            what is in the cluster";
        writeln!(surroundings.stdout, "{beside}")?;
    } else if choices.ignore_failures {
        let open =
            "portcullis serves; no policy fails closed: while it does not answer, everything is admitted";
        writeln!(surroundings.stdout, "{open}")?;
    } else {
        let closed = "portcullis serves; policies fail closed unless they say `failurePolicy: Ignore`: while it does not \
            answer, what they concern is refused (`portcullis disarm` takes it out of the way)";
        writeln!(surroundings.stdout, "{closed}")?;
    }
    Ok(())
}

impl Site {
    /// Refuses to change what a Helm release holds: the next `helm upgrade` would undo it.
    async fn refuse_release(&self, choices: &Choices) -> anyhow::Result<()> {
        match self.release(&objects(choices)?.chosen).await? {
            None => Ok(()),
            Some(release) => Err(hinted(
                format!("portcullis is installed by the Helm release `{release}`"),
                Some(format!("`helm -n {} upgrade {release}` brings it to another version", self.namespace)),
            )),
        }
    }

    /// Refuses to begin in a namespace in which nothing can be made any more.
    async fn refuse_end_of_namespace(&self) -> anyhow::Result<()> {
        let namespace = self.own_namespace().await?;
        if namespace.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_none()) {
            return Ok(());
        }
        let name = &self.namespace;
        Err(hinted(
            format!("the namespace `{name}` is being deleted"),
            Some(format!("`kubectl wait --for=delete namespace/{name}`, then install again")),
        ))
    }

    async fn apply_all(&self, choices: &Choices, surroundings: &mut Surroundings<'_>) -> anyhow::Result<()> {
        let Objects { chosen, left_out } = objects(choices)?;
        for object in chosen {
            if kind(&object) == "Namespace" && self.is_namespace_of_others().await? {
                let left = "left as it is: it was there before";
                writeln!(surroundings.stdout, "{} {left}", title(&object))?;
                continue;
            }
            self.apply_and_tell(&object, surroundings).await?;
        }
        for object in &left_out {
            self.remove_and_tell(object, surroundings).await?;
        }
        Ok(())
    }

    /// Whether the namespace is there and somebody else has made it. Then it stays when Portcullis goes.
    pub(super) async fn is_namespace_of_others(&self) -> anyhow::Result<bool> {
        let is_ours = |namespace: &Namespace| {
            namespace.labels().get("app.kubernetes.io/name").is_some_and(|name| name == NAME)
        };
        Ok(self.own_namespace().await?.is_some_and(|namespace| !is_ours(&namespace)))
    }
}
