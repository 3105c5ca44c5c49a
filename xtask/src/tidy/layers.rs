//! The layers of the workspace, and what each may depend on.

use std::collections::BTreeMap;

use super::sources::names;
use super::{Finding, Tree};

/// A crate's place: it may depend on crates of a lower layer, or of the same layer and a lower step.
#[derive(Debug)]
pub(super) struct Layer {
    name: &'static str,
    layer: u8,
    step: u8,
}

const fn layer(name: &'static str, layer: u8, step: u8) -> Layer {
    Layer { name, layer, step }
}

/// The one table of layers. Policy languages share layer 3 and so never import each other.
pub(super) const LAYERS: &[Layer] = &[
    layer("portcullis-value", 0, 0),
    layer("portcullis-gocompat", 0, 1),
    layer("portcullis-patch", 0, 1),
    layer("portcullis-yaml", 0, 1),
    layer("portcullis-jmespath", 1, 0),
    layer("portcullis-model", 2, 0),
    layer("portcullis-kyverno", 3, 0),
    layer("portcullis-retention", 3, 0),
    layer("portcullis-engine", 4, 0),
    layer("portcullis-cluster", 5, 0),
    layer("portcullis-cli", 6, 0),
    layer("portcullis-controllers", 6, 0),
    layer("portcullis-webhook", 6, 0),
    layer("portcullis", 7, 0),
];

/// The highest layer of the core, which is pure: no I/O, no clock, no environment.
const CORE: u8 = 4;

/// The heading in the root manifest above the dependencies that the core may use.
const CORE_HEADING: &str = "# core";

/// Whether a file is source of a crate of the core.
pub(super) fn is_core_source(path: &str) -> bool {
    let mut parts = path.split('/');
    let (Some("crates"), Some(name), Some("src")) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    LAYERS.iter().any(|layer| layer.name == name && layer.layer <= CORE)
}

/// Checks that arrows point down and that the core uses only what the root manifest lists for it.
pub(super) fn check(tree: &Tree, layers: &[Layer]) -> Vec<Finding> {
    let root = tree.text("Cargo.toml").unwrap_or_default();
    let for_core = workspace_dependencies(root);
    let mut findings = Vec::new();
    for (path, text) in tree.texts_named("/Cargo.toml") {
        let Some(name) = path.strip_prefix("crates/").and_then(|rest| rest.strip_suffix("/Cargo.toml"))
        else {
            continue;
        };
        let Some(own) = layers.iter().find(|layer| layer.name == name) else {
            let message = format!("`{name}` has no layer: give it a row in xtask/src/tidy/layers.rs");
            findings.push(Finding::new(path, 1, message));
            continue;
        };
        for dependency in dependencies(text) {
            let message = match layers.iter().find(|layer| layer.name == dependency.name) {
                Some(other) => points_up(own, other),
                None => reaches_edge(own, &dependency, &for_core),
            };
            findings.extend(message.map(|message| Finding::new(path, dependency.line, message)));
        }
    }
    findings
}

fn points_up(own: &Layer, other: &Layer) -> Option<String> {
    if (other.layer, other.step) < (own.layer, own.step) {
        return None;
    }
    Some(format!(
        "`{}` (layer {}) must not depend on `{}` (layer {}): move what is shared to a lower layer",
        own.name, own.layer, other.name, other.layer
    ))
}

fn reaches_edge(own: &Layer, dependency: &Dependency, sections: &BTreeMap<String, String>) -> Option<String> {
    if own.layer > CORE || dependency.dev {
        return None;
    }
    let section = sections.get(&dependency.name).map_or("", String::as_str);
    if section.starts_with(CORE_HEADING) {
        return None;
    }
    Some(format!(
        "`{}` (layer {}) must not depend on `{}`: the core uses what stands below `{CORE_HEADING}` in the root manifest",
        own.name, own.layer, dependency.name
    ))
}

/// Libraries that are not named like their package.
const LIBRARIES: &[(&str, &str)] = &[("md-5", "md5")];

