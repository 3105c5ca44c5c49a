//! The binary started where nothing else is: an empty root folder, as the user of the image.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{files, output};

/// A cluster whose name only the file of hosts knows, and where nobody listens.
const KUBECONFIG: &str = "\
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: c, cluster: {server: \"https://api.cluster.test:1\", certificate-authority: /ca.crt}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {token: t}}]
";

/// An authority, as a Pod finds one beside its token: an empty folder has none of the system.
const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIUTvypWdYnFcMrABnLCOdyd5pe2jUwCgYIKoZIzj0EAwIw
EDEOMAwGA1UEAwwFdHJpYWwwIBcNMjYxMTI2MDEzNDE2WhgPMjEyNjExMDIwMTM0
MTZaMBAxDjAMBgNVBAMMBXRyaWFsMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE
/TKvRW92ZinM4VJb+N32ldu8z/Eh5bd8LQZuy6jZns7PH4/A09VLwU0AuGkMCBg9
ht5+KqCFY/1+4XIDN4+jyqNTMFEwHQYDVR0OBBYEFK02ISVlVmEK5yUINx4/aPwQ
J1GtMB8GA1UdIwQYMBaAFK02ISVlVmEK5yUINx4/aPwQJ1GtMA8GA1UdEwEB/wQF
MAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIhAP1bws8GG3wSnII8ST3iIoXi0y2i4Yzt
lD7juC/aCKNqAiBOv9igdGwRyDzByQLvZ8OOAnEncrom+43nUVrCJhktGQ==
-----END CERTIFICATE-----
";

/// Runs `binary` as `user` in a folder that holds it, a kubeconfig and a file of hosts: it starts, and resolves a name. One of
/// another platform is run by `emulator`, which is in the folder as well.
pub(super) fn run(binary: &Path, emulator: Option<&str>, user: u32) -> Result<()> {
    let folder = files::target().join("image/root");
    files::remove_folder(&folder)?;
    files::write_executable(&folder.join("portcullis"), &files::read_bytes(binary)?)?;
    files::write(&folder.join("kubeconfig"), KUBECONFIG.as_bytes())?;
    files::write(&folder.join("ca.crt"), AUTHORITY.as_bytes())?;
    files::write(&folder.join("etc/hosts"), b"127.0.0.1 api.cluster.test\n")?;
    if let Some(emulator) = emulator {
        let Some(found) = find(emulator) else {
            output::line(&format!("skipped: there is no `{emulator}` here, to start `{}`", binary.display()));
            return Ok(());
        };
        files::write_executable(&folder.join(EMULATOR), &files::read_bytes(&found)?)?;
    }
    let root = Root { folder, is_emulated: emulator.is_some(), user };
    if !root.may_be_changed_to() {
        // No more than a line, in CI too: what a user may is no tool that could be installed.
        output::line(
            "skipped: this user may not change the root folder, to start the binary in an empty one",
        );
        return Ok(());
    }
    let version = root.inside(&["--version"])?;
    ensure!(version.contains("portcullis "), "in an empty root folder the binary says: {version}");
    let asked = root.inside(&["disarm", "--kubeconfig", "/kubeconfig"])?;
    // Nobody listens there, and that is known only once the name has an address.
    if !asked.contains("connection refused") {
        bail!("in an empty root folder the binary resolves no name: {asked}");
    }
    let by = emulator.map(|emulator| format!(" by {emulator}")).unwrap_or_default();
    output::line(&format!(
        "in an empty root folder, as user {user}{by}, the binary starts and resolves names"
    ));
    Ok(())
}

/// What an emulator is called in the folder.
const EMULATOR: &str = "emulator";

/// The path of a program, if there is one.
fn find(program: &str) -> Option<PathBuf> {
    let folders = files::variable("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// The folder that is to be the root, and who runs what in it.
struct Root {
    folder: PathBuf,
    is_emulated: bool,
    user: u32,
}

impl Root {
    /// All that a run prints.
    fn inside(&self, arguments: &[&str]) -> Result<String> {
        let output = self.chroot(arguments).output().context("cannot run `chroot`")?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// Whether the system lets us: what cannot be run at all has another exit code than what runs and fails.
    fn may_be_changed_to(&self) -> bool {
        let mut chroot = self.chroot(&["--version"]);
        let status = chroot.stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.code() != Some(125))
    }

    fn chroot(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("chroot");
        command.arg(format!("--userspec={0}:{0}", self.user)).arg(&self.folder);
        if self.is_emulated {
            command.arg(format!("/{EMULATOR}"));
        }
        command.arg("/portcullis").args(arguments);
        // Without a search path only some of the folders of programs are looked into.
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").stdin(Stdio::null());
        command
    }
}
