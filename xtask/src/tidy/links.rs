//! Relative links in Markdown files.

use super::{Finding, Tree};

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.texts_named(".md") {
        let mut in_fence = false;
        for (index, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                in_fence = !in_fence;
            } else if !in_fence {
                let dead = targets(line).filter(|target| !leads_somewhere(tree, path, target));
                findings.extend(dead.map(|target| {
                    Finding::new(path, index + 1, format!("`{target}` leads nowhere: mend the link"))
                }));
            }
        }
    }
    findings
}

/// The targets of the links in a line: `[text](target)`, `[text](target "title")`, `[name]: target`.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    let plain = outside_code(line);
    let inline = plain.into_iter().flat_map(|part| part.split("](").skip(1));
    let inline = inline.filter_map(|rest| rest.split([')', ' ']).next());
    let definition =
        line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
    inline.chain(definition)
}

/// The parts of a line that are not in backticks.
fn outside_code(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('`') {
        parts.push(before);
        match after.split_once('`') {
            Some((_, behind)) => rest = behind,
            None => return parts,
        }
    }
    parts.push(rest);
    parts
}

fn leads_somewhere(tree: &Tree, from: &str, target: &str) -> bool {
    let target = target.trim_start_matches('<').trim_end_matches('>');
    let target = target.split('#').next().unwrap_or_default();
    if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| folder);
    resolve(folder, target).is_some_and(|path| tree.has(&path))
}

/// `target` seen from `folder`, as a path from the root; `None` when it leaves the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    parts.retain(|part| !part.is_empty());
    Some(parts.join("/"))
}
