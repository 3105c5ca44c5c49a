//! `cargo xtask image`: the image of a container as an OCI archive, without Docker.

mod archive;
mod sbom;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use self::archive::{Blobs, Tar};
use crate::command::{command, output_of};
use crate::{files, no_arguments, output, release};

pub(crate) const HELP: &str = "\
Builds the release binary (see `cargo xtask help build`) and writes

  target/image/portcullis-VERSION.tar             an OCI image archive, for `k3d image import`, `skopeo copy oci-archive:`
  target/image/portcullis-VERSION.cdx.json        what is in it, as CycloneDX

The image is the binary and nothing else: no shell, no libraries, no users. amd64 is built on amd64; arm64 is added where
`rustup target add aarch64-unknown-linux-gnu` and the linker aarch64-linux-gnu-gcc are there, and a line says so where
they are not. The same binaries give the same bytes.

At the end the binary of this machine is started in an empty root folder as the user of the image, and resolves a name; where
that is not allowed, a line says that it is skipped.";

/// The user that the image runs as. It has no name: there is no list of users.
const USER: u32 = 65532;

/// A platform of the image: what registries call it, and what Rust does.
struct Platform {
    architecture: &'static str,
    target: &'static str,
}

const PLATFORMS: [Platform; 2] = [
    Platform { architecture: "amd64", target: "x86_64-unknown-linux-gnu" },
    Platform { architecture: "arm64", target: "aarch64-unknown-linux-gnu" },
];

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let version = version()?;
    let folder = files::target().join("image");
    let binaries = binaries()?;
    let image = folder.join(format!("portcullis-{version}.tar"));
    files::write(&image, &archive(&version, &binaries)?)?;
    let sbom = folder.join(format!("portcullis-{version}.cdx.json"));
    files::write(&sbom, text(&sbom::bill(&version)?).as_bytes())?;
    if let Some((_, binary)) = binaries.first() {
        trial::run(binary, USER)?;
    }
    output::line(&sbom.display().to_string());
    output::line(&image.display().to_string());
    Ok(())
}

/// The static binary of each platform that can be built here, that of this machine first.
fn binaries() -> Result<Vec<(&'static str, PathBuf)>> {
    let host = output_of(&mut command("rustc --print host-tuple"))?;
    let installed = output_of(&mut command("rustup target list --installed")).unwrap_or_default();
    let mut binaries = Vec::new();
    for platform in &PLATFORMS {
        if platform.target == host.trim() {
            binaries.insert(0, (platform.architecture, release::build()?));
        } else if installed.lines().any(|target| target == platform.target) {
            binaries.push((platform.architecture, release::build_for(platform.target)?));
        } else {
            let missing = format!("`rustup target add {}`", platform.target);
            output::line(&format!(
                "{} is left out: it takes {missing} and its linker",
                platform.architecture
            ));
        }
    }
    match binaries.is_empty() {
        true => bail!("an image is of Linux with glibc, and `{}` cannot build for it", host.trim()),
        false => Ok(binaries),
    }
}

/// An OCI image archive of the binaries.
fn archive(version: &str, binaries: &[(&str, PathBuf)]) -> Result<Vec<u8>> {
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for (architecture, binary) in binaries {
        let mut layer = Tar::default();
        layer.file("portcullis", 0o755, &files::read_bytes(binary)?)?;
        let layer = layer.finish();
        let layer_digest = archive::digest(&layer);
        let config = config(version, architecture, &layer_digest)?;
        let config = blobs.add("application/vnd.oci.image.config.v1+json", text(&config).into_bytes());
        // Not compressed: what a compressor writes differs from version to version.
        let layer = blobs.add("application/vnd.oci.image.layer.v1.tar", layer);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config,
            "layers": [layer],
        });
        let mut manifest =
            blobs.add("application/vnd.oci.image.manifest.v1+json", text(&manifest).into_bytes());
        put(&mut manifest, "platform", json!({ "architecture": architecture, "os": "linux" }));
        manifests.push(manifest);
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });
    let mut index = blobs.add("application/vnd.oci.image.index.v1+json", text(&index).into_bytes());
    // containerd takes the whole name, others the tag.
    let name = format!("{}:{version}", repository()?);
    let names = json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": version });
    put(&mut index, "annotations", names);
    let index = json!({ "schemaVersion": 2, "manifests": [index] });
    blobs.archive(&text(&index))
}

/// What a runtime is told of an image.
fn config(version: &str, architecture: &str, layer: &str) -> Result<Value> {
    Ok(json!({
        "architecture": architecture,
        "os": "linux",
        // The time of the commit, so that the same sources give the same image.
        "created": output_of(&mut command("git log -1 --format=%cI"))?.trim(),
        "config": {
            "Entrypoint": ["/portcullis"],
            "User": format!("{USER}:{USER}"),
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "portcullis",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.revision": output_of(&mut command("git rev-parse HEAD"))?.trim(),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [layer] },
        "history": [{ "created_by": "cargo xtask image" }],
    }))
}

/// The version of the workspace.
fn version() -> Result<String> {
    line_after(&files::root().join("Cargo.toml"), "version = ")
}

/// Where the chart looks for the image.
fn repository() -> Result<String> {
    line_after(&files::root().join("charts/portcullis/values.yaml"), "  repository: ")
}

/// The rest of the first line of a file that begins so, without quotes.
fn line_after(path: &Path, start: &str) -> Result<String> {
    let text = files::read(path)?;
    let rest = text.lines().find_map(|line| line.strip_prefix(start));
    let rest = rest.with_context(|| format!("`{}` has no line `{start}`", path.display()))?;
    Ok(rest.trim_matches('"').to_owned())
}

fn put(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn text(json: &Value) -> String {
    format!("{json:#}\n")
}
