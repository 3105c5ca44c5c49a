//! `explain`: what happened when a policy met a resource, step by step.
//!
//! The steps are the evaluation's own record. A denial in a cluster leaves the same record in its decision, which is
//! printed here too.

mod arguments;
mod json;
mod record;
mod tree;

use portcullis_model::explain::{PolicyExplanation, RecordLimits};
use portcullis_model::{CompiledPolicy, Resource, closest};
use portcullis_value::{Arena, Value};

pub(crate) use arguments::Arguments;
use arguments::Format;
use json::Json;
use tree::Trees;

use crate::apply::policy_key;
use crate::exit::{Ended, Exit, Hinted, hinted, standard_output};
use crate::offline::host::{Circumstances, ResourceHost};
use crate::offline::known::{From, Loaded};
use crate::offline::policies::Policies;
use crate::offline::resources::{self, Scopes};
use crate::surroundings::{Stream, Surroundings};

/// A form in which explanations are printed.
trait Form {
    /// What happened to the rules of some policies, on what `about` says.
    ///
    /// # Errors
    /// Standard output cannot be written.
    fn explanations(
        &mut self,
        about: &About,
        explanations: &[PolicyExplanation],
        stdout: &mut Stream<'_>,
    ) -> std::io::Result<()>;

    /// Ends the output.
    ///
    /// # Errors
    /// Standard output cannot be written.
    fn end(&mut self, stdout: &mut Stream<'_>) -> std::io::Result<()>;
}

/// What explanations are about.
#[derive(Debug)]
struct About {
    api_version: String,
    kind: String,
    namespace: String,
    name: String,
    /// The request, where there was one.
    request: Option<Request>,
}

/// The request that a decision is about.
#[derive(Debug)]
struct Request {
    time: String,
    uid: String,
    operation: String,
    allowed: bool,
}

/// Runs the command.
pub(crate) fn explain(arguments: &Arguments, surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    if arguments.remove_color {
        surroundings.stdout.colour = false;
        surroundings.stderr.colour = false;
    }
    let mut form: Box<dyn Form> = match arguments.format {
        Format::Text => Box::new(Trees::new(&surroundings.stdout)),
        Format::Json => Box::new(Json::default()),
    };
    let exit = match &arguments.record {
        Some(path) => {
            record::print(path, arguments.rule.as_deref(), &mut *form, surroundings)?;
            Exit::SUCCESS
        }
        None => evaluate(arguments, &mut *form, surroundings)?,
    };
    form.end(&mut surroundings.stdout).map_err(standard_output)?;
    Ok(exit)
}

/// Evaluates the policies on each resource, and prints what happened.
fn evaluate(
    arguments: &Arguments,
    form: &mut dyn Form,
    surroundings: &mut Surroundings<'_>,
) -> Result<Exit, Ended> {
    let (policies, resources) = (arguments.policy.as_slice(), arguments.resource.as_slice());
    arguments.known.check(policies, resources)?;
    let loaded = arguments.known.load(policies, resources, From::Files, surroundings)?;
    let Loaded { policies, scopes, mut inputs, circumstances, mut errors, .. } = loaded;
    if policies.policies.is_empty() && errors == 0 {
        return Err(hinted(
            "there is no policy to explain".to_owned(),
            Some("the policy comes first, then the resource"),
        )
        .into());
    }
    if let Some(rule) = &arguments.rule {
        find_rule(rule, &policies)?;
    }
    let circumstances = Circumstances { records: Some(RecordLimits::default()), ..circumstances };
    let mut explaining =
        Explaining { policies: &policies, scopes, circumstances, rule: arguments.rule.as_deref(), form };
    let mut documents = Arena::new();
    let Surroundings { stdout, stderr, .. } = surroundings;
    for input in &mut inputs.inputs {
        errors += resources::each(input, stderr, &mut documents, |resource, _| {
            explaining.resource(resource, stdout).map_err(|error| Ended::from(standard_output(error)))
        })?;
    }
    Ok(if errors == 0 { Exit::SUCCESS } else { Exit::FAILURE })
}

/// Refuses a name that no rule has.
fn find_rule(rule: &str, policies: &Policies) -> anyhow::Result<()> {
    let names: Vec<_> =
        policies.policies.iter().flat_map(|policy| policy.rule_kinds()).map(|(name, _)| name).collect();
    if names.is_empty() || names.contains(&rule) {
        return Ok(());
    }
    let hint = meant(rule, names);
    Err(Hinted { message: format!("no rule is named `{rule}`"), hint }.into())
}

/// Which of `names` was probably meant by `rule`, or all of them.
fn meant<'n>(rule: &str, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    match closest(rule, names.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!("there are {}", names.join(", ")),
    }
}

/// A run under way.
struct Explaining<'e> {
    policies: &'e Policies,
    scopes: Scopes,
    circumstances: Circumstances,
    /// The only rule that is asked for.
    rule: Option<&'e str>,
    form: &'e mut dyn Form,
}

impl Explaining<'_> {
    fn resource(&mut self, resource: Value<'_>, stdout: &mut Stream<'_>) -> std::io::Result<()> {
        let arena = &Arena::new();
        let policies: Vec<_> =
            self.policies.policies.iter().map(|policy| policy as &dyn CompiledPolicy).collect();
        let resource = self.scopes.complete(arena, resource);
        let host = ResourceHost::new(&self.circumstances, arena, resource, None);
        let mut judgement = portcullis_engine::judge(&policies, Some(resource), arena, &host);
        let mut explanations = Vec::new();
        for (index, policy) in self.policies.policies.iter().enumerate() {
            let of_policy = judgement.responses.iter_mut().filter(|response| response.policy == index);
            let rules = of_policy.flat_map(|response| std::mem::take(&mut response.explanations));
            let rules: Vec<_> = rules.filter(|rule| self.rule.is_none_or(|name| rule.rule == name)).collect();
            if !rules.is_empty() {
                explanations.push(PolicyExplanation { policy: policy_key(policy), rules });
            }
        }
        let resource = Resource(resource);
        let about = About {
            api_version: resource.gvk().api_version().to_string(),
            kind: resource.kind().to_owned(),
            namespace: resource.namespace().to_owned(),
            name: resource.name().to_owned(),
            request: None,
        };
        self.form.explanations(&about, &explanations, stdout)
    }
}
