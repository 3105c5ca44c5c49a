//! Results as a table.

use std::io::{self, Write as _};

use portcullis_kyverno::Policy;
use portcullis_model::{CompiledPolicy as _, Resource};

use super::form::{Form, Run};
use super::judged::Judged;
use super::mutations::Mutations;
use crate::grid;
use crate::surroundings::{Stream, Surroundings};

/// The table form.
#[derive(Debug)]
pub(crate) struct Table {
    mutations: Mutations,
    /// Whether it has a column of messages.
    detailed: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(mutations: Mutations, detailed: bool) -> Self {
        Self { mutations, detailed, rows: Vec::new() }
    }
}

/// `namespace/name`, or the name of a policy of the whole cluster.
pub(crate) fn policy_key(policy: &Policy) -> String {
    match policy.namespace() {
        "" => policy.name().to_owned(),
        namespace => format!("{namespace}/{}", policy.name()),
    }
}

/// `namespace/Kind/name`, without the namespace where there is none.
fn resource_key(resource: Resource<'_>) -> String {
    let key = resource.key().to_string();
    key.strip_prefix('/').map_or_else(|| key.clone(), str::to_owned)
}

impl Form for Table {
    fn begin(&mut self, run: &Run<'_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        if self.mutations.bare { Ok(()) } else { run.write_heading(stdout) }
    }

    fn resource(&mut self, judged: &Judged<'_, '_>, stdout: &mut Stream<'_>) -> io::Result<()> {
        self.mutations.print(judged, stdout)?;
        let resource = resource_key(judged.resource);
        for (policy, outcome, verdict) in judged.outcomes() {
            let id = (self.rows.len() + 1).to_string();
            // The column REASON is the reference's; it is always empty there.
            let mut row = vec![id, policy_key(policy), outcome.rule.to_owned(), resource.clone()];
            row.extend([verdict.title().to_owned(), String::new()]);
            if self.detailed {
                row.push(outcome.message.to_string());
            }
            self.rows.push(row);
        }
        Ok(())
    }

    fn end(&mut self, _run: &Run<'_>, surroundings: &mut Surroundings<'_>) -> io::Result<()> {
        let stdout = &mut surroundings.stdout;
        let columns = ["ID", "POLICY", "RULE", "RESOURCE", "RESULT", "REASON", "MESSAGE"];
        let columns = columns.get(..if self.detailed { 7 } else { 6 }).unwrap_or_default();
        let grid = grid::grid(columns, std::mem::take(&mut self.rows), stdout.width);
        writeln!(stdout, "{grid}")
    }
}
