//! `portcullis crds`: the CustomResourceDefinitions of policies and of JobRetention.

use std::io::Write as _;

use portcullis_value::{Arena, Value};

use crate::exit::{Ended, Exit, standard_output};
use crate::surroundings::Surroundings;

/// All definitions that Portcullis brings, as they are applied to a cluster.
pub fn definitions(arena: &Arena) -> Vec<Value<'_>> {
    let mut definitions = portcullis_kyverno::crds(arena);
    definitions.push(portcullis_retention::retention::crd(arena));
    definitions
}

/// Prints the definitions as YAML documents.
pub(crate) fn crds(surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    let arena = Arena::new();
    for crd in definitions(&arena) {
        let document = portcullis_yaml::to_string(crd);
        write!(surroundings.stdout, "---\n{document}").map_err(standard_output)?;
    }
    Ok(Exit::SUCCESS)
}
