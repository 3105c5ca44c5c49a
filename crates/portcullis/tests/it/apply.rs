//! `portcullis apply`: the founding story, mistakes, bad input.

use std::fs;

use crate::{root, run, stderr, stdout};

const POLICY: &str = "examples/dangling-jobs/add-ttl-to-dangling-job.yaml";
const JOB: &str = "examples/dangling-jobs/resources/job.yaml";

#[test]
fn the_founding_story() {
    let output =
        run(&root(), &["apply", POLICY, "--resource", "examples/dangling-jobs/resources", "--record"]);
    assert!(output.status.success());
    let text = stdout(&output);
    for line in [
        "policy add-ttl-to-dangling-job applied to default/Job/pi:",
        "  ttlSecondsAfterFinished: 900",
        "      add-ttl-to-dangling-job.add-ttl-to-dangling-job.kyverno.io: added /spec/ttlSecondsAfterFinished",
        "skipped mutate policy add-ttl-to-dangling-job -> resource default/Job/hello-27623144",
        "  no rule matches default/CronJob/hello: rule add-ttl-to-dangling-job: kind CronJob is not `Job`",
        "pass: 15, fail: 0, warn: 0, error: 0, skip: 2 ",
    ] {
        assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
    }
    let reason =
        "precondition 1 of `any` does not hold: `{{ request.object.metadata.ownerReferences || '' }}` is [{";
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_mistake_in_a_policy_is_shown_in_its_line_and_the_others_run() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read_to_string(root().join(POLICY)).unwrap();
    let bad = good.replace("preconditions:", "preconditons:").replace("name: add-ttl", "name: bad-ttl");
    fs::write(folder.path().join("policies.yaml"), format!("{bad}---\n{good}")).unwrap();
    fs::copy(root().join(JOB), folder.path().join("job.yaml")).unwrap();
    let output = run(folder.path(), &["apply", "policies.yaml", "--resource", "job.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("unknown field `preconditons`"), "{told}");
    assert!(told.contains("policies.yaml:21:7"), "{told}");
    assert!(told.contains("did you mean `preconditions`?"), "{told}");
    assert!(stdout(&output).contains("pass: 1, fail: 0, warn: 0, error: 1, skip: 0"), "{}", stdout(&output));
}

#[test]
fn lists_are_opened_also_within_lists_and_where_their_items_leave_out_the_kind() {
    let folder = tempfile::tempdir().unwrap();
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "batch/v1", "kind": "JobList", "items": [{"metadata": {"name": "typed"}, "spec": {}}]},
        {"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "nested"}, "spec": {}},
            {"metadata": {"name": "unknown"}}]}]}"#;
    fs::write(folder.path().join("list.json"), list).unwrap();
    fs::copy(root().join(POLICY), folder.path().join("ttl.yaml")).unwrap();
    let output = run(folder.path(), &["apply", "ttl.yaml", "--resource", "list.json"]);
    let (text, told) = (stdout(&output), stderr(&output));
    assert!(text.contains("Applying 1 policy rule(s) to 3 resource(s)..."), "{text}");
    for line in ["applied to default/Job/typed:", "applied to default/Job/nested:", "pass: 2, fail: 0"] {
        assert!(text.contains(line), "no line `{line}` in\n{text}");
    }
    assert!(told.contains("the resource has no `kind`\n --> list.json:5:13"), "{told}");
}

