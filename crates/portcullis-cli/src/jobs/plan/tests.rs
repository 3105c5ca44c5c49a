//! Plans that are not written, and what is said of them.
#![allow(clippy::disallowed_methods, reason = "tests look at the files that were written")]

use std::fs;

use portcullis_value::{Arena, json};

use crate::jobs::trial::{folder, refused, run, run_words};
use crate::{Exit, Offline};

const JOBS: &str = r#"{"kind":"List","items":[{"metadata":{"name":"report","namespace":"team-a","uid":"u-1","resourceVersion":"1","creationTimestamp":"2026-09-30T00:00:00Z"},"status":{"conditions":[{"type":"Complete","status":"True","lastTransitionTime":"2026-09-30T10:00:00Z"}]}}]}"#;
const PLAN: [&str; 4] = ["plan", "--from", "jobs.json", "-o"];

#[test]
fn a_plan_takes_the_place_of_an_older_one_and_of_nothing_else() {
    let folder = folder(&[("jobs.json", JOBS), ("policy.yaml", "kind: ClusterPolicy\n"), ("empty.json", "")]);
    let path = |name: &str| folder.path().join(name);
    let refused = |name: &str| refused(folder.path(), &[&PLAN[..], &[name]].concat());
    std::os::unix::fs::symlink("jobs.json", path("link.json")).unwrap();
    for name in ["jobs.json", "./jobs.json", "link.json"] {
        let why = format!("error: cannot write the plan to `{name}`: the Jobs are read from it\nhint: ");
        assert!(refused(name).starts_with(&why), "{}", refused(name));
    }
    let why = "error: cannot write the plan to `policy.yaml`: there is a file that is no plan\nhint: ";
    assert!(refused("policy.yaml").starts_with(why), "{}", refused("policy.yaml"));
    assert_eq!(fs::read_to_string(path("jobs.json")).unwrap(), JOBS);
    assert_eq!(fs::read_to_string(path("policy.yaml")).unwrap(), "kind: ClusterPolicy\n");

    for name in ["q.json", "q.json", "empty.json"] {
        let (exit, text) = run(folder.path(), &[&PLAN[..], &[name]].concat());
        assert_eq!(exit, Exit::SUCCESS, "{text}");
    }
    let plan = fs::read_to_string(path("q.json")).unwrap();
    // Whoever says no to `jobs apply` leaves an empty journal.
    fs::create_dir(path("q.json.applied")).unwrap();
    fs::write(path("q.json.applied/journal.jsonl"), "").unwrap();
    assert_eq!(run(folder.path(), &[&PLAN[..], &["q.json"]].concat()).0, Exit::SUCCESS);
    fs::write(path("q.json.applied/journal.jsonl"), "{}\n").unwrap();
    assert_eq!(
        refused("q.json"),
        "error: cannot write the plan to `q.json`: a plan of this name was carried out, and its journal lies beside it\nhint: name another file; that folder is still wanted for `portcullis jobs undo q.json.applied`\n"
    );
    assert_eq!(fs::read_to_string(path("q.json")).unwrap(), plan);
}

#[test]
fn a_job_that_is_listed_twice_counts_once() {
    let other = JOBS.replace("report", "later").replace("u-1", "u-2").replace("T10", "T11");
    let folder = folder(&[("jobs.json", &format!("{JOBS} {other} {JOBS}"))]);
    for (more, warnings) in
        [(&[][..], "warning: 1 item repeats a Job and is passed over"), (&["-n", "team-a,team-a"], "")]
    {
        let words = [&["plan", "--from", "jobs.json", "--older-than", "1h"], more].concat();
        let (exit, text) = run(folder.path(), &words);
        assert_eq!(exit, Exit::SUCCESS, "{text}");
        assert!(text.contains("team-a: 2 of 2 Jobs would go") && text.contains(warnings), "{text}");
        let (_, listed) = run(folder.path(), &[&["list"], &words[1..]].concat());
        assert!(listed.contains("2 finished Jobs: 2 touchable"), "{listed}");
    }
}

