//! `portcullis crds`: the CustomResourceDefinitions of policies.

use std::io::Write as _;

use portcullis_value::Arena;

use crate::exit::{Ended, Exit, standard_output};
use crate::surroundings::Surroundings;

/// Prints the definitions as YAML documents.
pub(crate) fn crds(surroundings: &mut Surroundings<'_>) -> Result<Exit, Ended> {
    let arena = Arena::new();
    for crd in portcullis_kyverno::crds(&arena) {
        let document = portcullis_yaml::to_string(crd);
        write!(surroundings.stdout, "---\n{document}").map_err(standard_output)?;
    }
    Ok(Exit::SUCCESS)
}
