//! `apply`: policies on resources, in files or in a cluster.
//!
//! The order of work is the reference's: policies are loaded and checked, the resources are counted, then each resource
//! goes through the mutate rules of all policies and, as they leave it, through their other rules. One resource is in
//! memory at a time, whatever the size of the files; what grows is the output.

mod arguments;
mod document;
mod form;
mod judged;
mod mutations;
mod output_files;
mod report;
mod table;
mod text;

use std::io::Write as _;

use portcullis_model::CompiledPolicy;
use portcullis_value::{Arena, Value};

pub(crate) use arguments::Arguments;
use arguments::Format;
use document::Document;
use form::{Form, Run};
use judged::Judged;
use mutations::Mutations;
use output_files::OutputFiles;
use report::Report;
use table::Table;
pub(crate) use table::policy_key;
use text::Text;

use crate::cluster::Commands;
use crate::diagnostics;
use crate::exit::{Ended, Exit, hinted, standard_output};
use crate::files;
use crate::offline::host::{Circumstances, ResourceHost};
use crate::offline::inputs::Inputs;
use crate::offline::known::{From, Loaded};
use crate::offline::resources::{self, Scopes};
use crate::offline::verdict::Counts;
use crate::progress::Progress;
use crate::surroundings::{Stream, Surroundings};

/// Runs the command.
pub(crate) fn apply(
    arguments: &Arguments,
    surroundings: &mut Surroundings<'_>,
    cluster: &dyn Commands,
) -> Result<Exit, Ended> {
    arguments.check()?;
    if arguments.remove_color {
        surroundings.stdout.colour = false;
        surroundings.stderr.colour = false;
    }
    for (flag, other) in arguments.idle() {
        diagnostics::warning(&mut surroundings.stderr, &format!("`{flag}` does nothing without `{other}`"));
    }
    let chosen = &arguments.from_cluster;
    let reach = chosen.cluster.then(|| cluster.reach(&chosen.access)).transpose()?;
    let from = reach.map_or(From::Files, |reach| From::Cluster(Box::new(reach), chosen));
    let loaded = arguments.known.load(&arguments.policies, &arguments.resource, from, surroundings)?;
    let Loaded { policies, exceptions, scopes, mut inputs, circumstances, errors } = loaded;
    let output = arguments.output.as_deref().map(|path| output(path, arguments, surroundings));
    let explain =
        matches!(arguments.form(), Format::Text | Format::Json | Format::Yaml) && !arguments.policy_report;
    let mut work = Work {
        arguments,
        policies: policies.policies.iter().map(|policy| policy as &dyn CompiledPolicy).collect(),
        circumstances: Circumstances { explain, reports: arguments.policy_report, ..circumstances },
        scopes,
        form: form(arguments, surroundings),
        output: output.transpose()?,
        run: Run {
            policies: &policies,
            exceptions,
            resources: inputs.inputs.iter_mut().map(resources::count).sum(),
            counts: Counts { error: errors, ..Counts::default() },
        },
        arena: Arena::new(),
    };
    work.form.begin(&work.run, &mut surroundings.stdout).map_err(standard_output)?;
    work.judge_all(&mut inputs, surroundings)?;
    if let Some(output) = work.output.take() {
        output.finish()?;
    }
    work.form.end(&work.run, surroundings).map_err(standard_output)?;
    Ok(exit(arguments, &work.run.counts, surroundings))
}

/// Begins to write to `path`, which is none of the policies.
fn output(
    path: &str,
    arguments: &Arguments,
    surroundings: &Surroundings<'_>,
) -> Result<OutputFiles, anyhow::Error> {
    let at = |path: &str| surroundings.directory.join(path);
    if arguments.policies.iter().any(|policy| files::is_same(&at(policy), &at(path)) && at(path).is_file()) {
        let hint = Some("the mutated resources would take its place: name another file");
        return Err(hinted(format!("cannot write `{path}`: it is one of the policies"), hint));
    }
    Ok(OutputFiles::create(&at(path))?)
}

