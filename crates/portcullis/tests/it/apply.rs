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
    let reason = "Equals '' does not hold: the key is [{\"apiVersion\":\"batch/v1\"";
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
fn input_that_is_none_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let long = "[".repeat(100_000);
    let files: [(&str, &[u8], &str); 5] = [
        ("binary.yaml", &[0, 159, 146, 150], "is not text"),
        ("deep.yaml", long.as_bytes(), "nested deeper than 256 levels"),
        ("tab.yaml", b"a:\n\tb: 1\n", "tab"),
        ("kindless.yaml", b"a: 1\n", "no `kind`"),
        ("bomb.yaml", b"a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d]\n", "aliases make more than 10000 values"),
    ];
    let policy = root().join(POLICY);
    for (name, bytes, reason) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
        let output = run(folder.path(), &["apply", policy.to_str().unwrap(), "--resource", name]);
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stderr(&output).contains(reason), "{name}: {}", stderr(&output));
        assert!(stdout(&output).contains("error: 1"), "{name}");
    }
    let output = run(folder.path(), &["apply", policy.to_str().unwrap(), "--resource", "nowhere.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no such file or directory"), "{}", stderr(&output));
}

#[test]
fn flags_that_come_later_say_so() {
    for arguments in [
        vec!["apply", POLICY, "--cluster"],
        vec!["apply", "https://example.com/owner/policies", "--resource", JOB],
        vec!["apply", POLICY, "--resource", JOB, "--registry"],
    ] {
        let output = run(&root(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("not"), "{arguments:?}: {}", stderr(&output));
        assert!(stdout(&output).is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(root())
        .args(["apply", POLICY, "--resource", JOB])
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
}