#[test]
fn flags_that_come_later_say_so() {
    for arguments in [
        vec!["apply", POLICY, "--resource", JOB, "--git-branch", "main"],
        vec!["apply", "https://example.com/owner/policies", "--resource", JOB],
        vec!["apply", POLICY, "--resource", JOB, "--registry"],
    ] {
        let output = run(&root(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("not"), "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}");
    }
}

/// The rows of the table of exit codes in docs/cli.md.
#[test]
fn flags_that_do_nothing_are_refused_and_those_of_the_reference_told_of() {
    let run = |flags: &[&str]| {
        let jobs = ["apply", "add-ttl-to-dangling-job.yaml", "--resource", "resources/job.yaml"];
        run(&root().join("examples/dangling-jobs"), &[&jobs, flags].concat())
    };
    for (flags, want) in [
        (&["--diff", "--format", "json"][..], "`--diff` is for people: one document holds no diffs\nhint: "),
        (&["--diff", "-o", "x.yaml"], "`--diff` does not go with `--output <PATH>`\nhint: "),
    ] {
        let output = run(flags);
        let told = stderr(&output);
        assert!(told.starts_with(&format!("error: {want}")), "{flags:?}: {told}");
        assert_eq!((output.status.code(), &*stdout(&output)), (Some(1), ""), "{flags:?}");
    }
    for (flags, want) in [
        (
            &["--output-format", "json"][..],
            "warning: `--output-format` does nothing without `--policy-report`\n",
        ),
        (&["--kubeconfig", "x"], "warning: `--kubeconfig` does nothing without `--cluster`\n"),
        (&["--context", "x"], "warning: `--context` does nothing without `--cluster`\n"),
        (&["--detailed-results"], "warning: `--detailed-results` does nothing without `--table`\n"),
        (&["--output-format", "json", "-p"], ""),
        (&["--detailed-results", "-t"], ""),
        (&["--detailed-results", "--format", "table"], ""),
        (&["--diff", "-p"], ""),
        (&["--diff", "-t"], ""),
    ] {
        let output = run(flags);
        let told = stderr(&output);
        // The policy says `enforce`, which is a warning, too.
        let told: String = told.split_inclusive('\n').filter(|line| line.contains("does nothing")).collect();
        assert_eq!((output.status.code(), &*told), (Some(0), want), "{flags:?}");
    }
}

#[test]
fn a_name_that_yaml_takes_for_no_text_is_shown_in_quotes_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pod.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n").unwrap();
    for (name, rule, hints) in [
        ("a", "yes", &["hint: put it in quotes: \"yes\""][..]),
        ("on", "0x1F", &["hint: put it in quotes: \"on\"", "hint: put it in quotes: \"0x1F\""]),
        ("&name on", "*name", &["hint: put it in quotes: \"on\"", "hint: put it in quotes"]),
    ] {
        let policy = format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: {name}}}\nspec:\n  rules:\n  \
             - name: {rule}\n    match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}\n    \
             validate: {{failureAction: Enforce, message: no, pattern: {{a: b}}}}\n"
        );
        fs::write(folder.path().join("policy.yaml"), policy.replace("message: no", "message: 'no'")).unwrap();
        let told = stderr(&run(folder.path(), &["apply", "policy.yaml", "--resource", "pod.yaml"]));
        let found: Vec<_> = told.lines().filter(|line| line.starts_with("hint: ")).collect();
        assert_eq!(found, hints, "{told}");
        assert!(!told.contains("is missing"), "{told}");
    }
}

