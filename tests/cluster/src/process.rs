//! A program that never outlives this process.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};

use crate::{Programs, files};

/// A program under `lifeline`: it is killed when this value is dropped or this process ends, whichever way.
#[derive(Debug)]
pub struct Process {
    name: String,
    lifeline: Child,
    /// Held open while the program is to live.
    line: Option<ChildStdin>,
    log: PathBuf,
}

/// How to start a program.
#[derive(Debug)]
pub(crate) struct Start<'a> {
    pub(crate) program: &'a Path,
    pub(crate) arguments: &'a [String],
    pub(crate) environment: &'a [(&'a str, &'a OsStr)],
    /// What it prints goes to the end of this file.
    pub(crate) log: PathBuf,
    /// A folder that is removed once it has ended.
    pub(crate) remove: Option<&'a Path>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Errors
    /// When `lifeline` cannot be started or the log cannot be written. A program that cannot be started ends at once.
    pub(crate) fn start(programs: &Programs, start: &Start<'_>) -> Result<Process> {
        let log = files::append(&start.log)?;
        let mut command = Command::new(programs.path("lifeline"));
        if let Some(folder) = start.remove {
            command.arg("--remove").arg(folder);
        }
        command
            .arg(start.program)
            .args(start.arguments)
            .envs(start.environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("cannot share a log")?)
            .stderr(log)
            // Ctrl-C in a terminal is for this process alone, which ends the others in order.
            .process_group(0);
        let mut lifeline = command
            .spawn()
            .with_context(|| format!("cannot run `{}`", programs.path("lifeline").display()))?;
        let line = lifeline.stdin.take();
        let name =
            start.program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Process { name, lifeline, line, log: start.log.clone() })
    }

    /// The name of the program.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the program's process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn id(&self) -> Result<u32> {
        // `lifeline` has one child; which of its threads started it is no concern of ours.
        let threads = format!("/proc/{}/task", self.lifeline.id());
        let mut children = files::names_in(Path::new(&threads))?.into_iter().map(|thread| {
            let children = files::read(Path::new(&format!("{threads}/{thread}/children")))?;
            Ok(children.split_whitespace().next().map(str::parse).transpose()?)
        });
        let first = children.find_map(Result::<Option<u32>>::transpose);
        first.with_context(|| format!("`{}` does not run", self.name))?
    }

    /// Sends a signal by its name: `SIGTERM`, `SIGSTOP`, ...
    ///
    /// # Errors
    /// When the program has ended.
    pub fn signal(&mut self, name: &str) -> Result<()> {
        let sent = self.line.as_mut().map_or(Err(std::io::ErrorKind::BrokenPipe.into()), |line| {
            line.write_all(format!("{name}\n").as_bytes())
        });
        sent.with_context(|| format!("cannot send {name} to `{}`", self.name))
    }

    /// How the program ended, if it has. A signal is told as a shell does: exit code 128 and its number.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.lifeline.try_wait().with_context(|| format!("cannot tell whether `{}` runs", self.name))
    }

    /// Whether [`Process::kill`] was called.
    pub(crate) fn is_killed(&self) -> bool {
        self.line.is_none()
    }

    /// Kills the program with SIGKILL and waits until it is gone.
    pub fn kill(&mut self) {
        self.line = None;
        // A wait that fails has nothing to wait for.
        let _ = self.lifeline.wait();
    }

    /// What the program has printed so far, the output of earlier runs with the same log included.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn log(&self) -> Result<String> {
        files::read(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