/// The form that the arguments ask for.
fn form(arguments: &Arguments, surroundings: &Surroundings<'_>) -> Box<dyn Form> {
    let mutations =
        Mutations { diff: arguments.diff, bare: arguments.stdin, hidden: arguments.output.is_some() };
    if arguments.policy_report {
        return Box::new(Report::new(
            mutations,
            arguments.output_format.unwrap_or_default(),
            surroundings.now,
        ));
    }
    match arguments.form() {
        Format::Text => Box::new(Text::new(mutations, surroundings)),
        Format::Table => Box::new(Table::new(mutations, arguments.detailed_results)),
        Format::Json => Box::new(Document::json()),
        Format::Yaml => Box::new(Document::yaml()),
    }
}

/// A run under way.
struct Work<'w> {
    arguments: &'w Arguments,
    policies: Vec<&'w dyn CompiledPolicy>,
    circumstances: Circumstances,
    scopes: Scopes,
    form: Box<dyn Form>,
    output: Option<OutputFiles>,
    run: Run<'w>,
    /// Where one resource is judged; emptied before the next.
    arena: Arena,
}

impl Work<'_> {
    fn judge_all(&mut self, inputs: &mut Inputs, surroundings: &mut Surroundings<'_>) -> Result<(), Ended> {
        let mut progress = Progress::new(self.run.resources, surroundings);
        let mut documents = Arena::new();
        let Surroundings { stdout, stderr, .. } = surroundings;
        for input in &mut inputs.inputs {
            let errors = resources::each(input, stderr, &mut documents, |resource, stderr| {
                let judged = self.judge(resource, stdout, stderr);
                progress.advance(stderr);
                judged
            });
            progress.clear(stderr);
            self.run.counts.error += errors?;
        }
        Ok(())
    }

    fn judge(
        &mut self,
        resource: Value<'_>,
        stdout: &mut Stream<'_>,
        stderr: &mut Stream<'_>,
    ) -> Result<(), Ended> {
        self.arena.reset();
        let arena = &self.arena;
        let resource = self.scopes.complete(arena, resource);
        let host = ResourceHost::new(&self.circumstances, arena, resource, None);
        let judgement = portcullis_engine::judge(&self.policies, Some(resource), arena, &host);
        let judged = Judged {
            resource: portcullis_model::Resource(resource),
            namespace_labels: host.namespace_labels(),
            policies: &self.run.policies.policies,
            responses: &judgement.responses,
            arena,
            audit_warn: self.arguments.audit_warn,
            record: self.arguments.record,
        };
        judged.outcomes().for_each(|(_, _, verdict)| self.run.counts.add(verdict));
        self.form.resource(&judged, stdout).map_err(standard_output)?;
        if self.arguments.record
            && let Some(warning) = judged.mutations().iter().find_map(|mutation| mutation.warning)
        {
            diagnostics::warning(stderr, &format!("{}: {warning}", judged.resource.key()));
        }
        if let Some(output) = &mut self.output {
            let mutations = judged.mutations();
            match mutations::outcome(&mutations) {
                Some((object, _)) => output.add(object)?,
                None if mutations.is_empty() => {}
                None => {
                    let message =
                        format!("{} is not written: a mutate rule failed on it", judged.resource.key());
                    diagnostics::warning(stderr, &message);
                }
            }
            for (_, target) in mutations.iter().flat_map(|mutation| &mutation.targets) {
                output.add(*target)?;
            }
            for (policy, objects) in judged.generated() {
                objects.iter().try_for_each(|object| output.add_generated(policy.name(), *object))?;
            }
        }
        Ok(())
    }
}

/// The exit code that the counts come to.
fn exit(arguments: &Arguments, counts: &Counts, surroundings: &mut Surroundings<'_>) -> Exit {
    let code = arguments.warn_exit_code;
    let words = match () {
        () if counts.fail > 0 || counts.error > 0 => return Exit::FAILURE,
        () if counts.warn > 0 && code != 0 => format!("exit as warnExitCode is {code}"),
        () if counts.pass == 0 && arguments.warn_no_pass => "exit as no objects satisfied policy".to_owned(),
        () => return Exit::SUCCESS,
    };
    let _ = writeln!(surroundings.stderr, "{words}");
    Exit(code)
}
