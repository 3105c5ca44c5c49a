//! Every example, run as its README says, against what its folder `expected` holds.

use std::fs;
use std::path::Path;

use portcullis_value::{Arena, Value};

use crate::{root, run, stdout};

/// The documents of a YAML text, by name.
fn documents<'a>(arena: &'a Arena, text: &'a str) -> Vec<(&'a str, Value<'a>)> {
    portcullis_yaml::documents(text)
        .map(|source| source.unwrap().read(arena).unwrap().value)
        .filter(|value| !value.is_null())
        .map(|value| (value.path(&["metadata", "name"]).and_then(Value::as_str).unwrap(), value))
        .collect()
}

/// Checks one row of `exit-codes.tsv`, and the mutated resources where the folder holds them.
fn check(folder: &Path, policy: &str, resources: &str, code: &str, is_first: bool) {
    let at = format!("{}: {policy} on {resources}", folder.display());
    let output_folder = tempfile::tempdir().unwrap();
    let written = output_folder.path().join("out.yaml");
    let output = run(folder, &["apply", policy, "--resource", resources, "-o", written.to_str().unwrap()]);
    assert_eq!(output.status.code().unwrap().to_string(), code, "{at}\n{}", stdout(&output));
    let expected = folder.join("expected").join(Path::new(resources).file_name().unwrap());
    if !is_first || !expected.exists() {
        return;
    }
    let (arena, want, got) =
        (Arena::new(), fs::read_to_string(expected).unwrap(), fs::read_to_string(&written).unwrap());
    let (want, got) = (documents(&arena, &want), documents(&arena, &got));
    assert!(!want.is_empty(), "{at}");
    for (name, want) in want {
        let found = got.iter().find(|(found, _)| *found == name);
        let (_, got) = found.unwrap_or_else(|| unreachable!("{at}: no `{name}` was written"));
        // Files name no namespace; on the command line they get `default`.
        let got = match want.path(&["metadata", "namespace"]) {
            None => got.without(&arena, &["metadata", "namespace"]),
            Some(_) => *got,
        };
        assert_eq!(got, want, "{at}: {name}");
    }
}

#[test]
fn examples_do_what_they_say() {
    let mut count = 0;
    let mut folders: Vec<_> =
        fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders.iter().filter(|folder| folder.is_dir()) {
        let rows = fs::read_to_string(folder.join("expected/exit-codes.tsv")).unwrap();
        let rows: Vec<Vec<&str>> = rows
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
            .collect();
        let first = rows.first().unwrap().first().unwrap();
        for row in &rows {
            let [policy, resources, code] = row.as_slice() else { unreachable!("{row:?}") };
            check(folder, policy, resources, code, policy == first);
            count += 1;
        }
    }
    assert!(count >= 20, "{count} rows");
}

#[test]
fn the_job_retention_of_the_examples_gives_old_jobs_what_the_founding_policy_gives_new_ones() {
    let folder = tempfile::tempdir().unwrap();
    let job = r#"{"metadata":{"name":"pi","namespace":"team-a","uid":"1","resourceVersion":"1"},"status":{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-01-05T10:00:00Z"}]}}"#;
    fs::write(folder.path().join("jobs.json"), format!(r#"{{"kind":"JobList","items":[{job}]}}"#)).unwrap();
    let example = |name: &str| root().join("examples/dangling-jobs").join(name).to_str().unwrap().to_owned();
    let (retention, policy) = (example("job-retention.yaml"), example("add-ttl-to-dangling-job.yaml"));
    let arguments =
        ["jobs", "explain", "pi", "--from", "jobs.json", "--retentions", &retention, "--policies", &policy];
    let text = stdout(&run(folder.path(), &arguments));
    let [first, .., last] = text.lines().collect::<Vec<_>>()[..] else { unreachable!("{text}") };
    let says = "JobRetention `dangling-jobs` lets Jobs that succeeded stay 15m; a TTL is still to be written";
    assert!(first.ends_with(says), "{text}");
    assert!(last.contains("ClusterPolicy `add-ttl-to-dangling-job` gives such a Job a TTL of 15m"), "{text}");
}
