//! The objects of an installation.
//!
//! They are written once, as the templates of the Helm chart. What Helm makes of those with the values of an installation
//! stands in `deploy`, and is carried in the binary; here it gets the few things that `portcullis install` lets one choose.

use anyhow::Context as _;
use kube::core::DynamicObject;
use portcullis_cli::InstallArguments;
use portcullis_value::{Arena, json};
use serde_json::{Value as Json, json};

use super::NAME;

/// What Helm makes of the chart.
const CHART: [&str; 4] = [
    include_str!("../../../../deploy/portcullis.yaml"),
    include_str!("../../../../deploy/roles.yaml"),
    include_str!("../../../../deploy/beside-kyverno.yaml"),
    include_str!("../../../../deploy/retention.yaml"),
];

/// The argument that keeps policies from failing closed.
const IGNORE: &str = "--force-failure-policy-ignore";
const BESIDE_KYVERNO: &str = "--beside-kyverno";
const RETENTION: &str = "--retention";
const EXCEPTIONS: &str = "--exception-namespace";

/// The binding that lets it read what it judges, where nobody sends that.
const READER: &str = "portcullis-beside-kyverno";

/// The role, and its binding, that lets it write to Jobs.
const RETAINER: &str = "portcullis-retention";

/// What of the objects can be chosen.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    pub(super) namespace: String,
    pub(super) replicas: Option<u16>,
    pub(super) image: Option<String>,
    pub(super) ignore_failures: bool,
    pub(super) beside_kyverno: bool,
    pub(super) retention: bool,
    pub(super) exception_namespace: Option<String>,
}

impl Choices {
    /// Those of an installation in `namespace` of which nothing else is known.
    pub(super) fn in_namespace(namespace: &str) -> Self {
        let namespace = namespace.to_owned();
        Self {
            namespace,
            replicas: None,
            image: None,
            ignore_failures: false,
            beside_kyverno: false,
            retention: false,
            exception_namespace: None,
        }
    }
}

impl From<&InstallArguments> for Choices {
    fn from(arguments: &InstallArguments) -> Self {
        Self {
            namespace: arguments.namespace.namespace.clone(),
            replicas: arguments.replicas,
            image: arguments.image.clone(),
            ignore_failures: arguments.force_failure_policy_ignore,
            beside_kyverno: arguments.beside_kyverno,
            retention: arguments.retention,
            exception_namespace: arguments.exception_namespace.clone(),
        }
    }
}

/// The definitions of policies and of JobRetention.
///
/// # Errors
/// None that a user can bring about.
pub(super) fn definitions() -> anyhow::Result<Vec<DynamicObject>> {
    let arena = Arena::new();
    let definitions = portcullis_cli::definitions(&arena);
    let typed = |definition| Ok(serde_json::from_str(&json::Writer::compact().to_string(definition))?);
    definitions.into_iter().map(typed).collect()
}

/// The objects of an installation.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    /// What is to be there, in the order in which it is made: what an object needs comes before it.
    pub(super) chosen: Vec<DynamicObject>,
    /// What belongs to another choice, and an earlier installation may have left.
    pub(super) left_out: Vec<DynamicObject>,
}

/// Everything but the definitions.
///
/// # Errors
/// None that a user can bring about.
pub(super) fn objects(choices: &Choices) -> anyhow::Result<Objects> {
    let mut objects = Objects::default();
    for source in CHART.into_iter().flat_map(portcullis_yaml::documents) {
        let arena = Arena::new();
        let document = source?.read(&arena)?;
        let mut object = serde_json::from_str(&json::Writer::compact().to_string(document.value))?;
        let is_chosen = choose(&mut object, choices).context("a file of deploy lacks a field")?;
        let place = if is_chosen { &mut objects.chosen } else { &mut objects.left_out };
        place.push(serde_json::from_value(object)?);
    }
    objects.chosen.sort_by_key(place);
    Ok(objects)
}

/// What comes before what: everything is in the namespace, a binding is of a role, and a Pod starts with the roles it is to have.
fn place(object: &DynamicObject) -> u8 {
    match kind(object) {
        "Namespace" => 0,
        "ClusterRoleBinding" | "RoleBinding" => 2,
        "Deployment" => 3,
        _ => 1,
    }
}

