//! `cargo xtask image`: the image of a container as an OCI archive, without Docker.

mod archive;
mod sbom;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use self::archive::{Blobs, Tar};
use crate::command::{command, output_of};
use crate::{files, no_arguments, output, release, test};

pub(crate) const HELP: &str = "\
Builds the release binary (see `cargo xtask help build`) and writes

  target/image/portcullis-VERSION.tar             an OCI image archive, for `k3d image import`, `docker load` and
                                                  `skopeo copy oci-archive:`
  target/image/portcullis-VERSION.cdx.json        what is in it, as CycloneDX

The image is the binary and nothing else: no shell, no libraries, no users. The same binaries give the same bytes. amd64 is built
on amd64 and arm64 on arm64; each is added on the other one where its standard library, linker and C library are. On Debian and
Ubuntu these are, for arm64,

  rustup target add aarch64-unknown-linux-gnu
  apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static

the last of which runs its binary. A line says what is missing where a platform is left out.

A binary for the other platform is compiled without the counts of `cargo xtask help profile`, which are those of this one.

At the end each binary is started in an empty root folder as the user of the image, and resolves a name; where that is not
allowed, or what runs the binary is not there, a line says that it is skipped.";

/// The user that the image runs as. It has no name: there is no list of users.
const USER: u32 = 65532;

/// A platform of the image: what registries call it, what Rust does, and who runs its binaries elsewhere.
struct Platform {
    architecture: &'static str,
    target: &'static str,
    emulator: &'static str,
}

const PLATFORMS: [Platform; 2] = [
    Platform { architecture: "amd64", target: "x86_64-unknown-linux-gnu", emulator: "qemu-x86_64-static" },
    Platform { architecture: "arm64", target: "aarch64-unknown-linux-gnu", emulator: "qemu-aarch64-static" },
];

/// The binary of a platform.
struct Binary {
    architecture: &'static str,
    path: PathBuf,
    /// What runs it here; nothing where it needs nobody.
    emulator: Option<&'static str>,
}

pub(crate) fn run(words: &[String]) -> Result<()> {
    no_arguments(words)?;
    let version = version()?;
    let folder = files::target().join("image");
    let binaries = binaries()?;
    let image = folder.join(format!("portcullis-{version}.tar"));
    files::write(&image, &archive(&about(&version)?, &binaries)?)?;
    let sbom = folder.join(format!("portcullis-{version}.cdx.json"));
    files::write(&sbom, text(&sbom::bill(&version, PLATFORMS.map(|platform| platform.target))?).as_bytes())?;
    for binary in &binaries {
        trial::run(&binary.path, binary.emulator, USER)?;
    }
    output::line(&sbom.display().to_string());
    output::line(&image.display().to_string());
    Ok(())
}

/// The trial of the binary alone, on one that was built for debugging and is linked as the release is: what is tried is how
/// it is linked, and another build with optimizations would take minutes.
pub(crate) fn try_debug() -> Result<()> {
    match cfg!(all(target_os = "linux", target_env = "gnu")) {
        true => trial::run(&release::build_debug()?, None, USER),
        false => test::skip("an image is of Linux with glibc"),
    }
}

/// The static binary of each platform that can be built here, that of this machine first.
fn binaries() -> Result<Vec<Binary>> {
    let host = output_of(&mut command("rustc --print host-tuple"))?;
    let mut binaries = Vec::new();
    for Platform { architecture, target, emulator } in PLATFORMS {
        if target == host.trim() {
            binaries.insert(0, Binary { architecture, path: release::build()?, emulator: None });
        } else if let Some(missing) = release::missing_for(target) {
            output::line(&format!(
                "{architecture} is left out: it takes {missing}; `cargo xtask help image` tells more"
            ));
        } else {
            binaries.push(Binary {
                architecture,
                path: release::build_for(target)?,
                emulator: Some(emulator),
            });
        }
    }
    match binaries.is_empty() {
        true => bail!("an image is of Linux with glibc, and `{}` cannot build for it", host.trim()),
        false => Ok(binaries),
    }
}

/// An OCI image archive of the binaries.
fn archive(about: &About, binaries: &[Binary]) -> Result<Vec<u8>> {
    let name = format!("{}:{}", about.repository, about.version);
    let (mut blobs, mut docker) = (Blobs::default(), None);
    let mut manifests = Vec::new();
    for Binary { architecture, path: binary, .. } in binaries {
        let mut layer = Tar::default();
        layer.file("portcullis", 0o755, &files::read_bytes(binary)?)?;
        let layer = layer.finish();
        let layer_digest = archive::digest(&layer);
        let config = config(architecture, &layer_digest, about);
        let config = blobs.add("application/vnd.oci.image.config.v1+json", text(&config).into_bytes());
        // Not compressed: what a compressor writes differs from version to version.
        let layer = blobs.add("application/vnd.oci.image.layer.v1.tar", layer);
        // Docker knows one image by a name: that of the machine that has built it.
        docker.get_or_insert_with(
            || json!([{ "Config": path(&config), "RepoTags": [name], "Layers": [path(&layer)] }]),
        );
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
    let names =
        json!({ "io.containerd.image.name": name, "org.opencontainers.image.ref.name": about.version });
    put(&mut index, "annotations", names);
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [index],
    });
    blobs.archive(&text(&index), &text(&docker.unwrap_or_default()))
}

