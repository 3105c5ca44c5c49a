//! `portcullis jp`.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{check_snapshot, root, run, shown, stderr, stdout};

#[test]
fn what_people_ask_of_expressions() {
    let folder = tempfile::tempdir().unwrap();
    let pod = "metadata: {name: web, labels: {app: 'a<b'}}\nspec:\n  containers: [{name: a, image: nginx}, {name: b}]\n";
    fs::write(folder.path().join("pod.yaml"), pod).unwrap();
    fs::write(folder.path().join("names.jp"), "spec.containers[].name | join(', ', @)\n").unwrap();
    let mut text = String::new();
    for arguments in [
        &["jp", "query", "-i", "pod.yaml", "metadata.labels", "-q", "names.jp"][..],
        &["jp", "query", "-i", "pod.yaml", "--compact", "spec.containers[?image].name"],
        &["jp", "query", "-i", "pod.yaml", "--unquoted", "to_upper(metadata.name)"],
        &["jp", "query", "-i", "pod.yaml", "metadata.owner"],
        &["jp", "query", "-i", "pod.yaml", "metadata.["],
        &["jp", "query"],
        &["jp", "parse", "a.b[?c == `1`].{d: e, f: max_by(@, &g)} | [0] || nothing('x')"],
        &["jp", "function", "time_add", "trim", "trimm"],
    ] {
        text += &shown(arguments, &run(folder.path(), arguments));
        text.push('\n');
    }
    check_snapshot("jp", &text);
}

#[test]
fn of_many_documents_the_first_is_looked_at_and_the_others_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let told = |text: &str| {
        fs::write(folder.path().join("a.yaml"), text).unwrap();
        let output = run(folder.path(), &["jp", "query", "-i", "a.yaml", "kind"]);
        assert_eq!(stdout(&output), "# kind\n\"Pod\"\n", "{text}");
        stderr(&output)
    };
    assert_eq!(told("# a\n---\nkind: Pod\n---\n# b\n"), "");
    assert_eq!(
        told("kind: Pod\n---\nkind: Job\n---\nkind: Pod\n"),
        "warning: the input holds 3 documents: expressions see the first one alone\n"
    );
}

#[test]
fn a_folder_is_no_input() {
    for (arguments, what) in [
        (["jp", "query", "-i", ".", "kind"].as_slice(), "a document"),
        (&["jp", "query", "-q", ".", "-i", "/dev/null"], "an expression"),
        (&["jp", "parse", "-f", "."], "an expression"),
    ] {
        let output = run(&root().join("examples"), arguments);
        let told = format!("error: `.` is a folder\nhint: name a file that holds {what}\n");
        assert_eq!((output.status.code(), stderr(&output)), (Some(1), told));
    }
}

#[test]
fn the_document_may_come_from_standard_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["jp", "query", "--compact", "a"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"{\"a\": [1, 2]}").unwrap();
    assert_eq!(stdout(&child.wait_with_output().unwrap()), "# a\n[1,2]\n");
}

#[test]
fn every_function_is_documented() {
    let output = run(&root(), &["jp", "function"]);
    assert!(output.status.success());
    assert_eq!(stdout(&output).matches("Signature: ").count(), 76);
}
