//! What protects Jobs beside their manifests: the arguments that `list`, `plan` and `explain` share.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use portcullis_retention::{Safeguards, parse_age};

use super::selection::{age_word, label_key};

/// Below this age a Job is left alone, unless another is given.
const FLOOR: &str = "1h";
/// By this label Argo CD knows its objects, unless it is told another.
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// Where Portcullis is installed, unless it is somewhere else.
const NAMESPACE: &str = "portcullis";

#[derive(Debug, Args)]
pub(crate) struct SafeguardArguments {
    /// Do not leave the Jobs of these namespaces alone: kube-system, kube-public, kube-node-lease or that of Portcullis
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = NonEmptyStringValueParser::new(),
        help_heading = "Protection"
    )]
    include_namespace: Vec<String>,

    /// Leave Jobs alone that finished less than this ago
    #[arg(long, value_name = "AGE", value_parser = parse_age, default_value = FLOOR, help_heading = "Protection")]
    floor: i64,

    /// The label by which Argo CD knows its objects (`application.instanceLabelKey` of it); empty where there is no Argo CD
    #[arg(
        long,
        value_name = "KEY",
        value_parser = |text: &str| if text.is_empty() { Ok(String::new()) } else { label_key(text) },
        default_value = INSTANCE_LABEL,
        help_heading = "Protection"
    )]
    argocd_instance_label: String,

    /// The namespace of Portcullis, whose Jobs are left alone
    #[arg(
        long,
        value_name = "NAME",
        env = "PORTCULLIS_NAMESPACE",
        default_value = NAMESPACE,
        value_parser = NonEmptyStringValueParser::new(),
        help_heading = "Protection"
    )]
    portcullis_namespace: String,
}

impl SafeguardArguments {
    pub(crate) fn safeguards(&self) -> Safeguards {
        Safeguards {
            floor: self.floor,
            include_namespaces: self.include_namespace.iter().cloned().collect(),
            instance_label: Some(self.argocd_instance_label.clone()).filter(|label| !label.is_empty()),
            portcullis_namespace: self.portcullis_namespace.clone(),
        }
    }

    /// Gives `add` each flag that was given, with its value.
    pub(crate) fn words(&self, add: &mut dyn FnMut(&str, &str)) {
        if !self.include_namespace.is_empty() {
            add("--include-namespace", &self.include_namespace.join(","));
        }
        if parse_age(FLOOR) != Ok(self.floor) {
            add("--floor", &age_word(self.floor));
        }
        for (flag, value, default) in [
            ("--argocd-instance-label", &self.argocd_instance_label, INSTANCE_LABEL),
            ("--portcullis-namespace", &self.portcullis_namespace, NAMESPACE),
        ] {
            if value != default {
                add(flag, value);
            }
        }
    }
}
