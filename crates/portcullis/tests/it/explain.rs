//! `portcullis explain`: the tree of what happened, for people and for programs.

use std::fs;

use serde_json::Value;

use crate::{check_snapshot, root, run, shown, stderr, stdout};

#[test]
fn rules_that_fire_and_rules_that_do_not_are_explained_step_by_step() {
    let examples = root().join("examples");
    let jobs = examples.join("dangling-jobs");
    let mut book = String::new();
    for (folder, arguments) in [
        (&jobs, vec!["explain", "production.yaml", "resources/job-of-cronjob.yaml"]),
        (&jobs, vec!["explain", "production.yaml", "resources/job.yaml"]),
        (&examples, vec!["explain", "no-load-balancers/policy.yaml", "no-load-balancers/resources/bad.yaml"]),
        (&examples, vec!["explain", "cached-tool-image/policy.yaml", "cached-tool-image/resources/bad.yaml"]),
    ] {
        book += &(shown(&arguments, &run(folder, &arguments)) + "\n");
    }
    check_snapshot("explain", &book);
}

#[test]
fn the_same_tree_is_there_for_programs() {
    let arguments = [
        "explain",
        "no-load-balancers/policy.yaml",
        "no-load-balancers/resources/bad.yaml",
        "--format",
        "json",
        "--rule",
        "no-load-balancers",
    ];
    let output = run(&root().join("examples"), &arguments);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let [explanation] = &document["explanations"].as_array().unwrap()[..] else { panic!("{document}") };
    assert_eq!(explanation["policy"], "no-load-balancers");
    assert_eq!(explanation["resource"]["name"], "back-door");
    let rule = &explanation["rules"][0];
    assert_eq!((&rule["rule"], &rule["ended"]), (&"no-load-balancers".into(), &"fail".into()));
    let deny = rule["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&deny["part"], &deny["finding"]), (&"deny".into(), &"fails".into()));
    assert_eq!(deny["steps"][0]["seen"], "\"LoadBalancer\"");
}

/// What a server records of two requests that it refuses and of one that it admits.
const DECISIONS: &str = r#"{"uid":"1","operation":"CREATE","kind":"v1/Pod","name":"a","allowed":true}
{"uid":"2","operation":"CREATE","kind":"v1/Pod","name":"b","allowed":false,"explained":[{"policy":"p","rules":[{"rule":"check-image","ended":"fail","message":"no","summary":"it fails"}]}]}
"#;

#[test]
fn of_a_record_denials_alone_are_to_be_explained() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("all.jsonl"), DECISIONS).unwrap();
    let more = r#"{"uid":"3","operation":"CREATE","kind":"v1/Pod","name":"c","allowed":false}
{"uid":"4","operation":"CREATE","kind":"v1/Pod","name":"d","allowed":false,"message":"the policies are not known yet"}"#;
    fs::write(folder.path().join("more.jsonl"), format!("{DECISIONS}{more}\n")).unwrap();
    let output = run(folder.path(), &["explain", "--record", "all.jsonl", "--rule", "check-image"]);
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), ""));
    let output = run(folder.path(), &["explain", "--record", "more.jsonl"]);
    let told = "warning: 1 of 2 denials in `more.jsonl` are not explained\n";
    assert_eq!((output.status.code(), &*stderr(&output)), (Some(0), told));
    let arguments = ["explain", "--record", "more.jsonl", "--rule", "check-images", "--format", "json"];
    let output = run(folder.path(), &arguments);
    let told = "error: no decision in `more.jsonl` explains a rule `check-images`\n\
                hint: did you mean `check-image`?\n";
    assert_eq!((output.status.code(), &*stderr(&output), &*stdout(&output)), (Some(1), told, ""));
}

#[test]
fn input_that_is_wrong_is_told_as_apply_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let example = root().join("examples/no-load-balancers");
    let policy = fs::read_to_string(example.join("policy.yaml")).unwrap();
    fs::write(folder.path().join("bad.yaml"), policy.replace("conditions:", "condition:")).unwrap();
    fs::copy(example.join("policy.yaml"), folder.path().join("policy.yaml")).unwrap();
    fs::copy(example.join("resources/bad.yaml"), folder.path().join("service.yaml")).unwrap();
    fs::write(folder.path().join("decisions.jsonl"), "nothing here\n").unwrap();
    for (arguments, want) in [
        (vec!["bad.yaml", "service.yaml"], "unknown field `condition`"),
        (vec!["policy.yaml", "missing.yaml"], "cannot read `missing.yaml`"),
        (
            vec!["policy.yaml", "service.yaml", "--rule", "no-load-balancer"],
            "did you mean `no-load-balancers`?",
        ),
        (vec!["policy.yaml"], "<RESOURCE>"),
        (vec!["--record", "-"], "there is no decision in standard input"),
        (vec!["--record", "decisions.jsonl"], "there is no decision in `decisions.jsonl`"),
        (vec!["policy.yaml", "service.yaml", "--record", "decisions.jsonl"], "does not go with"),
    ] {
        let arguments: Vec<_> = std::iter::once("explain").chain(arguments).collect();
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let told = stderr(&output);
        assert!(told.contains(want), "{arguments:?}: {told}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
}
