//! `portcullis jobs` on lists in files.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{check_snapshot, run, shown, stderr, stdout};

/// A Job that finished on this day, with these further members of its metadata.
fn job(namespace: &str, name: &str, finished: &str, condition: &str, metadata: &str) -> String {
    let number: u64 = name.bytes().chain(namespace.bytes()).map(u64::from).sum();
    let comma = if metadata.is_empty() { "" } else { "," };
    format!(
        r#"{{"apiVersion":"batch/v1","kind":"Job","metadata":{{"name":"{name}","namespace":"{namespace}","uid":"00000000-0000-4000-8000-{number:012}","resourceVersion":"{number}","creationTimestamp":"{finished}T10:00:00Z","managedFields":[{{"manager":"kubectl-create","operation":"Update","fieldsV1":{{"f:spec":{{}}}}}},{{"manager":"kube-controller-manager","operation":"Update","subresource":"status"}}]{comma}{metadata}}},"spec":{{"template":{{"spec":{{"containers":[{{"name":"main","image":"report:2.1"}}]}}}}}},"status":{{"succeeded":1,"conditions":[{{"type":"{condition}","status":"True","lastTransitionTime":"{finished}T10:01:00Z"}}]}}}}"#
    )
}

/// A list of Jobs of every sort, as kubectl prints one.
fn list() -> String {
    let mut jobs = Vec::new();
    for (number, day) in
        ["2026-01-05", "2026-02-05", "2026-03-05", "2026-04-05", "2026-05-05"].iter().enumerate()
    {
        jobs.push(job("team-a", &format!("report-{number}"), day, "Complete", r#""generateName":"report-""#));
    }
    jobs.push(job("team-a", "import", "2026-01-01", "Failed", r#""labels":{"app":"import"}"#));
    jobs.push(job(
        "team-a",
        "nightly-1",
        "2026-01-02",
        "Complete",
        r#""ownerReferences":[{"kind":"CronJob","name":"nightly"}]"#,
    ));
    jobs.push(job(
        "team-b",
        "migrate",
        "2026-03-01",
        "Complete",
        r#""annotations":{"meta.helm.sh/release-name":"shop"},"finalizers":["a.b/c"]"#,
    ));
    jobs.push(job(
        "team-b",
        "keep-me",
        "2026-03-01",
        "Complete",
        r#""labels":{"portcullis.dev/keep":"yes"}"#,
    ));
    jobs.push(job("kube-system", "cleanup", "2026-03-01", "Complete", ""));
    jobs.push(job("team-b", "runs", "2026-03-01", "Suspended", ""));
    format!(
        r#"{{"apiVersion":"v1","items":[{}],"kind":"List","metadata":{{"resourceVersion":""}}}}"#,
        jobs.join(",")
    )
}

/// A folder with the list in `jobs.json`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("jobs.json"), list()).unwrap();
    folder
}

/// Shows a run without what depends on the day: the ages of Jobs, and what was computed of the time.
fn seen(folder: &Path, arguments: &str) -> String {
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let text = shown(&arguments, &run(folder, &arguments));
    let mut lines = Vec::new();
    for line in text.lines() {
        let is_bar = line.contains('█');
        if !is_bar {
            lines.push(without_ages(line));
        }
    }
    lines.join("\n")
}

/// Words that are an age, a time of today or a digest as dots: `214d`, `"at":"2026-..."`.
fn without_ages(line: &str) -> String {
    let is_age = |word: &str| {
        let word = word.trim_end_matches(',');
        matches!(word, "AGE" | "OLDEST" | "NEWEST")
            || word.len() > 1 && word.ends_with(['d', 'h']) && word.starts_with(|c: char| c.is_ascii_digit())
    };
    // A column of ages is as wide as the oldest Job is old: blanks before them are no matter.
    let mut words: Vec<&str> = Vec::new();
    for word in line.split(' ') {
        let is_age = is_age(word);
        while is_age && words.len() > 1 && words.last() == Some(&"") {
            words.pop();
        }
        words.push(if is_age { "AGE" } else { word });
    }
    let line = words.join(" ");
    match line.split_once("sha256:") {
        Some((before, after)) => {
            format!("{before}sha256:..{}", after.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
        }
        None if line.contains("\"now\":") || line.starts_with("now:") => "now: ..".to_owned(),
        None => line,
    }
}

#[test]
fn finished_jobs_are_listed_in_groups_and_one_by_one() {
    let folder = folder();
    let book: String = [
        "jobs list --from jobs.json",
        "jobs list --from jobs.json --each --outcome succeeded -n team-b",
        "jobs list --from jobs.json -l app=import --format json",
        "jobs list --from jobs.json --format csv --sort-by jobs",
        "jobs list --from jobs.json --format yaml -n team-a --older-than 3650d",
        "jobs list --from jobs.json -n nowhere",
    ]
    .iter()
    .map(|arguments| seen(folder.path(), arguments) + "\n\n")
    .collect();
    check_snapshot("jobs_list", &book);
}

#[test]
fn plans_say_who_would_go_and_why_the_rest_stays() {
    let folder = folder();
    let book: String = [
        "jobs plan --from jobs.json --keep-last 2",
        "jobs plan --from jobs.json --older-than 24h -n team-a -o plan.json",
        "jobs plan --from jobs.json --mode ttl --notice 1h --outcome failed",
        "jobs plan --from jobs.json --outcome failed --format csv",
        "jobs plan --from jobs.json -n team-b",
    ]
    .iter()
    .map(|arguments| seen(folder.path(), arguments) + "\n\n")
    .collect();
    check_snapshot("jobs_plan", &book);
}

#[test]
fn the_plan_that_is_written_is_the_plan_that_is_printed() {
    let folder = folder();
    let arguments =
        ["jobs", "plan", "--from", "jobs.json", "--keep-last", "3", "-o", "plan.json", "--format", "json"];
    let output = run(folder.path(), &arguments);
    assert_eq!(stderr(&output), "");
    let written = fs::read(folder.path().join("plan.json")).unwrap();
    assert_eq!(String::from_utf8(written.clone()).unwrap(), stdout(&output));
    let plan = portcullis_retention::Plan::read(&written).unwrap();
    let names: Vec<_> = plan.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!((names, plan.listed), (vec!["report-0", "report-1"], 11));
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[test]
fn what_cannot_be_read_is_told_with_what_to_do() {
    let folder = folder();
    let list = list();
    fs::write(
        folder.path().join("part.json"),
        list.replace(r#""resourceVersion":"""#, r#""continue":"x","remainingItemCount":7"#),
    )
    .unwrap();
    fs::write(folder.path().join("cut.json"), list.split_at(list.len() / 2).0).unwrap();
    fs::write(folder.path().join("empty.json"), "").unwrap();
    fs::write(folder.path().join("jobs.yaml"), "apiVersion: v1\nkind: List\nitems: []\n").unwrap();
    fs::write(folder.path().join("pods.json"), r#"{"kind":"PodList","items":[]}"#).unwrap();
    run(folder.path(), &["jobs", "plan", "--from", "jobs.json", "--mode", "ttl", "-o", "ttl.json"]);
    let book: String = [
        "jobs plan --from part.json",
        "jobs list --from part.json -n team-b",
        "jobs list --from cut.json",
        "jobs list --from empty.json",
        "jobs list --from jobs.yaml",
        "jobs list --from pods.json",
        "jobs list --from .",
        "jobs list --from nothing.json",
        "jobs list --from jobs.json --missed",
        "jobs list --from jobs.json -l a=(b",
        "jobs list --from jobs.json --older-than 1w",
        "jobs plan --from jobs.json -o nowhere/plan.json",
        "jobs plan --from jobs.json -o .",
        "jobs plan --from jobs.json --keep-last three",
        "jobs plan --from jobs.json --keep-last 3 --group-by a,b",
        "jobs apply .",
        "jobs apply jobs.json",
        "jobs apply ttl.json --canary 3",
        "jobs apply ttl.json --canary-wait 5s",
        "jobs undo .",
    ]
    .iter()
    .map(|arguments| seen(folder.path(), arguments) + "\n\n")
    .collect();
    check_snapshot("jobs_bad_input", &book);
}

#[test]
fn jobs_that_a_policy_missed_are_those_it_would_have_given_a_ttl() {
    let folder = folder();
    let policy =
        fs::read_to_string(crate::root().join("examples/dangling-jobs/add-ttl-to-dangling-job.yaml"))
            .unwrap();
    let since = policy.replacen("metadata:\n", "metadata:\n  creationTimestamp: 2026-02-20T00:00:00Z\n", 1);
    fs::write(folder.path().join("policy.yaml"), since).unwrap();
    let missed = |more: &str| {
        let arguments =
            format!("jobs list --from jobs.json --missed --policies policy.yaml{more} --each --format csv");
        let output = run(folder.path(), &arguments.split(' ').collect::<Vec<_>>());
        // What `apply` warns of is told here too.
        let told = stderr(&output);
        assert!(
            told.starts_with("warning: Validation failure actions enforce/audit are deprecated"),
            "{told}"
        );
        assert!(!told.contains("error:"), "{told}");
        let name = |line: &str| line.split(',').nth(1).unwrap().to_owned();
        stdout(&output).lines().skip(1).map(name).collect::<Vec<_>>()
    };
    // Older ones the policy never saw, and that of the CronJob it leaves alone.
    assert_eq!(missed(""), ["cleanup", "report-2", "report-3", "report-4", "keep-me", "migrate"]);
    let exception = "apiVersion: kyverno.io/v2
kind: PolicyException
metadata: {name: reports-stay, namespace: exceptions}
spec:
  exceptions: [{policyName: add-ttl-to-dangling-job, ruleNames: ['*']}]
  match: {any: [{resources: {kinds: [Job], names: ['report-*']}}]}
";
    fs::write(folder.path().join("exception.yaml"), exception).unwrap();
    assert_eq!(missed(" --policies exception.yaml"), ["cleanup", "keep-me", "migrate"]);

    // Caps are a part of all that were listed.
    let arguments =
        "jobs plan --from jobs.json --missed --policies policy.yaml --max-percent 10 --format json";
    let plan = stdout(&run(folder.path(), &arguments.split(' ').collect::<Vec<_>>()));
    let plan = portcullis_retention::Plan::read(plan.as_bytes()).unwrap();
    assert_eq!((plan.listed, plan.items.len(), plan.within(plan.caps)), (11, 3, 1));
}

#[test]
fn a_job_that_finished_in_the_future_is_shown_and_has_no_age() {
    let folder = tempfile::tempdir().unwrap();
    let jobs =
        [("a", "2026-01-05"), ("b", "9999-01-05")].map(|(name, day)| job("x", name, day, "Complete", ""));
    let list = format!(r#"{{"kind":"List","items":[{}]}}"#, jobs.join(","));
    fs::write(folder.path().join("jobs.json"), list).unwrap();
    let shown = stdout(&run(folder.path(), &["jobs", "list", "--from", "jobs.json", "--each"]));
    assert!(shown.contains("in the future") && shown.contains("no: finished in the future"), "{shown}");
    assert!(
        shown.contains("AGE OF 1 FINISHED JOB\n") && shown.contains("2 finished Jobs: 1 touchable"),
        "{shown}"
    );
    let old = stdout(&run(folder.path(), &["jobs", "list", "--from", "jobs.json", "--older-than", "1s"]));
    assert!(old.contains("1 finished Job: 1 touchable"), "{old}");
}

#[test]
fn the_shell_completes_the_commands_of_jobs_and_the_manual_has_a_page_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let manual = stdout(&run(folder.path(), &["man"]));
    for command in ["list", "plan", "apply", "undo"] {
        assert!(manual.contains(&format!(".TH portcullis-jobs-{command} ")), "{command}");
    }
    let script = stdout(&run(folder.path(), &["completion", "bash"]));
    let completed = |words: &str| {
        let last = words.rsplit(' ').next().unwrap_or_default();
        let script = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _portcullis portcullis '{last}' jobs\n\
             echo \"${{COMPREPLY[@]}}\"\n"
        );
        stdout(&Command::new("bash").args(["-c", &script]).output().unwrap()).trim().to_owned()
    };
    assert_eq!(completed("portcullis jobs ap"), "apply");
    assert_eq!(completed("portcullis jobs list --out"), "--outcome");
    assert_eq!(completed("portcullis jobs apply --canary-"), "--canary-wait");
}

#[test]
fn a_list_comes_in_by_a_pipe_and_by_the_name_of_a_plugin() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-portcullis");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portcullis"), &plugin).unwrap();
    let mut child = Command::new(&plugin)
        .args(["jobs", "list", "--from", "-", "--format", "csv", "-n", "team-a", "--outcome", "failed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(list().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(stdout(&output).contains("team-a,failed,kubectl-create,1,2026-01-01T10:01:00Z,"), "{output:?}");
    let help = Command::new(&plugin).args(["jobs", "list", "-h"]).output().unwrap();
    assert!(stdout(&help).contains("Usage: kubectl portcullis jobs list"), "{}", stdout(&help));
}

#[test]
fn an_empty_variable_of_the_environment_is_named() {
    let folder = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.current_dir(folder.path()).env("PORTCULLIS_NAMESPACE", "");
    let output = command.args(["jobs", "list", "--from", "jobs.json"]).output().unwrap();
    let told = "error: `--portcullis-namespace <NAME>` has no value: the environment variable `PORTCULLIS_NAMESPACE` is empty\n";
    assert!(stderr(&output).starts_with(told), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}
