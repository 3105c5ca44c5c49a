//! A replica that has no more than a container of the Deployment: a root folder that takes no file, a user without a name,
//! little memory, and a name server that never answers.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{Replica, Replicas, files};

/// What starts it.
const SCRIPT: &str = include_str!("confined.sh");

/// The memory limit and the user of the Deployment.
pub const MEMORY: u64 = 128 << 20;
const USER: u64 = 65532;

/// What may be written to of all its memory. Unlike the limit of a container it counts what never is, as most of the stacks of
/// threads: the memory that is in use is to be looked at besides.
const WRITABLE: u64 = 2 * MEMORY;

impl Replicas<'_> {
    /// New replicas are confined from now on. Says whether they have a root folder of their own, which takes the right to
    /// mount; where it is missing, a line says so, and only memory is short.
    ///
    /// # Errors
    /// The script that confines them cannot be written.
    pub fn confine(&mut self) -> Result<bool> {
        let is_isolated = may_mount();
        if !is_isolated {
            // Past the test runner, in CI too: what a user may is no tool that could be installed.
            let _ = writeln!(
                io::stderr(),
                "skipped: this user may not mount, to give a replica a root folder that is read-only"
            );
        }
        let folder = self.folder();
        let (root, script) = (folder.join("root"), folder.join("confined.sh"));
        files::make_folder(&root)?;
        let text = [
            ("'PROGRAM'", format!("'{}'", self.program().display())),
            ("'ROOT'", format!("'{}'", root.display())),
            ("MEMORY", (WRITABLE >> 10).to_string()),
            ("=USER", format!("={USER}")),
            ("ISOLATED", is_isolated.to_string()),
        ]
        .iter()
        .fold(SCRIPT.to_owned(), |text, (name, value)| text.replacen(name, value, 1));
        files::write_executable(&script, &text)?;
        self.run_program(&script);
        Ok(is_isolated)
    }
}

impl Replica {
    /// Fails unless the kernel says that the process is confined.
    ///
    /// # Errors
    /// It is not, or does not run.
    pub fn ensure_confined(&self, is_isolated: bool) -> Result<()> {
        let limits = self.told("limits")?;
        let data = limits.lines().find_map(|line| line.strip_prefix("Max data size")).unwrap_or_default();
        ensure!(data.split_whitespace().next() == Some(&*WRITABLE.to_string()), "{limits}");
        if is_isolated {
            let mounts = self.told("mountinfo")?;
            // The fifth word is where it is mounted, the sixth how.
            let root = mounts.lines().find_map(|line| {
                let mut words = line.split(' ').skip(4);
                (words.next() == Some("/")).then(|| words.next()).flatten()
            });
            ensure!(root.is_some_and(|how| how.split(',').any(|option| option == "ro")), "{mounts}");
            ensure!(self.status("Uid:")? == USER);
            ensure!(self.status("CapEff:")? == 0, "it has rights that a container has not");
        }
        Ok(())
    }

    /// The most memory that the process has had at once, in bytes, without the pages of its binary: those of a debug build are
    /// many, and the kernel takes them back where memory is short.
    ///
    /// # Errors
    /// It does not run.
    pub fn peak_memory(&self) -> Result<u64> {
        let of_files = self.status("RssFile:")?;
        Ok(self.status("VmHWM:")?.saturating_sub(of_files) << 10)
    }

    /// The first number of a field.
    fn status(&self, field: &str) -> Result<u64> {
        let status = self.told("status")?;
        let rest = status.lines().find_map(|line| line.strip_prefix(field));
        let number = rest.and_then(|rest| rest.split_whitespace().next());
        number
            .with_context(|| format!("no {field}"))?
            .parse()
            .with_context(|| format!("{field} is no number"))
    }

    /// What the kernel tells of the process.
    fn told(&self, about: &str) -> Result<String> {
        files::read(Path::new(&format!("/proc/{}/{about}", self.process.id()?)))
    }
}

/// Whether this user may make mounts that nobody else sees, and become another user.
fn may_mount() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["--mount", "--propagation", "private", "sh", "-c"]);
    probe.arg("mount -t tmpfs none /proc && chroot --userspec=1:1 / true");
    let status = probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
