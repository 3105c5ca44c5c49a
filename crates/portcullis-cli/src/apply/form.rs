//! What every form of output does.

use std::io::{self, Write as _};

use super::judged::Judged;
use crate::offline::policies::Policies;
use crate::offline::verdict::Counts;
use crate::surroundings::{Stream, Surroundings};

/// What a run is about and what came of it so far.
#[derive(Debug)]
pub(crate) struct Run<'r> {
    pub(crate) policies: &'r Policies,
    /// How many resources there are, as far as known before they are read.
    pub(crate) resources: usize,
    pub(crate) counts: Counts,
}

impl Run<'_> {
    /// The line with which the reference begins.
    pub(crate) fn write_heading(&self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let rules = self.policies.rules;
        writeln!(stdout, "\nApplying {rules} policy rule(s) to {} resource(s)...", self.resources)
    }
}

/// A form of output. It is told of each resource as soon as it is judged.
pub(crate) trait Form {
    /// Called before the first resource is judged.
    fn begin(&mut self, run: &Run<'_>, stdout: &mut Stream<'_>) -> io::Result<()>;

    /// Called with each resource.
    fn resource(&mut self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()>;

    /// Called when all are judged.
    fn end(&mut self, run: &Run<'_>, surroundings: &mut Surroundings<'_>) -> io::Result<()>;
}
