//! What is known beside policies and resources, as the commands that evaluate policies are given it.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use portcullis_kyverno::PolicyException;

use super::exceptions::{self, Files};
use super::facts::Facts;
use super::from_cluster::ClusterResources;
use super::host::Circumstances;
use super::inputs::Inputs;
use super::policies::Policies;
use super::resources::{self, Scopes};
use super::user::UserInfo;
use super::values::Values;
use crate::cluster::Reach;
use crate::surroundings::Surroundings;

/// The arguments for it.
#[derive(Debug, Default, Args)]
pub(crate) struct Known {
    /// Resources that rules change which mutate existing ones, beside those above: files and folders; several with commas
    /// between
    #[arg(long, visible_alias = "target-resources", value_name = "PATH", value_delimiter = ',')]
    #[arg(help_heading = "Input")]
    pub(crate) target_resource: Vec<String>,

    /// Values of variables and what else a cluster would know
    #[arg(short = 'f', long, value_name = "FILE", help_heading = "Input")]
    pub(crate) values_file: Option<String>,

    /// Values of variables, as NAME=VALUE
    #[arg(short, long, value_name = "NAME=VALUE", value_delimiter = ',', help_heading = "Input")]
    pub(crate) set: Vec<String>,

    /// Who makes the request: name, groups, roles
    #[arg(short, long, value_name = "FILE", help_heading = "Input")]
    pub(crate) userinfo: Option<String>,

    /// Exceptions to the policies: files and folders; several with commas between
    #[arg(short, long, visible_alias = "exceptions", value_name = "PATH", value_delimiter = ',')]
    #[arg(help_heading = "Input")]
    pub(crate) exception: Vec<String>,

    /// Take the exceptions from among the resources
    #[arg(long, visible_alias = "exceptions-with-resources", help_heading = "Input")]
    pub(crate) exceptions_within_resources: bool,

    /// Take those among the policies too
    #[arg(long, help_heading = "Input")]
    pub(crate) exceptions_within_policies: bool,

    /// Custom resource definitions, which say what kinds live outside namespaces
    #[arg(
        long,
        visible_alias = "crd-path",
        value_name = "PATH",
        value_delimiter = ',',
        help_heading = "Input"
    )]
    pub(crate) crd_paths: Vec<String>,
}

/// Where resources come from.
#[derive(Debug)]
pub(crate) enum From<'f> {
    Files,
    Cluster(Box<Reach>, &'f ClusterResources),
}

/// Policies, resources and all that is known beside them, loaded.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) policies: Policies,
    /// How many exceptions there are.
    pub(crate) exceptions: usize,
    pub(crate) scopes: Scopes,
    pub(crate) inputs: Inputs,
    pub(crate) circumstances: Circumstances,
    /// How many mistakes were told, in all of them.
    pub(crate) errors: usize,
}

impl Known {
    /// Refuses what contradicts itself or is not there yet.
    pub(crate) fn check(&self, policies: &[String], resources: &[String]) -> anyhow::Result<()> {
        let is_remote = |path: &&String| path.starts_with("http://") || path.starts_with("https://");
        if let Some(address) = policies.iter().find(is_remote) {
            anyhow::bail!("`{address}` is not read: taking policies from git comes in a later version");
        }
        if let Some(address) = resources.iter().chain(&self.target_resource).find(is_remote) {
            anyhow::bail!(
                "`{address}` is not read: taking resources from the network comes in a later version"
            );
        }
        if self.values_file.is_some() && !self.set.is_empty() {
            anyhow::bail!("pass the values either using set flag or values_file flag");
        }
        let dashes = |paths: &[String]| paths.iter().filter(|path| *path == "-").count();
        if dashes(policies) + dashes(resources) + dashes(&self.target_resource) > 1 {
            anyhow::bail!("a stdin pipe can be used for either policies or resources, not both");
        }
        Ok(())
    }

    /// Loads `policies`, what is found of `resources`, and what is known beside them. Mistakes in policies and resources
    /// are told and counted.
    ///
    /// # Errors
    /// What a run cannot do without cannot be used.
    pub(crate) fn load(
        &self,
        policies: &[String],
        resources: &[String],
        from: From<'_>,
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<Loaded> {
        let mut values = match &self.values_file {
            Some(path) => Values::read(path, surroundings)?,
            None => Values::set(&self.set, surroundings)?,
        };
        let user = self.userinfo.as_deref().map(|path| UserInfo::read(path, surroundings)).transpose()?;
        let user = user.and_then(UserInfo::known);
        let paths = policies;
        let mut policies = Policies::load(paths, surroundings);
        let exceptions = self.exceptions(paths, resources, surroundings)?;
        policies.except(&exceptions);
        let (scopes, scope_errors) = Scopes::read(&self.crd_paths, surroundings);
        let mut inputs = match &from {
            From::Files => Inputs::find(resources, false, surroundings),
            From::Cluster(reach, chosen) => {
                let found = chosen.read(reach, &policies.policies, resources, surroundings)?;
                values.add_namespaces(found.namespaces);
                found.inputs
            }
        };
        let mut target_inputs = Inputs::find(&self.target_resource, false, surroundings);
        let (targets, told) =
            resources::read_all(&mut target_inputs.inputs, &scopes, &mut surroundings.stderr);
        let facts = match (policies.ask_for_resources, from) {
            (true, From::Files) => Facts::read(&mut inputs.inputs, targets, &scopes),
            (true, From::Cluster(reach, _)) => Facts::of_cluster(*reach, targets),
            (false, _) => Facts::default(),
        };
        let (now, seed) = (surroundings.now, surroundings.seed);
        let circumstances = Circumstances { values, user, facts, now, seed, ..Circumstances::default() };
        let errors = policies.left_out.len()
            + policies.errors
            + inputs.errors
            + target_inputs.errors
            + told
            + scope_errors;
        Ok(Loaded { policies, exceptions: exceptions.len(), scopes, inputs, circumstances, errors })
    }

    fn exceptions(
        &self,
        policies: &[String],
        resources: &[String],
        surroundings: &mut Surroundings<'_>,
    ) -> anyhow::Result<Vec<Arc<PolicyException>>> {
        let is_stdin = |paths: &[String]| paths.iter().any(|path| path == "-");
        if self.exceptions_within_resources && is_stdin(resources)
            || self.exceptions_within_policies && is_stdin(policies)
        {
            bail!("exceptions are not looked for on standard input");
        }
        let mut exceptions = match self.exceptions_within_resources {
            true => exceptions::read(resources, Files::OfOthers, surroundings)?,
            false => exceptions::read(&self.exception, Files::OfExceptions, surroundings)?,
        };
        if self.exceptions_within_policies {
            exceptions.extend(exceptions::read(policies, Files::OfOthers, surroundings)?);
        }
        Ok(exceptions)
    }
}