#[test]
fn exit_codes_are_those_of_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let policy = |annotations: &str| {
        format!(
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: labelled{annotations}}}\nspec:\n  rules:\n  \
             - name: labelled\n    match: {{any: [{{resources: {{kinds: [Job]}}}}]}}\n    validate:\n      \
             failureAction: Audit\n      message: a team is missing\n      pattern: {{metadata: {{labels: {{team: '?*'}}}}}}\n"
        )
    };
    fs::write(folder.path().join("audit.yaml"), policy("")).unwrap();
    let unscored = policy(", annotations: {policies.kyverno.io/scored: 'false'}");
    fs::write(folder.path().join("unscored.yaml"), unscored).unwrap();
    fs::copy(root().join(POLICY), folder.path().join("ttl.yaml")).unwrap();
    fs::copy(root().join(JOB), folder.path().join("job.yaml")).unwrap();
    fs::copy(
        root().join("examples/dangling-jobs/resources/cronjob.yaml"),
        folder.path().join("cronjob.yaml"),
    )
    .unwrap();
    for (arguments, code) in [
        ("apply ttl.yaml -r job.yaml", 0),
        ("--help", 0),
        ("apply --help", 0),
        ("completion bash", 0),
        ("man", 0),
        ("unknown", 1),
        ("apply", 1),
        ("apply ttl.yaml", 1),
        ("apply ttl.yaml -r job.yaml --unknown", 1),
        ("apply ttl.yaml --cluster --kubeconfig nowhere.yaml", 1),
        ("apply ttl.yaml -r job.yaml --kubeconfig nowhere.yaml", 0),
        ("apply ttl.yaml -r job.yaml --kubeconfig nowhere.yaml --crd-paths job.yaml", 1),
        ("apply audit.yaml -r job.yaml", 1),
        ("apply nowhere.yaml -r job.yaml", 1),
        ("apply ttl.yaml -r nowhere.yaml", 1),
        ("apply ttl.yaml -r job.yaml -o /dev/null", 1),
        ("apply unscored.yaml -r job.yaml", 0),
        ("apply unscored.yaml -r job.yaml --warn-exit-code 7", 7),
        ("apply audit.yaml -r job.yaml --audit-warn --warn-exit-code 7", 7),
        ("apply audit.yaml -r job.yaml --warn-exit-code 7", 1),
        ("apply ttl.yaml -r cronjob.yaml --warn-no-pass", 0),
        ("apply ttl.yaml -r cronjob.yaml --warn-no-pass --warn-exit-code 7", 7),
        ("apply ttl.yaml -r job.yaml --warn-no-pass --warn-exit-code 7", 0),
    ] {
        let output = run(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
        assert_eq!(output.status.code(), Some(code), "{arguments}\n{}", stderr(&output));
    }
}

#[test]
fn paths_whose_name_begins_with_a_dot_name_no_policies() {
    let folder = tempfile::tempdir().unwrap();
    let sub = folder.path().join("sub");
    fs::create_dir(&sub).unwrap();
    for name in ["ttl.yaml", ".ttl.yaml"] {
        fs::copy(root().join(POLICY), sub.join(name)).unwrap();
    }
    fs::copy(root().join(JOB), sub.join("job.yaml")).unwrap();
    for (policies, rules) in
        [(".", 0), ("./", 0), ("..", 0), ("../sub/..", 0), (".ttl.yaml", 0), ("../sub", 1)]
    {
        let output = run(&sub, &["apply", policies, "-r", "job.yaml"]);
        let begins = format!("Applying {rules} policy rule(s)");
        assert!(output.status.success() && stdout(&output).contains(&begins), "{policies}: {output:?}");
        assert_eq!(stderr(&output).contains("is passed over: its name begins with a dot"), rules == 0);
    }
}

#[test]
fn a_record_that_is_none_is_replaced_with_a_warning_and_an_earlier_one_is_merged() {
    let folder = tempfile::tempdir().unwrap();
    let job = |name: &str, record: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    \
             policies.kyverno.io/last-applied-patches: {record}\nspec: {{}}\n---\n"
        )
    };
    let earlier = "|\n      x.y.kyverno.io: removed /spec/a";
    let jobs = [job("wrong", "'[1'"), job("earlier", earlier)].concat();
    fs::write(folder.path().join("jobs.yaml"), jobs).unwrap();
    let policy = root().join(POLICY);
    let arguments = ["apply", policy.to_str().unwrap(), "-r", "jobs.yaml", "--record", "-o", "out"];
    let output = run(folder.path(), &arguments);
    let warning = "warning: default/Job/wrong: the record that came with the object is no map of strings; it is replaced";
    assert!(stderr(&output).lines().any(|line| line == warning), "{}", stderr(&output));
    assert_eq!(stderr(&output).matches("it is replaced").count(), 1);
    let line =
        "add-ttl-to-dangling-job.add-ttl-to-dangling-job.kyverno.io: added /spec/ttlSecondsAfterFinished\n";
    for (name, want) in
        [("wrong", line.to_owned()), ("earlier", format!("{line}      x.y.kyverno.io: removed /spec/a\n"))]
    {
        let written = fs::read_to_string(folder.path().join(format!("out/{name}-mutated.yaml"))).unwrap();
        assert!(written.contains(&format!("last-applied-patches: |\n      {want}  name:")), "{written}");
    }
}

