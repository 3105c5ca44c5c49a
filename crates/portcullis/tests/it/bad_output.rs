//! Output that cannot be written: what is said, the exit code, and that nothing half written stays behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::{check_snapshot, root, run, shown, stderr};

const POLICY: &str = "examples/dangling-jobs/add-ttl-to-dangling-job.yaml";
const JOBS: &str = "examples/dangling-jobs/resources";

/// Copies the policy and a Job into `folder`.
fn prepare(folder: &Path) {
    let text = fs::read_to_string(root().join(POLICY)).unwrap().replace("enforce", "Enforce");
    fs::write(folder.join("policy.yaml"), text).unwrap();
    fs::copy(root().join(JOBS).join("job.yaml"), folder.join("job.yaml")).unwrap();
}

/// Runs a line of shell in `folder`, in which `$PORTCULLIS` is the binary.
fn shell(folder: &Path, line: &str) -> Output {
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-c", line]).env("PORTCULLIS", env!("CARGO_BIN_EXE_portcullis"));
    command.output().unwrap()
}

#[test]
fn a_full_standard_output_is_an_error_and_a_closed_one_is_none() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let apply = "$PORTCULLIS apply policy.yaml --resource job.yaml";
    if Path::new("/dev/full").exists() {
        let output = shell(folder.path(), &format!("{apply} > /dev/full"));
        let told = "error: cannot write to standard output: no space left on device\n";
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(1), told));
        for command in ["--help", "apply --help", "--version", "man", "completion bash"] {
            let output = shell(folder.path(), &format!("$PORTCULLIS {command} > /dev/full"));
            assert_eq!((output.status.code(), &*stderr(&output)), (Some(1), told), "{command}");
        }
    }
    let output = shell(folder.path(), &format!("{apply} >&-"));
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn a_reader_that_went_away_ends_the_run_quietly() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    // More than a pipe holds, so that the writer meets the closed end.
    let job = fs::read_to_string(folder.path().join("job.yaml")).unwrap();
    fs::write(folder.path().join("jobs.yaml"), format!("{job}---\n").repeat(1000)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .current_dir(folder.path())
        .args(["apply", "policy.yaml", "--resource", "jobs.yaml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn what_cannot_be_an_output_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let mut book = String::new();
    for output in ["/dev/null", "/dev/null/x.yaml", "nowhere/x.yaml", "notes.txt", "./policy.yaml"] {
        let arguments = ["apply", "policy.yaml", "--resource", "job.yaml", "--output", output];
        let run = run(folder.path(), &arguments);
        assert_eq!(run.status.code(), Some(1), "{output}");
        assert!(run.stdout.is_empty(), "{output}");
        book += &format!("{}\n", shown(&arguments, &run));
    }
    assert_eq!(fs::read_to_string(folder.path().join("notes.txt")).unwrap(), "mine");
    check_snapshot("outputs_that_cannot_be", &book);
}

/// The limit on the size of files stands in for a full disk.
#[test]
fn an_output_that_does_not_fit_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let job = fs::read_to_string(folder.path().join("job.yaml")).unwrap();
    fs::write(folder.path().join("jobs.yaml"), format!("{job}---\n").repeat(100)).unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/old.yaml"), "old").unwrap();
    for output in ["out/old.yaml", "out"] {
        let line = format!(
            "trap '' XFSZ; ulimit -f 2; exec $PORTCULLIS apply policy.yaml --resource jobs.yaml -o {output}"
        );
        let run = shell(folder.path(), &line);
        assert_eq!(run.status.code(), Some(1), "{output}: {}", stderr(&run));
        let told = stderr(&run);
        assert!(told.starts_with(&format!("error: cannot write `{output}")), "{told}");
        assert!(told.trim_end().ends_with("file too large"), "{told}");
        let names: Vec<_> = fs::read_dir(folder.path().join("out"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["old.yaml"], "{output}");
        assert_eq!(fs::read_to_string(folder.path().join("out/old.yaml")).unwrap(), "old");
    }
}

#[test]
fn a_link_to_a_file_is_written_through() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    fs::write(folder.path().join("real.yaml"), "old").unwrap();
    std::os::unix::fs::symlink("real.yaml", folder.path().join("link.yaml")).unwrap();
    let output = run(folder.path(), &["apply", "policy.yaml", "-r", "job.yaml", "-o", "link.yaml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(folder.path().join("link.yaml").is_symlink());
    let text = fs::read_to_string(folder.path().join("real.yaml")).unwrap();
    assert!(text.contains("ttlSecondsAfterFinished: 900"), "{text}");
}
