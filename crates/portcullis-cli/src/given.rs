//! Policies, exceptions to them and facts that are given by files, for a server without a cluster.

use std::collections::BTreeMap;

use anyhow::bail;
use portcullis_kyverno::Policy;
use portcullis_value::OwnedValue;

use crate::ServeArguments;
use crate::offline::policies::Policies;
use crate::offline::user::UserInfo;
use crate::offline::values::Values;
use crate::surroundings::Surroundings;

/// What the files say.
#[derive(Debug, Default)]
pub struct Given {
    pub policies: Vec<Policy>,
    /// The labels of namespaces, by name.
    pub namespaces: BTreeMap<String, OwnedValue>,
    /// The roles and cluster roles of whoever asks, where a file says so.
    pub roles: Option<(Vec<String>, Vec<String>)>,
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
        let namespaces = match &arguments.values_file {
            Some(path) => Values::read(path, surroundings)?.into_namespaces(),
            None => BTreeMap::new(),
        };
        let roles = match &arguments.userinfo {
            Some(path) => Some(UserInfo::read(path, surroundings)?.into_roles()),
            None => None,
        };
        Ok(Self { policies: policies.policies, namespaces, roles })
    }
}