/// Makes the object what is chosen. Says whether there is to be one at all; nothing if it is not what we know.
fn choose(object: &mut Json, choices: &Choices) -> Option<bool> {
    let kind = object.get("kind")?.as_str()?.to_owned();
    let metadata = object.get_mut("metadata")?;
    let is_reader = metadata.get("name")? == READER;
    let is_retainer = metadata.get("name")? == RETAINER;
    if let Some(namespace) = metadata.get_mut("namespace") {
        *namespace = json!(choices.namespace);
    }
    if kind == "Namespace" {
        *metadata.get_mut("name")? = json!(choices.namespace);
    }
    for subject in object.get_mut("subjects").and_then(Json::as_array_mut).into_iter().flatten() {
        *subject.get_mut("namespace")? = json!(choices.namespace);
    }
    if kind == "Deployment" {
        choose_workload(object.get_mut("spec")?, choices)?;
    }
    // A budget for a single Pod would hold up every drain.
    let holds_up_drains = kind == "PodDisruptionBudget" && choices.replicas == Some(1);
    let is_of_another_choice = is_reader && !choices.beside_kyverno || is_retainer && !choices.retention;
    Some(!holds_up_drains && !is_of_another_choice)
}

fn choose_workload(spec: &mut Json, choices: &Choices) -> Option<()> {
    if let Some(replicas) = choices.replicas {
        *spec.get_mut("replicas")? = json!(replicas);
    }
    let container = spec.pointer_mut("/template/spec/containers/0")?;
    if let Some(image) = &choices.image {
        *container.get_mut("image")? = json!(image);
    }
    let arguments = container.get_mut("args")?.as_array_mut()?;
    let is_of_log = |argument: &Json| argument.as_str().is_some_and(|text| text.starts_with("--log="));
    let place = arguments.iter().position(is_of_log)?;
    let flags = [
        (choices.ignore_failures, IGNORE),
        (choices.beside_kyverno, BESIDE_KYVERNO),
        (choices.retention, RETENTION),
    ];
    let flags = flags.into_iter().filter(|(is_chosen, _)| *is_chosen).map(|(_, flag)| json!(flag));
    let exceptions = choices.exception_namespace.iter().map(|name| json!(format!("{EXCEPTIONS}={name}")));
    arguments.splice(place..place, flags.chain(exceptions));
    Some(())
}

/// The kind of an object.
pub(super) fn kind(object: &DynamicObject) -> &str {
    object.types.as_ref().map_or("", |types| &types.kind)
}

/// How people name an object: `deployment/portcullis`.
pub(super) fn title(object: &DynamicObject) -> String {
    format!("{}/{}", kind(object).to_lowercase(), object.metadata.name.as_deref().unwrap_or(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(objects: &[DynamicObject], of_kind: &str) -> Option<Json> {
        let found = objects.iter().find(|object| kind(object) == of_kind);
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    #[test]
    fn nothing_is_left_in_the_namespace_of_the_chart_when_another_is_chosen() {
        let objects = objects(&Choices::in_namespace("guard")).unwrap().chosen;
        let text = serde_json::to_string(&objects).unwrap();
        assert!(text.contains(r#""namespace":"guard""#), "{text}");
        assert!(!text.contains(r#""namespace":"portcullis""#), "{text}");
        assert_eq!(find(&objects, "Namespace").unwrap()["metadata"]["name"], "guard");
        assert_eq!(kind(objects.last().unwrap()), "Deployment");
    }

    #[test]
    fn one_replica_has_no_budget_and_policies_fail_closed_unless_something_else_is_chosen() {
        let mut choices = Choices::in_namespace("portcullis");
        let by_default = objects(&choices).unwrap().chosen;
        let container = "/spec/template/spec/containers/0";
        let deployment = find(&by_default, "Deployment").unwrap();
        assert!(!deployment.pointer(container).unwrap()["args"].as_array().unwrap().contains(&json!(IGNORE)));
        assert!(find(&by_default, "PodDisruptionBudget").is_some());

        choices = Choices {
            replicas: Some(1),
            image: Some("a/b:c".to_owned()),
            ignore_failures: true,
            beside_kyverno: true,
            retention: true,
            exception_namespace: Some("exceptions".to_owned()),
            ..choices
        };
        let Objects { chosen, left_out } = objects(&choices).unwrap();
        let deployment = find(&chosen, "Deployment").unwrap();
        let container = deployment.pointer(container).unwrap();
        let arguments = container["args"].as_array().unwrap();
        for argument in [IGNORE, BESIDE_KYVERNO, RETENTION, "--exception-namespace=exceptions"] {
            assert!(arguments.contains(&json!(argument)), "{argument}");
        }
        assert_eq!(container["image"], "a/b:c");
        assert_eq!(deployment["spec"]["replicas"], 1);
        assert!(find(&chosen, "PodDisruptionBudget").is_none());
        // One that an installation of two replicas has left is to go.
        assert_eq!(left_out.iter().map(title).collect::<Vec<_>>(), ["poddisruptionbudget/portcullis"]);
    }
}