const KNOWN_TEAMS: &str = r#"apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: known-teams}
spec:
  rules:
  - name: team-is-known
    match: {any: [{resources: {kinds: [Job]}}]}
    context:
    - {name: teams, configMap: {name: teams, namespace: platform}}
    validate:
      failureAction: Enforce
      message: 'the team of {{ request.object.metadata.name }} is none of {{ teams.data.names }}'
      deny:
        conditions:
          all:
          - {key: "{{ request.object.metadata.labels.team || '' }}", operator: AnyNotIn, value: "{{ teams.data.names | parse_json(@) }}"}
"#;

#[test]
fn what_a_policy_asks_of_the_cluster_is_answered_by_a_values_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), KNOWN_TEAMS).unwrap();
    let job = |name: &str, team: &str| {
        format!(
            "apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}, labels: {{team: {team}}}}}\n---\n"
        )
    };
    fs::write(folder.path().join("jobs.yaml"), job("good", "blue") + &job("bad", "pink")).unwrap();
    let values = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Values\npolicies:\n- name: known-teams\n  rules:\n  \
                  - name: team-is-known\n    values: {teams.data.names: '[\"blue\", \"green\"]'}\n";
    fs::write(folder.path().join("values.yaml"), values).unwrap();

    let arguments = ["apply", "policy.yaml", "--resource", "jobs.yaml"];
    let output = run(folder.path(), &[&arguments[..], &["--values-file", "values.yaml"]].concat());
    let text = stdout(&output);
    assert!(text.contains("1 - team-is-known the team of bad is none of [\"blue\", \"green\"]\n"), "{text}");
    assert!(text.contains("pass: 1, fail: 1, warn: 0, error: 0, skip: 0 \n"), "{text}");

    let text = stdout(&run(folder.path(), &arguments));
    assert!(text.contains("pass: 0, fail: 0, warn: 0, error: 2, skip: 0 \n"), "{text}");
}

#[test]
fn values_of_elements_and_of_the_user_are_variables() {
    let folder = tempfile::tempdir().unwrap();
    let policy = r#"
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: allowed-names}
spec:
  background: false
  rules:
  - name: none-is-refused
    match: {any: [{resources: {kinds: [Job]}}]}
    context: [{name: refused, configMap: {name: names, namespace: ops}}]
    validate:
      message: "refused to {{ serviceAccountName }} in {{ serviceAccountNamespace }}"
      foreach:
      - list: refused.data.names
        deny: {conditions: {all: [{key: "{{ element }}", operator: Equals, value: "{{ request.object.metadata.name }}"}]}}
"#;
    let values = "apiVersion: cli.kyverno.io/v1alpha1\nkind: Values\npolicies:\n- name: allowed-names\n  rules:\n  \
                  - name: none-is-refused\n    foreachValues: {refused.data.names: [[one, two], [three]]}\n";
    let user = "apiVersion: cli.kyverno.io/v1alpha1\nkind: UserInfo\nuserInfo: {username: 'system:serviceaccount:ci:robot'}\n";
    let jobs = ["two", "three"]
        .map(|name| format!("{{apiVersion: batch/v1, kind: Job, metadata: {{name: {name}}}}}"));
    let files = [("p.yaml", policy), ("v.yaml", values), ("u.yaml", user), ("j.yaml", &jobs.join("\n---\n"))];
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());

    let arguments =
        ["apply", "p.yaml", "--resource", "j.yaml", "--values-file", "v.yaml", "--userinfo", "u.yaml"];
    let text = stdout(&run(folder.path(), &arguments));
    assert!(text.contains("policy allowed-names -> resource default/Job/two failed:\n"), "{text}");
    assert!(text.contains("refused to robot in ci\n"), "{text}");
    assert!(text.contains("pass: 1, fail: 1, warn: 0, error: 0, skip: 0 \n"), "{text}");
}
