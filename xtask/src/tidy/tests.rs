//! The checks, on small trees made by hand.

use super::*;

fn tree(files: &[(&str, &str)]) -> Tree {
    let entry = |(path, text): &(&str, &str)| ((*path).to_owned(), Some((*text).to_owned()));
    Tree { files: files.iter().map(entry).collect() }
}

/// Checks that exactly these findings are made, in order of file and line.
#[track_caller]
fn found(mut findings: Vec<Finding>, want: &[&str]) {
    findings.sort();
    let got: Vec<_> = findings.iter().map(Finding::to_string).collect();
    assert_eq!(got, want);
}

/// A root manifest with one dependency of the core and one of the edge.
const ROOT: &str = "\
[workspace.dependencies]
portcullis-value = { path = \"crates/portcullis-value\" }

# core: any layer
regex = \"1\"

# edge only
tokio = \"1\"

[profile.release]
lto = true
";

fn layers_of(name: &str, manifest: &str) -> Vec<Finding> {
    let path = format!("crates/{name}/Cargo.toml");
    layers::check(&tree(&[("Cargo.toml", ROOT), (&path, manifest)]), layers::LAYERS)
}

#[test]
fn a_crate_may_depend_on_lower_layers() {
    let manifest = "[dependencies]\nportcullis-value.workspace = true\nregex.workspace = true\n";
    found(layers_of("portcullis-jmespath", manifest), &[]);
    found(layers_of("portcullis-cli", "[dependencies]\ntokio.workspace = true\n"), &[]);
}

#[test]
fn a_crate_must_not_depend_on_its_own_or_a_higher_layer() {
    found(
        layers_of("portcullis-patch", "[dependencies]\nportcullis-yaml.workspace = true\n"),
        &[
            "crates/portcullis-patch/Cargo.toml:2: `portcullis-patch` (layer 0) must not depend on `portcullis-yaml` \
           (layer 0): move what is shared to a lower layer",
        ],
    );
    let in_tests = "[dev-dependencies]\nportcullis-engine = { workspace = true }\n";
    assert_eq!(layers_of("portcullis-kyverno", in_tests).len(), 1, "tests follow the arrows too");
    let for_unix = "[target.'cfg(unix)'.dependencies]\nportcullis-engine.workspace = true\n";
    assert_eq!(layers_of("portcullis-kyverno", for_unix).len(), 1);
}

#[test]
fn the_core_must_not_depend_on_the_edge() {
    found(
        layers_of("portcullis-engine", "[dependencies]\ntokio.workspace = true\nregex.workspace = true\n"),
        &[
            "crates/portcullis-engine/Cargo.toml:2: `portcullis-engine` (layer 4) must not depend on `tokio`: the core \
           uses what stands below `# core` in the root manifest",
        ],
    );
    found(layers_of("portcullis-engine", "[dev-dependencies]\ntokio.workspace = true\n"), &[]);
}

#[test]
fn a_crate_without_a_layer_is_found() {
    found(
        layers_of("portcullis-magic", "[dependencies]\n"),
        &["crates/portcullis-magic/Cargo.toml:1: `portcullis-magic` has no layer: give it a row in \
           xtask/src/tidy/layers.rs"],
    );
}

#[test]
fn a_dependency_without_a_row_and_a_row_without_a_dependency_are_found() {
    let page = "| choice | why |\n|---|---|\n| `regex` | linear time |\n| `chrono` | gone |\n";
    found(
        layers::check_documented(&tree(&[("Cargo.toml", ROOT), ("docs/dependencies.md", page)])),
        &[
            "Cargo.toml:8: `tokio` needs a row in docs/dependencies.md: need, choice, runner-up, why",
            "docs/dependencies.md:4: `chrono` is no dependency any more: take its row out",
        ],
    );
}

#[test]
fn a_dependency_that_no_source_names_is_found() {
    let manifest =
        "[dependencies]\nserde_json.workspace = true\nmd-5.workspace = true\njiff.workspace = true\n";
    let source = "//! A.\nuse md5::Md5;\nuse serde_json::Value;\nlet jiffy = 1;\n";
    found(
        layers::check_used(&tree(&[("crates/a/Cargo.toml", manifest), ("crates/a/src/lib.rs", source)])),
        &["crates/a/Cargo.toml:4: `jiff` is used nowhere in the crate: take it out"],
    );
}

fn sources_of(path: &str, text: &str) -> Vec<Finding> {
    sources::check(&tree(&[(path, text)]))
}

#[test]
fn a_source_opens_with_a_word_on_what_it_holds() {
    found(sources_of("xtask/src/a.rs", "//! A.\n"), &[]);
    found(
        sources_of("xtask/src/a.rs", "// A.\n"),
        &["xtask/src/a.rs:1: open the file with `//!` and a sentence that says what it holds"],
    );
}

#[test]
fn a_long_source_says_why_and_a_longer_one_is_split() {
    let lines = |head: &str, count: usize| format!("{head}\n{}", "x();\n".repeat(count - 1));
    found(sources_of("a.rs", &lines("//! A.", 600)), &[]);
    assert_eq!(sources_of("a.rs", &lines("//! A.", 601)).len(), 1);
    found(sources_of("a.rs", &lines("//! A.\n//! Long because it is one table.", 800)), &[]);
    assert_eq!(sources_of("a.rs", &lines("//! A.\n//! Long because it is one table.", 900)).len(), 1);
}

#[test]
fn holes_are_found_in_code_and_not_in_comments_or_texts() {
    let text = "//! A.\n// todo! dbg! sleep(\nlet a = \"todo!\";\ntodo!();\nthread::sleep(x);\nmy_dbg!();\n#[ignore]\n";
    found(
        sources_of("a.rs", text),
        &[
            "a.rs:4: `todo!` has no place here: write it, or leave the function out until it is needed",
            "a.rs:5: `sleep(` has no place here: wait for the event itself; time is a parameter",
            "a.rs:7: `#[ignore` has no place here: make the test run, or delete it",
        ],
    );
}

#[test]
fn a_test_waits_for_no_time_unless_it_says_why() {
    let waits = "sleep_until(x).await;\nlet ticks = interval(x);\n";
    let message = |call: &str, line: usize| {
        format!(
            "a.rs:{line}: `{call}` has no place in a test: wait for the event itself, or say why with a line \
             `//! Paced because ...`"
        )
    };
    let in_module = format!("//! A.\n{waits}#[cfg(test)]\nmod tests {{\n    {waits}}}\n");
    found(sources_of("a.rs", &in_module), &[&message("sleep_until(", 6), &message("interval(", 7)]);
    for path in ["tests/a/src/a.rs", "crates/a/tests/it/a.rs", "crates/a/src/a/tests.rs"] {
        assert_eq!(sources_of(path, &format!("//! A.\n{waits}")).len(), 2, "{path}");
        found(sources_of(path, &format!("//! A.\n//! Paced because it is a load.\n{waits}")), &[]);
    }
}

#[test]
fn a_note_needs_an_issue() {
    let text = format!("//! A.\n// {0}: later\n// {0}(#7): later\nlet a = \"{0}\";\n", "TODO");
    found(
        sources_of("a.rs", &text),
        &["a.rs:2: `TODO` needs an issue, as in `TODO(#12)`; better do it, or leave it out"],
    );
}

#[test]
fn the_core_has_no_files_clock_or_environment() {
    let text =
        "//! A.\nuse std::{env, fmt};\nlet a = std::fs::read(b);\nSystemTime::now();\nuse std::format;\n";
    found(
        sources_of("crates/portcullis-engine/src/a.rs", text),
        &[
            "crates/portcullis-engine/src/a.rs:2: the core has no `std::env`: the environment is read at the edge",
            "crates/portcullis-engine/src/a.rs:3: the core has no `std::fs`: files are read at the edge and their text \
             is handed in",
            "crates/portcullis-engine/src/a.rs:4: the core has no `SystemTime::now`: time is part of the input",
        ],
    );
    found(sources_of("crates/portcullis-cli/src/a.rs", text), &[]);
    found(sources_of("crates/portcullis-engine/benches/a.rs", text), &[]);
}

#[test]
fn a_module_is_named_for_what_it_holds() {
    assert_eq!(sources_of("crates/portcullis-cli/src/apply/mod.rs", "//! A.\n").len(), 1);
}

#[test]
fn a_path_of_one_machine_is_found() {
    let home = format!("/{}/jane/x", "home");
    let text = format!("see {home}\nsee src{home}\nsee /yard/shared/x, backyard/shared/x\n");
    found(
        machine::check(&tree(&[("a.md", &text)]), &["/yard/".to_owned()]),
        &[
            &format!(
                "a.md:1: `/{}/` is a folder of one machine: write the path from the root of the repository",
                "home"
            ),
            "a.md:3: `/yard/` is a folder of one machine: write the path from the root of the repository",
        ],
    );
}

#[test]
fn a_host_of_one_network_and_a_foreign_registry_are_found() {
    let files = [
        ("a.md", concat!("https://mirror", ".corp/x and https://kubernetes.io/docs\n")),
        (
            "Cargo.lock",
            "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+x\"\n",
        ),
    ];
    found(
        machine::check(&tree(&files), &[]),
        &[
            "Cargo.lock:2: `git+x` is not crates.io: take the dependency from there",
            "a.md:1: `mirror.corp` is a host of one network: name a public one, or an example under `example.com`",
        ],
    );
}

#[test]
fn a_link_leads_to_a_file_or_a_folder() {
    let page = "\
[a](../README.md) [`b`](guide.md#part) [c](https://example.com) [d](#here) [e](../crates)
`[code](nowhere.md)` [f](nowhere.md \"title\")
```
[g](nowhere.md)
```
[h]: gone.md
[i](../../outside.md)
";
    let files =
        [("README.md", ""), ("docs/guide.md", ""), ("docs/page.md", page), ("crates/a/src/lib.rs", "")];
    found(
        links::check(&tree(&files)),
        &[
            "docs/page.md:2: `nowhere.md` leads nowhere: mend the link",
            "docs/page.md:6: `gone.md` leads nowhere: mend the link",
            "docs/page.md:7: `../../outside.md` leads nowhere: mend the link",
        ],
    );
}