#[test]
fn names_and_files_that_are_empty_are_refused() {
    let folder = folder(&[("jobs.json", JOBS)]);
    let jobs = ["--from", "jobs.json"];
    for (command, flag, value) in [
        ("list", "-n", ""),
        ("list", "-n", "team-a,"),
        ("plan", "-n", ""),
        ("plan", "--include-namespace", ""),
        ("plan", "--portcullis-namespace", ""),
        ("plan", "-o", ""),
        ("explain", "--retentions", ""),
        ("explain", "--policies", ""),
        ("explain", "-n", ""),
    ] {
        let text = refused(folder.path(), &[&[command, flag, value], &jobs[..]].concat());
        assert!(text.starts_with("error: `-") && text.contains(" has no value\nhint: "), "{flag}: {text}");
    }
    assert!(refused(folder.path(), &["list", "--from", ""]).contains("`--from <FILE>` has no value"));
    let text = refused(folder.path(), &[&["explain", "team-a/"], &jobs[..]].concat());
    assert!(text.contains("`team-a/` is no value of `<JOB>`: write it as NAME or NAMESPACE/NAME"), "{text}");
    let stream = "error: cannot write the plan to `-`: `-` stands for a stream\nhint: `--format json` prints it to standard output; a file of this name is `./-`\n";
    assert_eq!(refused(folder.path(), &[&PLAN[..], &["-"]].concat()), stream);
}

#[test]
fn the_next_command_finds_the_plan_by_its_name() {
    let folder = folder(&[("jobs.json", JOBS)]);
    for (name, word) in
        [("plan.json", "plan.json"), ("my plan.json", "'my plan.json'"), ("-p.json", "./-p.json")]
    {
        let (exit, text) =
            run(folder.path(), &["plan", "--from", "jobs.json", "--older-than", "1h", &format!("-o={name}")]);
        assert_eq!(exit, Exit::SUCCESS, "{text}");
        assert!(text.contains(&format!("next: `portcullis jobs apply {word} --cluster-uid UID`")), "{text}");
    }
    let odd = std::os::unix::ffi::OsStringExt::from_vec(b"p\xff.json".to_vec());
    let words = PLAN.iter().map(Into::into).chain([odd]).collect();
    let (exit, text) = run_words(folder.path(), words, &Offline);
    assert_eq!(exit, Exit::FAILURE, "{text}");
    assert!(text.contains("its name is not UTF-8\nhint: name a file that can be written down"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4);
}

#[test]
fn a_notice_is_for_a_ttl() {
    let folder = folder(&[("jobs.json", JOBS)]);
    let plan = ["plan", "--from", "jobs.json", "--format", "json"];
    assert_eq!(
        refused(folder.path(), &[&plan[..], &["--notice", "5m"]].concat()),
        "error: `--notice` is for `--mode ttl`: Jobs that are deleted go as the plan is carried out\nhint: leave it out, or add `--mode ttl`\n"
    );
    for (more, seconds) in [(&["--mode", "ttl"][..], 600), (&["--mode", "ttl", "--notice", "1h5m"], 3_900)] {
        let (exit, text) = run(folder.path(), &[&plan[..], more].concat());
        assert!(exit == Exit::SUCCESS && text.contains(&format!(r#""notice":{seconds}"#)), "{text}");
    }
}

#[test]
fn a_plan_in_yaml_is_the_plan_that_is_carried_out() {
    let odd = JOBS.replace("report", "odd").replace("u-1", "u-2").replace("team-a", "a: b");
    let folder = folder(&[("jobs.json", &format!("{JOBS} {odd}"))]);
    let plan =
        |more: &[&str]| run(folder.path(), &[&["plan", "--from", "jobs.json", "--format"], more].concat()).1;
    for more in [&[][..], &["-n", "team-a"], &["-n", "nowhere"]] {
        let json = plan(&[&["json"], more].concat());
        let (arena, yaml) = (Arena::new(), plan(&[&["yaml"], more].concat()));
        let whole = portcullis_yaml::to_string(json::read(&arena, &json).unwrap());
        assert_eq!(yaml, whole);
        portcullis_retention::Plan::read(json.as_bytes()).unwrap();
    }
}
