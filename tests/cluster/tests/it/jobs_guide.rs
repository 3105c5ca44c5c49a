//! The guide to dangling Jobs, typed in from its first line to its last.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::ListParams;
use portcullis_cluster_tests::{ClusterTest, wait};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::jobs_swept::backlog::{Lot, create_backlog, finished_job};
use crate::story::{is_finished, job, remove_jobs_of_other_tests, serving, until_shown};

const GUIDE: &str = include_str!("../../../../docs/guides/dangling-jobs.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn every_command_of_the_guide_does_what_it_says() -> Result<()> {
    serving(async |test, _| {
        remove_jobs_of_other_tests(test).await?;
        let desk = Desk::new(test)?;
        // So few that no canaries are waited for: four of them may be touched, and one is among the last three.
        create_backlog(test, 8).await?;
        let commands: Vec<&str> = commands(GUIDE).collect();
        ensure!(commands.len() > 15, "{commands:?}");
        for command in commands {
            if command.starts_with("portcullis jobs explain ") {
                set_the_scene_of_retention(test).await?;
            }
            let screen = desk.types(command).await?;
            let is_true = match command {
                "kubectl apply -f examples/dangling-jobs/production.yaml" => screen.contains(" created"),
                command if command.starts_with("kubectl get job pi ") => {
                    until_pi_has_finished(test).await?;
                    screen.trim() == "900"
                }
                // That of the policy is protected by its TTL.
                "portcullis jobs list -A" => screen.contains("9 finished Jobs: 4 touchable, 5 protected"),
                "portcullis jobs apply plan.json" => {
                    // Asked, with a bar that shows how far it is, and done.
                    let words = ["About to delete 3 Jobs with their Pods", "of 3 Jobs, ", "3 Jobs deleted"];
                    words.iter().all(|words| screen.contains(words)) && names(test).await?.len() == 5
                }
                "cat plan.json.applied/journal.jsonl" => screen.matches(r#""fate":"done""#).count() == 3,
                "zcat plan.json.applied/tombstones.jsonl.gz" => screen.lines().count() == 3,
                command if command.starts_with("portcullis jobs apply offline.json") => {
                    screen.contains("1 Job deleted") && screen.contains("3 Jobs gone before")
                }
                "portcullis jobs undo plan.json.applied" => screen.contains("3 Jobs created again"),
                "portcullis jobs undo plan.json.applied --run" => screen.contains("3 Jobs unsuspended"),
                _ => true,
            };
            ensure!(is_true, "`{command}` shows {screen}");
            if command.ends_with("production.yaml") {
                // An API server hears of new webhooks a moment after they are written.
                until_shown(test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
            }
            if command.ends_with("/kubectl_complete-portcullis") {
                // What a shell runs at the tabulator key.
                let screen = desk.types("kubectl __complete portcullis jobs ap").await?;
                ensure!(screen.contains("\napply\t"), "{screen}");
            }
        }
        Ok(())
    })
}

async fn until_pi_has_finished(test: &ClusterTest) -> Result<()> {
    let jobs: Api<Job> = Api::namespaced(test.client.clone(), "default");
    wait::until_object(&jobs, "pi", "the end of the Job", is_finished).await.map(drop)
}

/// The lines of the blocks that are commands.
fn commands(guide: &str) -> impl Iterator<Item = &str> {
    blocks(guide, "```sh\n").flat_map(str::lines)
}

/// The blocks of the guide that begin so.
fn blocks<'g>(guide: &'g str, start: &'g str) -> impl Iterator<Item = &'g str> {
    guide.split(start).skip(1).filter_map(|block| block.split("```").next())
}

/// From here on the guide speaks of a Job, and of the JobRetention that it shows.
async fn set_the_scene_of_retention(test: &ClusterTest) -> Result<()> {
    test.make_namespace("team-a").await?;
    let job = json!(finished_job("report-28f4k", Lot::Dangling, &BTreeMap::new())?).to_string();
    test.control_plane.kubectl("team-a").run_with(&["create", "-f", "-"], &job).await?.succeeded()?;
    let definitions = test.control_plane.portcullis(&["crds"]).await?.succeeded()?;
    let kubectl = test.control_plane.kubectl("default");
    kubectl.run_with(&["apply", "--server-side", "-f", "-"], &definitions).await?.succeeded()?;
    wait::until("JobRetentions that are served", async || {
        Ok((kubectl.run(&["get", "jobretentions"]).await?.code == 0).then_some(()))
    })
    .await?;
    let retention = blocks(GUIDE, "```yaml\n").find(|block| block.contains("kind: JobRetention"));
    let retention = retention.context("the guide shows no JobRetention")?;
    kubectl.run_with(&["apply", "-f", "-"], retention).await?.succeeded().map(drop)
}

/// A terminal, a folder and a path, as whoever reads the guide has them.
struct Desk {
    home: tempfile::TempDir,
    kubeconfig: String,
    path: String,
}

impl Desk {
    fn new(test: &ClusterTest) -> Result<Desk> {
        let home = tempfile::tempdir()?;
        let own = home.path().join(".local/bin");
        fs::create_dir_all(&own)?;
        symlink(Path::new(ROOT).join("examples"), home.path().join("examples"))?;
        symlink(binary()?, own.join("portcullis"))?;
        let path = [own.display().to_string(), test.control_plane.programs().display().to_string(), path()];
        let kubeconfig = test.control_plane.kubeconfig().display().to_string();
        Ok(Desk { home, kubeconfig, path: path.join(":") })
    }

    /// Types `command` and, where it asks, `y`; gives what the screen shows.
    async fn types(&self, command: &str) -> Result<String> {
        let mut terminal = Command::new("script")
            .args(["--quiet", "--return", "--command", command, "/dev/null"])
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("SHELL", "/bin/sh")
            .env("NO_COLOR", "1")
            .env("PATH", &self.path)
            .env("KUBECONFIG", &self.kubeconfig)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot run `script`, which makes a terminal: it comes with util-linux")?;
        let mut keyboard = terminal.stdin.take().context("a terminal without a keyboard")?;
        if command.contains(" apply ") || command.contains(" undo ") {
            keyboard.write_all(b"y\n").await?;
        }
        let output = terminal.wait_with_output().await?;
        drop(keyboard);
        let screen = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "`{command}` ended with {}: {screen}", output.status);
        Ok(screen)
    }
}

async fn names(test: &ClusterTest) -> Result<Vec<String>> {
    let api: Api<Job> = test.api();
    Ok(api
        .list(&ListParams::default())
        .await?
        .items
        .into_iter()
        .filter_map(|job| job.metadata.name)
        .collect())
}

#[expect(clippy::disallowed_methods, reason = "the task runner hands the binary over in the environment")]
fn binary() -> Result<std::path::PathBuf> {
    std::env::var_os("PORTCULLIS_BINARY")
        .map(Into::into)
        .context("no portcullis is named: run `cargo xtask e2e`")
}

#[expect(clippy::disallowed_methods, reason = "the shell finds its own commands by it")]
fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}
