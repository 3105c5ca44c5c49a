//! Tar archives, and the OCI layout in one. Both say nothing of the machine that wrote them.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What files are padded to.
const BLOCK: usize = 512;

/// A tar archive (ustar) in the making. Everything is root's, and of 1970.
#[derive(Debug, Default)]
pub(super) struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    /// Adds a file. Names have at most 100 bytes.
    pub(super) fn file(&mut self, name: &str, mode: u32, contents: &[u8]) -> Result<()> {
        self.entry(name, mode, b'0', contents)
    }

    /// Adds a folder.
    pub(super) fn folder(&mut self, name: &str) -> Result<()> {
        self.entry(&format!("{name}/"), 0o755, b'5', &[])
    }

    fn entry(&mut self, name: &str, mode: u32, kind: u8, contents: &[u8]) -> Result<()> {
        ensure!(name.len() <= 100, "`{name}` is too long a name for an archive");
        let fields: [(usize, usize, String); 7] = [
            (0, 100, name.to_owned()),
            (100, 8, format!("{mode:07o}")),
            (108, 8, format!("{:07o}", 0)),
            (116, 8, format!("{:07o}", 0)),
            (124, 12, format!("{:011o}", contents.len())),
            (136, 12, format!("{:011o}", 0)),
            // The sum is taken with blanks in its own place.
            (148, 8, " ".repeat(8)),
        ];
        let mut header = [0; BLOCK];
        for (start, length, text) in fields {
            set(&mut header, start, length, text.as_bytes());
        }
        set(&mut header, 156, 1, &[kind]);
        set(&mut header, 257, 8, b"ustar\x0000");
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        set(&mut header, 148, 8, format!("{sum:06o}\0 ").as_bytes());
        self.bytes.extend_from_slice(&header);
        self.bytes.extend_from_slice(contents);
        self.bytes.resize(self.bytes.len().next_multiple_of(BLOCK), 0);
        Ok(())
    }

    /// The archive, with the two empty blocks at its end.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 2 * BLOCK, 0);
        self.bytes
    }
}

fn set(header: &mut [u8; BLOCK], start: usize, length: usize, text: &[u8]) {
    let field = header.iter_mut().skip(start).take(length);
    field.zip(text).for_each(|(place, byte)| *place = *byte);
}

/// What is in an image, by digest.
#[derive(Debug, Default)]
pub(super) struct Blobs {
    by_digest: BTreeMap<String, Vec<u8>>,
}

impl Blobs {
    /// Adds a blob and returns the descriptor that names it.
    pub(super) fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({ "mediaType": media_type, "digest": digest, "size": bytes.len() });
        self.by_digest.insert(digest, bytes);
        descriptor
    }

    /// The OCI layout as an archive. `manifest` says the same of one image to a Docker that does not know the layout.
    pub(super) fn archive(&self, index: &str, manifest: &str) -> Result<Vec<u8>> {
        let mut tar = Tar::default();
        tar.folder("blobs")?;
        tar.folder("blobs/sha256")?;
        for (digest, bytes) in &self.by_digest {
            tar.file(&path(digest), 0o644, bytes)?;
        }
        tar.file("index.json", 0o644, index.as_bytes())?;
        tar.file("manifest.json", 0o644, manifest.as_bytes())?;
        tar.file("oci-layout", 0o644, b"{\"imageLayoutVersion\":\"1.0.0\"}")?;
        Ok(tar.finish())
    }
}

/// Where a blob lies in the layout.
pub(super) fn path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// How a registry names bytes.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hexadecimal: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hexadecimal}")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use super::*;

    /// What the system's tar says of an archive.
    fn listed(archive: &[u8]) -> String {
        let mut tar = Command::new("tar");
        tar.args(["tvf", "-", "--full-time", "--utc", "--numeric-owner"]);
        let mut tar = tar.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        tar.stdin.take().unwrap().write_all(archive).unwrap();
        let output = tar.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn an_archive_is_read_by_tar_and_says_nothing_of_the_machine() {
        let mut blobs = Blobs::default();
        let descriptor = blobs.add("text/plain", b"hello".to_vec());
        let of_hello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(descriptor["digest"], of_hello);
        assert_eq!(descriptor["size"], 5);
        let listed = listed(&blobs.archive("{}", "[]").unwrap());
        let lines: Vec<_> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        let names: Vec<_> = lines.iter().map(|line| line[5]).collect();
        let blob = path(of_hello);
        assert_eq!(names, ["blobs/", "blobs/sha256/", &blob, "index.json", "manifest.json", "oci-layout"]);
        for line in &lines {
            assert_eq!((line[1], line[3]), ("0/0", "1970-01-01"), "{listed}");
        }
        assert_eq!(lines[2][2], "5");
    }
}