/// Where the blob of a descriptor lies.
fn path(descriptor: &Value) -> String {
    archive::path(descriptor.get("digest").and_then(Value::as_str).unwrap_or_default())
}

/// What is said of the image, beside its binary.
struct About {
    version: String,
    /// Where the chart looks for it.
    repository: String,
    commit: String,
    /// When that was made, so that the same sources give the same image.
    created: String,
}

fn about(version: &str) -> Result<About> {
    let values = files::root().join("charts/portcullis/values.yaml");
    Ok(About {
        version: version.to_owned(),
        repository: line_after(&values, "  repository: ")?,
        commit: output_of(&mut command("git rev-parse HEAD"))?.trim().to_owned(),
        created: output_of(&mut command("git log -1 --format=%cI"))?.trim().to_owned(),
    })
}

/// What a runtime is told of an image.
fn config(architecture: &str, layer: &str, about: &About) -> Value {
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": about.created,
        "config": {
            "Entrypoint": ["/portcullis"],
            "User": format!("{USER}:{USER}"),
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "portcullis",
                "org.opencontainers.image.version": about.version,
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.revision": about.commit,
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [layer] },
        "history": [{ "created_by": "cargo xtask image" }],
    })
}

/// The version of the workspace.
fn version() -> Result<String> {
    line_after(&files::root().join("Cargo.toml"), "version = ")
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The files of an archive, by name.
    fn unpacked(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let number = |field: &[u8]| {
            let digits = std::str::from_utf8(field).unwrap().trim_end_matches('\0');
            usize::from_str_radix(digits, 8).unwrap_or(0)
        };
        let (mut files, mut rest) = (BTreeMap::new(), archive);
        while let Some((header, after)) = rest.split_at_checked(512).filter(|(header, _)| header[0] != 0) {
            let name = std::str::from_utf8(&header[..100]).unwrap().trim_end_matches('\0');
            let size = number(&header[124..136]);
            files.insert(name.to_owned(), after[..size].to_vec());
            rest = &after[size.next_multiple_of(512)..];
        }
        files
    }

    #[test]
    fn every_reader_of_the_archive_comes_to_the_binary() {
        let about = About {
            version: "1.2.3".to_owned(),
            repository: "registry.example.com/portcullis".to_owned(),
            commit: "c0ffee".to_owned(),
            created: "2026-01-01T00:00:00Z".to_owned(),
        };
        let binary =
            |architecture, file| Binary { architecture, path: files::root().join(file), emulator: None };
        let binaries = [binary("amd64", "LICENSE"), binary("arm64", "README.md")];
        let archive = archive(&about, &binaries).unwrap();
        assert_eq!(archive, super::archive(&about, &binaries).unwrap(), "it is the same each time");
        let files = unpacked(&archive);
        let json = |name: &str| serde_json::from_slice::<Value>(&files[name]).unwrap();
        // What a descriptor names is there, and is what it says.
        let blob = |descriptor: &Value| {
            let bytes = &files[&path(descriptor)];
            assert_eq!(descriptor["digest"], archive::digest(bytes));
            assert_eq!(descriptor["size"], bytes.len());
            bytes.clone()
        };
        let document = |descriptor: &Value| serde_json::from_slice::<Value>(&blob(descriptor)).unwrap();
        let name = "registry.example.com/portcullis:1.2.3";

        assert_eq!(json("oci-layout")["imageLayoutVersion"], "1.0.0");
        let top = json("index.json")["manifests"][0].clone();
        assert_eq!(top["annotations"]["io.containerd.image.name"], name);
        let index = document(&top);
        for (place, Binary { architecture, path: binary, .. }) in binaries.iter().enumerate() {
            let descriptor = &index["manifests"][place];
            assert_eq!(descriptor["platform"]["architecture"], *architecture);
            let manifest = document(descriptor);
            let config = document(&manifest["config"]);
            assert_eq!(config["config"]["User"], "65532:65532");
            let layer = blob(&manifest["layers"][0]);
            assert_eq!(config["rootfs"]["diff_ids"][0], archive::digest(&layer));
            assert_eq!(unpacked(&layer)["portcullis"], files::read_bytes(binary).unwrap());
        }

        let docker = &json("manifest.json")[0];
        assert_eq!(docker["RepoTags"], json!([name]));
        let of_host = document(&index["manifests"][0]);
        assert_eq!(docker["Config"], path(&of_host["config"]));
        assert_eq!(docker["Layers"], json!([path(&of_host["layers"][0])]));
    }
}
