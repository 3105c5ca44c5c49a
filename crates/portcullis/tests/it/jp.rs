//! `portcullis jp`.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::{check_snapshot, root, run, shown, stdout};

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
