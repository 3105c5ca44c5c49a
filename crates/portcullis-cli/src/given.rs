//! Policies, exceptions to them and facts that are given by files, for a server without a cluster.

use std::collections::BTreeMap;

use anyhow::bail;
use portcullis_engine::{self as engine, FixedFacts, Missing, Settings};
use portcullis_kyverno::Policy;
use portcullis_model::{Answer, Question, Resource, Roles, User};
use portcullis_value::{Arena, Object, OwnedValue, Value};

use crate::ServeArguments;
use crate::diagnostics;
use crate::offline::facts::{Facts, Reach};
use crate::offline::inputs::Inputs;
use crate::offline::policies::Policies;
use crate::offline::resources::{self, Scopes};
use crate::offline::user::UserInfo;
use crate::offline::values::{self, Values};
use crate::surroundings::Surroundings;

/// What the files say.
#[derive(Debug, Default)]
pub struct Given {
    pub policies: Vec<Policy>,
    pub facts: GivenFacts,
    /// What the ConfigMap of the configuration says, where it is among the objects.
    pub settings: Settings,
}

/// What the files say of a cluster.
#[derive(Debug, Default)]
pub struct GivenFacts {
    /// Labels of namespaces and roles of users.
    fixed: FixedFacts,
    /// The objects, where they are given: what is not among them is not there.
    objects: Option<Facts>,
}

impl Given {
    /// Reads the files that `arguments` name. Mistakes are told on standard error.
    ///
    /// # Errors
    /// A file cannot be used, or a policy has a mistake: what is served would not be what was written.
    pub fn read(arguments: &ServeArguments, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Self> {
        let policies = Policies::load_with_exceptions(&arguments.policies, surroundings);
        // Each reason was told, and may be a file that is not there.
        if policies.errors > 0 || !policies.left_out.is_empty() {
            bail!("nothing is served: not all that `--policies` names can be used");
        }
        let mut values = match &arguments.values_file {
            Some(path) => read_values(path, surroundings)?,
            None => Values::default(),
        };
        let roles = match &arguments.userinfo {
            Some(path) => Some(UserInfo::read(path, surroundings)?.into_roles()),
            None => None,
        };
        let objects = objects(&arguments.resource, surroundings)?;
        values.add_namespaces(values::namespaces(&objects));
        let settings = settings(arguments, &objects, surroundings);
        let objects = (!arguments.resource.is_empty())
            .then(|| Facts::new(Reach::Cluster, objects, Vec::new(), BTreeMap::new()));
        let fixed = FixedFacts { namespaces: values.into_namespaces(), roles, ..FixedFacts::default() };
        Ok(Self { policies: policies.policies, facts: GivenFacts { fixed, objects }, settings })
    }
}

/// Reads the file of values at `path`, of which the labels of namespaces are used. What else it has is told.
fn read_values(path: &str, surroundings: &mut Surroundings<'_>) -> anyhow::Result<Values> {
    let values = Values::read(path, surroundings)?;
    let others: Vec<_> = values.other_parts().map(|part| format!("`{part}`")).collect();
    if !others.is_empty() {
        let message = format!(
            "not used of `{path}`: {} (a server takes labels of namespaces from it; what rules look up goes into `--resource`)",
            others.join(", ")
        );
        diagnostics::warning(&mut surroundings.stderr, &message);
    }
    Ok(values)
}

fn objects(paths: &[String], surroundings: &mut Surroundings<'_>) -> anyhow::Result<Vec<OwnedValue>> {
    let mut found = Inputs::find(paths, false, surroundings);
    let (objects, told) =
        resources::read_all(&mut found.inputs, &Scopes::default(), &mut surroundings.stderr);
    if found.errors + told > 0 {
        bail!("nothing is served: not all that `--resource` names can be used");
    }
    Ok(objects)
}

/// What the ConfigMap that `arguments` name says, where it is among `objects`. What it has no use for is told.
fn settings(
    arguments: &ServeArguments,
    objects: &[OwnedValue],
    surroundings: &mut Surroundings<'_>,
) -> Settings {
    let arena = Arena::new();
    let is_configuration = |object: &Resource<'_>| {
        (object.kind(), object.namespace(), object.name())
            == ("ConfigMap", arguments.namespace.as_str(), arguments.config_map.as_str())
    };
    let found = objects.iter().map(|object| Resource(object.borrow(&arena))).find(is_configuration);
    let data = found.and_then(|map| map.0.get("data")).and_then(Value::as_object).unwrap_or_default();
    let texts = data.iter().filter_map(|(key, value)| Some((key, value.as_str()?)));
    let (settings, problems) = Settings::read(texts);
    for problem in problems {
        diagnostics::warning(&mut surroundings.stderr, &format!("in the configuration: {problem}"));
    }
    settings
}

impl engine::Facts for GivenFacts {
    fn namespace_labels<'a>(&self, arena: &'a Arena, namespace: &str) -> Result<Object<'a>, Missing> {
        self.fixed.namespace_labels(arena, namespace)
    }

    fn roles<'a>(&self, arena: &'a Arena, user: &User<'_>, namespace: &str) -> Result<Roles<'a>, Missing> {
        self.fixed.roles(arena, user, namespace)
    }

    fn answer(&self, policy_namespace: &str, question: &Question) -> Option<Answer> {
        match self.objects.as_ref().map(|objects| objects.answer(question, Value::Null, |_| false)) {
            None | Some(Answer::Unavailable) => self.fixed.answer(policy_namespace, question),
            answer => answer,
        }
    }
}
