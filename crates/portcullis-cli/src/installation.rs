//! The arguments of the commands that put Portcullis into a cluster and take it out.

use clap::Args;
use portcullis_gocompat::image::Reference;

use crate::cluster::ClusterArguments;

/// The namespace that Portcullis is installed in.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct NamespaceArgument {
    /// The namespace of Portcullis
    #[arg(
        short,
        long,
        value_name = "NAME",
        env = "PORTCULLIS_NAMESPACE",
        default_value = "portcullis",
        value_parser = namespace_name
    )]
    pub namespace: String,
}

/// The name of a namespace: a label of RFC 1123.
pub(crate) fn namespace_name(text: &str) -> Result<String, String> {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=63).contains(&text.len())
        && text.bytes().all(is_inner)
        && !text.starts_with('-')
        && !text.ends_with('-');
    match is_name {
        true => Ok(text.to_owned()),
        false => {
            Err("a namespace has at most 63 lower case letters, digits and `-`, which stands inside"
                .to_owned())
        }
    }
}

/// The namespace of exceptions, or `*` for all.
pub(crate) fn exception_namespace(text: &str) -> Result<String, String> {
    if text == "*" { Ok(text.to_owned()) } else { namespace_name(text) }
}

/// An image as a kubelet pulls it.
fn image(text: &str) -> Result<String, String> {
    let form = "an image is `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:DIGEST`, with NAME in lower case";
    let reference = Reference::parse(text).map_err(|_| form.to_owned())?;
    // Without either it is `latest`, which is one image today on this node and another one tomorrow on the next.
    if reference.digest.is_empty() && !text.ends_with(&format!(":{}", reference.tag)) {
        return Err("it names no version: add `:TAG` or `@sha256:DIGEST`".to_owned());
    }
    Ok(text.to_owned())
}

/// Install Portcullis in a cluster, or bring what is installed to this version.
///
/// What is there already is changed where it differs, and definitions of policies that somebody else has installed are
/// left as they are. Waits until the Pods are ready. The Helm chart gives the same objects and has more to choose from.
#[derive(Clone, Debug, Args)]
#[command(after_help = INSTALL_EXAMPLES)]
pub struct InstallArguments {
    #[command(flatten)]
    pub cluster: ClusterArguments,

    #[command(flatten)]
    pub namespace: NamespaceArgument,

    /// Print the objects as YAML, and ask no cluster
    #[arg(long, conflicts_with_all = ["take_over", "kubeconfig", "context"])]
    pub print: bool,

    /// How many Pods answer
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..))]
    pub replicas: Option<u16>,

    /// The image to run, as `REGISTRY/NAME:TAG` or `REGISTRY/NAME@sha256:DIGEST`
    #[arg(long, value_name = "IMAGE", value_parser = image)]
    pub image: Option<String>,

    /// The namespace whose PolicyExceptions count, `*` for all of them; without it none does
    #[arg(long, value_name = "NAME", value_parser = exception_namespace)]
    pub exception_namespace: Option<String>,

    /// Take the failure policy of every policy for Ignore: everything is admitted while nobody answers
    #[arg(long)]
    pub force_failure_policy_ignore: bool,

    /// Beside a Kyverno that serves: register no webhook and write no status
    #[arg(long, conflicts_with = "take_over")]
    pub beside_kyverno: bool,

    /// Set the TTL of finished Jobs as JobRetentions say, which takes the right to write to Jobs
    #[arg(long)]
    pub retention: bool,

    /// In the place of a Kyverno that serves: its Deployments are scaled to 0 once Portcullis is ready
    #[arg(long)]
    pub take_over: bool,

    /// How long the Pods may take to become ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub timeout: u64,
}

const INSTALL_EXAMPLES: &str = "\
Examples:
  Install, with two replicas:
      portcullis install

  Read first what is installed:
      portcullis install --print | less

  Into a k3d cluster that has imported the image:
      portcullis install --replicas 1

Exit code: 0 when all Pods are ready, 1 when the cluster refuses or they are not ready in time.";

const UNINSTALLED: &str = "\
Exit code: 0 when nothing is left to remove, 1 when the cluster refuses or Pods do not go in time.";

const DISARMED: &str = "\
Exit code: 0 when nothing calls Portcullis any more, 1 when the cluster refuses or Pods do not go in time.";

const REARMED: &str = "\
Exit code: 0 when all Pods are ready, 1 when the cluster refuses or they are not ready in time.";

/// Remove Portcullis from a cluster.
///
/// First what calls it goes, then everything else. Definitions of policies stay, and so do policies and exceptions. What an
/// interrupted removal has left goes with the next one.
#[derive(Clone, Debug, Args)]
#[command(after_help = UNINSTALLED)]
pub struct UninstallArguments {
    #[command(flatten)]
    pub cluster: ClusterArguments,

    #[command(flatten)]
    pub namespace: NamespaceArgument,

    /// Remove policies and exceptions as well, and their definitions unless somebody else has installed them
    #[arg(long)]
    pub delete_policies: bool,

    /// How long Pods and namespace may take to go, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub timeout: u64,
}

/// Remove the webhook configurations of Portcullis, and stop it: nothing calls it any more.
///
/// For an emergency, and for what a crash of `serve --external-url` left. All configurations that have the label
/// `app.kubernetes.io/managed-by=portcullis` are removed and named. An installation in the cluster is scaled to 0, until
/// `portcullis rearm`. Policies stay. A `serve` outside of the cluster puts its configurations back within seconds: end it
/// first.
#[derive(Clone, Debug, Args)]
#[command(after_help = DISARMED)]
pub struct DisarmArguments {
    #[command(flatten)]
    pub cluster: ClusterArguments,

    #[command(flatten)]
    pub namespace: NamespaceArgument,

    /// How long the Pods may take to go, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub timeout: u64,
}

/// Start Portcullis again after `portcullis disarm`.
#[derive(Clone, Debug, Args)]
#[command(after_help = REARMED)]
pub struct RearmArguments {
    #[command(flatten)]
    pub cluster: ClusterArguments,

    #[command(flatten)]
    pub namespace: NamespaceArgument,

    /// How long the Pods may take to become ready, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub timeout: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_one_that_a_kubelet_would_pull_and_names_a_version() {
        let digest = "sha256:0123456789012345678901234567890123456789012345678901234567890123";
        for text in [
            "ghcr.io/portcullis-policy/portcullis:0.1.0",
            "localhost:5000/p:dev",
            &format!("a/b@{digest}"),
            &format!("a/b:1@{digest}"),
            "p:latest",
        ] {
            assert_eq!(image(text).as_deref(), Ok(text));
        }
        for text in ["garbage@", "", "a/B:1", "a//b:1", "a:1:2", "a:1 ", "a@sha256:00", "https://a/b:1"] {
            assert!(image(text).unwrap_err().starts_with("an image is "), "{text}");
        }
        for text in ["portcullis", "localhost:5000/p", "ghcr.io/latest"] {
            assert!(image(text).unwrap_err().contains("it names no version"), "{text}");
        }
    }
}
