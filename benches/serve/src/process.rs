//! What a process has had of the machine.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// A process by its number.
#[derive(Clone, Copy)]
pub(crate) struct Process(Pid);

impl Process {
    pub(crate) fn new(id: u32) -> Result<Self> {
        Ok(Self(Pid::from_raw(i32::try_from(id)?)))
    }

    pub(crate) fn id(self) -> Pid {
        self.0
    }

    /// The processor time that all its threads have had, user and system.
    pub(crate) fn processor_time(self) -> Result<Duration> {
        Ok(clock_getcpuclockid(self.0)?.now()?.into())
    }

    /// Its resident memory in MiB.
    pub(crate) fn resident(self) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0))?;
        let field = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes: f64 =
            field.and_then(|text| text.split_whitespace().next()).context("no VmRSS")?.parse()?;
        Ok(kibibytes / 1024.0)
    }
}