/// Checks that a crate names each of its dependencies in its sources.
pub(super) fn check_used(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, manifest) in tree.texts_named("/Cargo.toml") {
        let folder = path.strip_suffix("Cargo.toml").unwrap_or_default();
        let sources: Vec<&str> = tree
            .texts_named(".rs")
            .filter(|(source, _)| source.starts_with(folder))
            .map(|(_, text)| text)
            .collect();
        for dependency in dependencies(manifest) {
            let renamed = LIBRARIES.iter().find(|library| library.0 == dependency.name);
            let library =
                renamed.map_or_else(|| dependency.name.replace('-', "_"), |found| found.1.to_owned());
            if !sources.iter().any(|text| names(text, &library)) {
                let message = format!("`{}` is used nowhere in the crate: take it out", dependency.name);
                findings.push(Finding::new(path, dependency.line, message));
            }
        }
    }
    findings
}

/// Checks that each dependency of the workspace has a row in docs/dependencies.md, and each row a dependency.
pub(super) fn check_documented(tree: &Tree) -> Vec<Finding> {
    const PAGE: &str = "docs/dependencies.md";
    let root = tree.text("Cargo.toml").unwrap_or_default();
    let rows = documented(tree.text(PAGE).unwrap_or_default());
    let wanted = dependencies_in(root, "workspace.dependencies");
    let mut findings = Vec::new();
    for dependency in wanted.iter().filter(|dependency| !dependency.in_workspace) {
        if !rows.iter().any(|(_, name)| *name == dependency.name) {
            let message =
                format!("`{}` needs a row in {PAGE}: need, choice, runner-up, why", dependency.name);
            findings.push(Finding::new("Cargo.toml", dependency.line, message));
        }
    }
    for (line, name) in rows {
        if !wanted.iter().any(|dependency| dependency.name == name) {
            findings.push(Finding::new(
                PAGE,
                line,
                format!("`{name}` is no dependency any more: take its row out"),
            ));
        }
    }
    findings
}

/// Line and name of the rows that open with a name in backticks.
fn documented(page: &str) -> Vec<(usize, &str)> {
    let name = |line: &'_ str| -> Option<(usize, usize)> {
        let start = line.strip_prefix("| `").map(|_| 3)?;
        let length = line.get(start..)?.find('`')?;
        Some((start, start + length))
    };
    let rows = page.lines().enumerate();
    rows.filter_map(|(index, line)| {
        let (start, end) = name(line)?;
        Some((index + 1, line.get(start..end)?))
    })
    .collect()
}

/// A line of a dependency table.
#[derive(Debug)]
struct Dependency {
    name: String,
    line: usize,
    dev: bool,
    /// Whether it is a crate of this workspace.
    in_workspace: bool,
}

/// The dependencies of a crate, those of its tests too.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut all = dependencies_in(manifest, "dependencies");
    all.extend(dependencies_in(manifest, "build-dependencies"));
    all.extend(
        dependencies_in(manifest, "dev-dependencies").into_iter().map(|d| Dependency { dev: true, ..d }),
    );
    all
}

/// The entries of the tables `[NAME]` and `[target.'...'.NAME]`. Our manifests write an entry on one line.
fn dependencies_in(manifest: &str, table: &str) -> Vec<Dependency> {
    let mut inside = false;
    let mut found = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            inside =
                header == table || (header.starts_with("target.") && header.ends_with(&format!(".{table}")));
        } else if inside
            && !line.starts_with('#')
            && let Some((key, value)) = line.split_once('=')
        {
            let name = key.trim().split('.').next().unwrap_or_default().trim_matches('"').to_owned();
            let in_workspace = value.contains("path =");
            found.push(Dependency { name, line: index + 1, dev: false, in_workspace });
        }
    }
    found
}

/// The dependencies of the workspace, each with the comment line that heads its section.
fn workspace_dependencies(manifest: &str) -> BTreeMap<String, String> {
    let mut sections = BTreeMap::new();
    let mut heading = "";
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[workspace.dependencies]");
    lines.next();
    for line in lines.take_while(|line| !line.starts_with('[')) {
        if line.starts_with('#') {
            heading = line;
        } else if let Some((key, _)) = line.split_once('=') {
            sections.insert(key.trim().to_owned(), heading.to_owned());
        }
    }
    sections
}
