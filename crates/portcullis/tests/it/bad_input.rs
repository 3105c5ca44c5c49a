//! Input that is wrong: what is said, the exit code, and that the rest is judged all the same.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use crate::{check_snapshot, root, run, shown, stderr, stdout};

const JOB: &str = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: good}\nspec: {}\n";

/// The founding policy, without the word that the reference calls deprecated.
fn policy(folder: &Path) {
    let policy = root().join("examples/dangling-jobs/add-ttl-to-dangling-job.yaml");
    let text = fs::read_to_string(policy).unwrap().replace("enforce", "Enforce");
    fs::write(folder.join("policy.yaml"), text).unwrap();
}

/// Ten aliases of ten aliases of ten, and so on.
fn bomb() -> String {
    let list = |name: &str| [name; 10].join(",");
    ["b", "c", "d", "e"]
        .iter()
        .zip(["a", "b", "c", "d"])
        .fold(format!("a: &a [{}]\n", list("x")), |text, (name, below)| {
            format!("{text}{name}: &{name} [{}]\n", list(&format!("*{below}")))
        })
}

#[test]
fn files_that_hold_no_resource_say_why_and_where() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path());
    let deep_json = format!("{}1{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    let files: Vec<(&str, Vec<u8>, i32)> = vec![
        ("empty.yaml", vec![], 0),
        ("comment.yaml", b"# nothing\n---\n# here\n".into(), 0),
        ("binary.yaml", vec![0x7f, b'E', b'L', b'F', 0, 159, 146, 150], 1),
        ("utf-16.yaml", b"\xff\xfea\0:\0 \x001\0".into(), 1),
        ("latin-1.yaml", b"a: 1\nb: gr\xfc\xdfe\n".into(), 1),
        ("bomb.yaml", bomb().into(), 1),
        ("deep.yaml", "[".repeat(100_000).into(), 1),
        ("deep.json", deep_json.into(), 1),
        ("tabs.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n\tname: a\n".into(), 1),
        ("no-kind.yaml", b"apiVersion: v1\nmetadata:\n  name: a\n".into(), 1),
        ("no-version.yaml", b"kind: Pod\nmetadata:\n  name: a\n".into(), 1),
        ("scalar.yaml", b"hello\n".into(), 1),
        ("list.json", br#"[{"apiVersion": "v1", "kind": "Pod"}]"#.into(), 1),
        ("escape.yaml", b"apiVersion: v1\nmetadata: {name: \"\\e[31m\"}\n".into(), 1),
        ("one-bad.yaml", format!("{JOB}---\na: [\n---\n{JOB}").into(), 1),
    ];
    let mut book = String::new();
    for (name, bytes, code) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
        let output = run(folder.path(), &["apply", "policy.yaml", "--resource", name]);
        assert_eq!(output.status.code(), Some(code), "{name}");
        assert!(stdout(&output).contains(&format!("error: {code}, ")), "{name}: {}", stdout(&output));
        book += &format!("## {name}\n{}\n", stderr(&output));
        if name == "one-bad.yaml" {
            assert!(stdout(&output).contains("pass: 2, "), "{}", stdout(&output));
        }
    }
    check_snapshot("files_without_a_resource", &book);
}

#[test]
fn of_a_key_that_stands_twice_the_last_counts_and_both_places_are_told() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path());
    let head = "apiVersion: batch/v1\nkind: Job\n";
    let mut book = String::new();
    for (name, text) in [
        ("block.yaml", format!("{head}metadata:\n  name: first\n  name: last\n")),
        ("flow.yaml", format!("{head}metadata: {{name: first, name: last}}\n")),
        (
            "one-line.json",
            r#"{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"first","name":"last"}}"#.to_owned(),
        ),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
        let output = run(folder.path(), &["apply", "policy.yaml", "--resource", name]);
        assert!(output.status.success(), "{name}");
        assert!(stdout(&output).contains("default/Job/last"), "{name}: {}", stdout(&output));
        book += &format!("## {name}\n{}\n", stderr(&output));
    }
    check_snapshot("keys_that_stand_twice", &book);
}

#[test]
fn paths_that_lead_to_no_file_are_told_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    policy(folder.path());
    for name in ["empty", "links", "pipes"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("secret.yaml"), JOB).unwrap();
    fs::write(at("links/job.yaml"), JOB).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("..", at("links/up")).unwrap();
    symlink("../secret.yaml", at("links/out.yaml")).unwrap();
    symlink("nowhere.yaml", at("links/dead.yaml")).unwrap();
    for pipe in ["pipe.yaml", "pipes/pipe.yaml"] {
        assert!(std::process::Command::new("mkfifo").arg(at(pipe)).status().unwrap().success());
    }
    let mut book = String::new();
    for (path, code) in [
        ("nowhere.yaml", 1),
        ("empty", 0),
        ("loop", 1),
        ("links", 0),
        ("pipe.yaml", 1),
        ("pipes", 0),
        ("/dev/zero", 1),
    ] {
        let arguments = ["apply", "policy.yaml", "--resource", path];
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{path}");
        let judged = usize::from(path == "links");
        assert!(stdout(&output).contains(&format!("pass: {judged}, ")), "{path}: {}", stdout(&output));
        book += &format!("## {path}\n{}\n", stderr(&output));
    }
    for path in ["nowhere.yaml", "empty", "pipe.yaml", "secret.yaml"] {
        let arguments = ["apply", path, "--resource", "secret.yaml"];
        book += &format!("{}\n", shown(&arguments, &run(folder.path(), &arguments)));
    }
    check_snapshot("paths_to_no_file", &book);
}

