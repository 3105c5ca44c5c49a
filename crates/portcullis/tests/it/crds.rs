//! `portcullis crds`.

use portcullis_value::Arena;

use crate::{root, run, stderr, stdout};

#[test]
fn the_definitions_are_read_as_what_they_are() {
    let output = run(&root(), &["crds"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    let arena = Arena::new();
    let read: Vec<_> =
        portcullis_yaml::documents(&text).map(|source| source.unwrap().read(&arena).unwrap().value).collect();
    let (retention, policies) = read.split_last().unwrap();
    assert_eq!(policies, portcullis_kyverno::crds(&arena));
    assert_eq!(*retention, portcullis_retention::retention::crd(&arena));
}
