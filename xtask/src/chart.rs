//! `cargo xtask chart`: what is made for the Helm chart, and from it.

use anyhow::{Context as _, Result, bail};

use crate::command::{command, output_of, run as run_command};
use crate::{controlplane, files, no_arguments, output};

pub(crate) const HELP: &str = "\
charts/portcullis is the one source of the objects of an installation. This task writes

  charts/portcullis/files/crds  the definitions of policies and of JobRetention, as `portcullis crds` prints them
  deploy                        what helm makes of the chart; `portcullis install` carries these files

Tests fail while they are not what this task would write. Needs `go`, which builds helm.";

/// The values with which the chart gives the objects of `portcullis install`: it makes the namespace, and has its own
/// definitions.
const VALUES: &[&str] = &["--namespace=portcullis", "--set=namespace.create=true,crds.install=false"];

/// The template with the roles, which is a file of its own: it is what one reads before one installs.
const ROLES: &str = "templates/roles.yaml";

/// The template with what is there beside Kyverno alone, and the value that it takes.
const BESIDE_KYVERNO: [&str; 2] = ["--set=besideKyverno=true", "--show-only=templates/beside-kyverno.yaml"];

/// The same of what is there where Jobs are retained.
const RETENTION: [&str; 2] = ["--set=retention.enabled=true", "--show-only=templates/retention.yaml"];

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let Some(programs) = controlplane::build()? else {
        bail!("there is no `go` here, which builds helm: get it from https://go.dev/dl");
    };
    run_command(&mut command("cargo build --quiet --package portcullis"))?;
    write_definitions()?;
    let helm = programs.join("helm");
    let helm = helm.to_str().context("the path of helm is not UTF-8")?;
    let deploy = files::root().join("deploy");
    let rendered = |values: &[&str]| {
        let mut helm = command(&format!("{helm} template portcullis charts/portcullis"));
        output_of(helm.args(VALUES).args(values))
    };
    let all = rendered(&[])?;
    let (roles, others): (Vec<_>, Vec<_>) =
        documents(&all).into_iter().partition(|document| document.contains(ROLES));
    files::write(&deploy.join("roles.yaml"), joined(&roles).as_bytes())?;
    files::write(&deploy.join("portcullis.yaml"), joined(&others).as_bytes())?;
    for (file, values) in [("beside-kyverno.yaml", BESIDE_KYVERNO), ("retention.yaml", RETENTION)] {
        let objects = rendered(&values)?;
        files::write(&deploy.join(file), joined(&documents(&objects)).as_bytes())?;
    }
    output::line("charts/portcullis/files/crds and deploy are what the sources say");
    Ok(())
}

/// One file for each definition.
fn write_definitions() -> Result<()> {
    let portcullis = files::target().join("debug/portcullis");
    let printed = output_of(std::process::Command::new(portcullis).arg("crds"))?;
    let folder = files::root().join("charts/portcullis/files/crds");
    for document in documents(&printed) {
        let name = document.lines().find_map(|line| line.strip_prefix("  name: "));
        let name = name.context("`portcullis crds` prints a definition without a name")?;
        files::write(&folder.join(format!("{name}.yaml")), joined(&[document]).as_bytes())?;
    }
    Ok(())
}

fn documents(text: &str) -> Vec<&str> {
    text.split("---\n").map(str::trim).filter(|document| !document.is_empty()).collect()
}

/// One text of all, without helm's notes of which template each is from.
fn joined(documents: &[&str]) -> String {
    let text = documents.join("\n---\n");
    let lines = text.lines().filter(|line| !line.starts_with("# Source: "));
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_parted_at_their_separators() {
        assert_eq!(documents("---\na: 1\n---\n\n---\nb: 2\n"), ["a: 1", "b: 2"]);
        assert_eq!(joined(&["a: 1", "b: 2"]), "a: 1\n---\nb: 2\n");
    }
}