/// A stand-in for a file of a gigabyte: the limit is for one document, and nothing beyond it is kept.
#[test]
fn a_document_beyond_the_limit_is_refused_and_the_next_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path());
    let mut text = vec![b'x'; (64 << 20) + 1];
    text.extend_from_slice(format!("\n---\n{JOB}").as_bytes());
    fs::write(folder.path().join("large.yaml"), text).unwrap();
    let output = run(folder.path(), &["apply", "policy.yaml", "--resource", "large.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("pass: 1, fail: 0, warn: 0, error: 1,"), "{}", stdout(&output));
    assert!(stderr(&output).contains("document is larger than 67108864 bytes"), "{}", stderr(&output));
}

#[test]
fn what_is_nearly_a_policy_or_one_of_another_engine_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path());
    fs::write(folder.path().join("job.yaml"), JOB).unwrap();
    let template = "apiVersion: templates.gatekeeper.sh/v1\nkind: ConstraintTemplate\nmetadata: {name: a}\n";
    for (text, code, told) in [
        ("apiVersion: kyverno.io/v1\nkind: ClusterPolcy\n", 1, "did you mean `ClusterPolicy`?"),
        ("apiVersion: kyverno.io/v1\nkind: clusterpolicy\n", 1, "did you mean `ClusterPolicy`?"),
        ("apiVersion: policies.kyverno.io/v1\nkind: MutatingPolcy\n", 1, "did you mean `MutatingPolicy`?"),
        (template, 0, "is a policy of Gatekeeper, and not run"),
        ("apiVersion: kyverno.io/v2\nkind: PolicyException\n", 0, "given with `--exception`"),
        ("apiVersion: v1\n", 0, "a policy has `apiVersion: kyverno.io/v1` and `kind: ClusterPolicy`"),
    ] {
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::copy(folder.path().join("policy.yaml"), folder.path().join("policies/good.yaml")).unwrap();
        fs::write(folder.path().join("policies/other.yaml"), text).unwrap();
        for path in ["policies", "policies/other.yaml"] {
            let output = run(folder.path(), &["apply", path, "--resource", "job.yaml"]);
            // A file without a policy is of interest where it was named.
            if path == "policies" && !text.contains("gatekeeper") && code == 0 {
                assert_eq!(stderr(&output), "");
                continue;
            }
            assert_eq!(output.status.code(), Some(code), "{text}");
            assert!(stderr(&output).contains(told), "{path}: {}", stderr(&output));
        }
    }
}

#[test]
fn a_path_that_is_empty_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path());
    fs::write(folder.path().join("job.yaml"), JOB).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();
    for arguments in [
        ["apply", "", "--resource", "job.yaml", "--output", "out.yaml"],
        ["apply", "policy.yaml", "--resource", "", "--output", "out.yaml"],
        ["apply", "policy.yaml", "--resource", "job.yaml", "--output", ""],
        ["apply", "policy.yaml", "--resource", "job.yaml", "--output", "-"],
    ] {
        let output = run(folder.path(), &arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("hint: "), "{}", stderr(&output));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "{arguments:?}");
    }
}

#[test]
fn who_may_read_the_output_stays_who_may() {
    let folder = tempfile::tempdir().unwrap();
    policy(folder.path());
    fs::write(folder.path().join("job.yaml"), JOB).unwrap();
    let output = folder.path().join("out.yaml");
    fs::write(&output, "before").unwrap();
    fs::set_permissions(&output, fs::Permissions::from_mode(0o640)).unwrap();
    run(folder.path(), &["apply", "policy.yaml", "--resource", "job.yaml", "--output", "out.yaml"]);
    assert_eq!(fs::metadata(&output).unwrap().permissions().mode() & 0o777, 0o640);
    assert!(fs::read_to_string(&output).unwrap().contains("ttlSecondsAfterFinished"));
}

#[test]
fn an_argument_that_is_not_utf_8_is_named() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["apply", "policy.yaml", "--resource"]).arg(OsStr::from_bytes(b"gr\xfcn.yaml"));
    let output = command.output().unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("error: argument 4, `gr\u{fffd}n.yaml`, is not UTF-8\nhint: "), "{told}");
}
