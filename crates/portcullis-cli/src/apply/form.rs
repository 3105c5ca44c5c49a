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
    pub(crate) exceptions: usize,
    /// How many resources there are, as far as known before they are read.
    pub(crate) resources: usize,
    pub(crate) counts: Counts,
}

impl Run<'_> {
    /// The line with which the reference begins.
    pub(crate) fn write_heading(&self, stdout: &mut Stream<'_>) -> io::Result<()> {
        let Self { exceptions, resources, .. } = self;
        write!(stdout, "\nApplying {} policy rule(s) to {resources} resource(s)", self.policies.rules)?;
        match exceptions {
            0 => writeln!(stdout, "..."),
            _ => writeln!(stdout, " with {exceptions} exception(s)..."),
        }
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
