//! `cargo xtask controlplane`: Kubernetes' own programs, built from their Go modules.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::command::run as run_command;
use crate::{files, no_arguments, output};

pub(crate) const HELP: &str = "\
Builds etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl and kwok from the modules that
controlplane/go.mod pins, helm from those of controlplane/helm/go.mod, promql, which reads expressions by Prometheus' own
parser, from those of controlplane/promql/go.mod, and prints the folder that holds them on the last line of stdout. Needs `go`: from version 1.21 on it fetches the toolchain that go.mod asks for. The first time takes about
twelve minutes of two cores and 2.5 GB of memory; after that, Go's caches make it half a minute, and nothing is done while
nothing changed.";

/// What the one binary of the components is linked as.
const COMPONENTS: &[&str] =
    &["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl", "kwok"];

/// What is read of controlplane/; a change of one of these is a reason to build.
const SOURCES: &[&str] = &[
    "go.mod",
    "go.sum",
    "main.go",
    "lifeline/main.go",
    "helm/go.mod",
    "helm/go.sum",
    "promql/go.mod",
    "promql/go.sum",
    "promql/main.go",
];

/// The command of the module controlplane/helm.
const HELM: &str = "helm.sh/helm/v4/cmd/helm";

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    match build()? {
        Some(folder) => output::line(&folder.display().to_string()),
        None => bail!("there is no `go` here, which builds the control plane: get it from https://go.dev/dl"),
    }
    Ok(())
}

/// Builds the programs unless they are up to date, and returns their folder; nothing where there is no `go` to build
/// them with.
pub(crate) fn build() -> Result<Option<PathBuf>> {
    let source = files::root().join("controlplane");
    let folder = files::target().join("controlplane");
    // What the programs were built from lies beside them, so that Go need not be asked what has changed.
    let stamp = folder.join("built-from");
    let wanted = text_of_sources(&source)?;
    if stamp.is_file() && files::read(&stamp)? == wanted {
        return Ok(Some(folder));
    }
    if !go_is_there() {
        return Ok(None);
    }
    output::progress("building the control plane; from empty caches that takes some minutes ...");
    let kubernetes = version_of("k8s.io/kubernetes", &wanted)?;
    go_build(&source, &folder.join("lifeline"), "./lifeline", "")?;
    go_build(&source, &folder.join("controlplane"), ".", &version_flags(kubernetes))?;
    // A module of its own, since Helm is built on another release of Kubernetes' libraries.
    go_build(&source.join("helm"), &folder.join("helm"), HELM, "")?;
    go_build(&source.join("promql"), &folder.join("promql"), ".", "")?;
    for component in COMPONENTS {
        link(&folder.join(component))?;
    }
    files::write(&stamp, wanted.as_bytes())?;
    Ok(Some(folder))
}

fn go_build(source: &Path, output: &Path, package: &str, linker_flags: &str) -> Result<()> {
    let mut go = Command::new("go");
    // No symbols, no paths of this machine, no commit: the binary depends on the modules alone.
    go.current_dir(source).args(["build", "-trimpath", "-buildvcs=false"]);
    go.arg("-ldflags").arg(format!("-s -w {linker_flags}").trim_end());
    go.arg("-o").arg(output).arg(package).env("GOWORK", "off").stdout(Stdio::null());
    run_command(&mut go)
        .context("cannot build the control plane; the line `go` of its go.mod says which Go it needs")
}

/// Kubernetes is told its version by the linker; without it, clients cannot parse what the server calls itself.
fn version_flags(version: &str) -> String {
    let variable = "k8s.io/component-base/version";
    let mut numbers = version.trim_start_matches('v').split('.');
    let major = numbers.next().unwrap_or_default();
    let minor = numbers.next().unwrap_or_default();
    format!(
        "-X {variable}.gitVersion={version} -X {variable}.gitMajor={major} -X {variable}.gitMinor={minor}"
    )
}

/// The version that go.mod pins a module to.
fn version_of<'a>(module: &str, sources: &'a str) -> Result<&'a str> {
    let versions = sources.lines().filter_map(|line| line.trim().strip_prefix(module)?.strip_prefix(' '));
    versions.take(1).last().with_context(|| format!("controlplane/go.mod does not require `{module}`"))
}

fn link(path: &Path) -> Result<()> {
    match std::os::unix::fs::symlink("controlplane", path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(error).with_context(|| format!("cannot link `{}`", path.display()))
        }
        _ => Ok(()),
    }
}

fn text_of_sources(folder: &Path) -> Result<String> {
    let texts = SOURCES.iter().map(|name| files::read(&folder.join(name)));
    Ok(texts.collect::<Result<Vec<_>>>()?.concat())
}

fn go_is_there() -> bool {
    let mut go = Command::new("go");
    go.arg("version").stdout(Stdio::null()).stderr(Stdio::null());
    go.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_required_module() {
        let module = "require (\n\tk8s.io/kubernetes-extra v0.1.0\n\tk8s.io/kubernetes v1.36.3\n)\n";
        let version = version_of("k8s.io/kubernetes", module).unwrap();
        assert_eq!(version, "v1.36.3");
        assert!(version_flags(version).ends_with(".gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"));
        assert!(version_of("sigs.k8s.io/kwok", module).is_err());
    }
}
