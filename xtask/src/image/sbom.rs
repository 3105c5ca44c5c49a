//! What is in the image, as CycloneDX: every crate of the binary, and the libraries that these are linked with.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::command::{command, output_of};
use crate::files;

/// The bill of materials of this version, for these targets of Rust together.
pub(super) fn bill(version: &str, targets: impl IntoIterator<Item = &'static str>) -> Result<Value> {
    let mut tree = command("cargo tree --package portcullis --edges normal --prefix none --locked");
    for target in targets {
        tree.args(["--target", target]);
    }
    let tree = output_of(tree.args(["--format", "{p}|{l}"]))?;
    let checksums = checksums(&files::read(&files::root().join("Cargo.lock"))?);
    let mut components = components(&tree, &checksums)?;
    components.extend(libraries()?);
    Ok(json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "name": "portcullis",
                "version": version,
                "purl": format!("pkg:cargo/portcullis@{version}"),
                "licenses": [{ "expression": "Apache-2.0" }],
            },
        },
        "components": components,
    }))
}

/// What is linked and is no crate: the standard library of Rust, and the C library of the machine that builds.
fn libraries() -> Result<[Value; 2]> {
    let version = |line: &str| {
        let printed = output_of(&mut command(line))?;
        let version = printed.split_whitespace().nth(1).map(str::to_owned);
        version.with_context(|| format!("`{line}` says `{}`", printed.trim()))
    };
    let library = |name: &str, version: String, license: &str| {
        json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:generic/{name}@{version}"),
            "licenses": [{ "expression": license }],
        })
    };
    Ok([
        library("rust-std", version("rustc --version")?, "MIT OR Apache-2.0"),
        library("glibc", version("getconf GNU_LIBC_VERSION")?, "LGPL-2.1-or-later"),
    ])
}

/// The crates that `cargo tree` names, each once, as `name v1.2.3 (source)|license`.
fn components(tree: &str, checksums: &BTreeMap<(String, String), String>) -> Result<Vec<Value>> {
    // A crate that was shown before is marked so, which says nothing.
    let lines: BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    let mut components = Vec::new();
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        let (package, license) = line.split_once('|').with_context(|| format!("cargo tree says `{line}`"))?;
        let mut words = package.split(' ');
        let name = words.next().unwrap_or_default();
        let version = words.next().unwrap_or_default().trim_start_matches('v');
        if name == "portcullis" {
            continue;
        }
        let mut component = json!({
            "type": "library",
            "name": name,
            "version": version,
            "purl": format!("pkg:cargo/{name}@{version}"),
        });
        if !license.is_empty() {
            // Some crates part alternatives by a slash, as was once the custom.
            let license = license.replace('/', " OR ");
            super::put(&mut component, "licenses", json!([{ "expression": license }]));
        }
        if let Some(checksum) = checksums.get(&(name.to_owned(), version.to_owned())) {
            super::put(&mut component, "hashes", json!([{ "alg": "SHA-256", "content": checksum }]));
        }
        components.push(component);
    }
    Ok(components)
}

/// The checksums in Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let field = |package: &str, name: &str| {
        let start = format!("{name} = \"");
        let value = package.lines().find_map(|line| line.strip_prefix(&start)?.strip_suffix('"'));
        value.map(str::to_owned)
    };
    let packages = lock.split("[[package]]");
    packages
        .filter_map(|package| {
            let key = (field(package, "name")?, field(package, "version")?);
            Some((key, field(package, "checksum")?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_is_there_once_with_its_licence_and_checksum() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"00ff\"\n\n[[package]]\nname = \"b\"\nversion = \"0.1.0\"\n";
        let tree = "portcullis v0.1.0 (/here)|Apache-2.0\na v1.0.0|MIT/Apache-2.0\nb v0.1.0 (/here/b)|MIT\na v1.0.0|MIT/Apache-2.0 (*)\n";
        let components = components(tree, &checksums(lock)).unwrap();
        let names: Vec<_> = components.iter().map(|component| &component["purl"]).collect();
        assert_eq!(names, ["pkg:cargo/a@1.0.0", "pkg:cargo/b@0.1.0"]);
        assert_eq!(components[0]["hashes"][0]["content"], "00ff");
        assert_eq!(components[0]["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(components[1].get("hashes"), None);
    }
}
