//! The commands in the documents, run one after the other as a reader would, on a real control plane.
//!
//! KWOK plays the nodes, and [`Workload`] is what runs in the Pods of Portcullis. Every command of a document is either run here
//! or named below with the reason why not.

mod from_kyverno;

use anyhow::{Context as _, Result, ensure};
use portcullis_cluster_tests::{CommandOutput, Shell, Workload};

use crate::installation::{Ground, on_clear_ground};
use crate::story::{job, until_shown};

/// A command that is not run as it stands.
struct Other {
    /// How it begins.
    begins: &'static str,
    reason: &'static str,
    /// What is run in its place.
    instead: Option<&'static str>,
}

const OTHERS: [Other; 4] = [
    Other {
        begins: "cargo xtask sandbox",
        reason: "it has a test of its own, which runs what it prints; here Portcullis is installed in its place",
        instead: Some("portcullis install"),
    },
    Other {
        begins: "cargo xtask image",
        reason: "it takes minutes; what it writes, and that its binary starts alone, is tested by the task runner",
        instead: None,
    },
    Other {
        begins: "k3d cluster create",
        reason: "it takes a container runtime; a cluster that is empty does as well",
        instead: Some("portcullis uninstall --delete-policies && kubectl delete jobs,cronjobs --all"),
    },
    Other { begins: "k3d ", reason: "it takes a container runtime", instead: None },
];

/// Commands that stand in a sentence alone, where they are read about and not run.
const MENTIONED: [(&str, &str); 10] = [
    ("cargo xtask bench serve", "it measures for minutes, and wants a machine to itself"),
    ("cargo xtask help image", "it prints a text of the task runner, which is no part of a cluster"),
    ("helm template", "it asks no cluster; the tests of the chart run it"),
    (
        "kubectl delete crd",
        "it takes every policy with it; a test of the installation does it while nobody answers",
    ),
    ("portcullis serve", "it is what the Pods run, and the processes that stand for them"),
    (
        "kubectl -n portcullis logs deployment/portcullis",
        "nothing runs in Pods that KWOK plays, and nothing logs",
    ),
    ("kubectl -n portcullis port-forward deployment/portcullis 8000", "nothing listens in such Pods"),
    ("curl --silent localhost:8000/metrics", "it takes that port-forward"),
    ("helm uninstall kyverno --namespace kyverno", "the Kyverno of the test is none of Helm's"),
    (
        "kubectl -n kyverno scale deployment kyverno-admission-controller --replicas=3",
        "it stands for what `install --take-over` prints, which is compared above",
    ),
];

/// What a reader who has followed another path has not done.
const BEFORE: [(&str, &str); 3] = [
    (
        "helm upgrade",
        "helm status portcullis --namespace portcullis > status || { portcullis uninstall && \
         helm install portcullis charts/portcullis --namespace portcullis --create-namespace --wait; }",
    ),
    ("helm install", "portcullis uninstall"),
    ("portcullis install", "helm uninstall portcullis --namespace portcullis --ignore-not-found --wait"),
];

/// What commands print, by how they begin.
const PRINTED: [(&str, &str); 10] = [
    ("portcullis apply examples/", "+  ttlSecondsAfterFinished: 900"),
    ("kubectl get job pi -o yaml", "ttlSecondsAfterFinished: 900"),
    ("kubectl get job pi -o jsonpath", "900\n"),
    ("portcullis install", "portcullis serves; policies fail closed unless"),
    (
        "portcullis install --beside-kyverno",
        "clusterpolicies.kyverno.io left as it is: somebody else has installed it",
    ),
    (
        "portcullis install --take-over",
        "  kubectl -n kyverno scale deployment kyverno-admission-controller --replicas=2",
    ),
    ("portcullis disarm", "deployment/portcullis scaled to 0"),
    ("portcullis uninstall", "deployment.apps/portcullis removed|deployment/portcullis removed"),
    ("portcullis uninstall --delete-policies", "clusterpolicies removed"),
    ("helm install", "STATUS: deployed"),
];

/// Commands whose exit code tells of what they found: an object that a policy would refuse.
const FINDING: [&str; 1] = ["portcullis apply policies-before.yaml --cluster"];

/// The commands in the blocks of a document that are marked as those of a shell.
fn commands(document: &str) -> Vec<&str> {
    let (mut commands, mut is_shell) = (Vec::new(), false);
    for line in document.lines() {
        match line {
            "```sh" => is_shell = true,
            "```" => is_shell = false,
            line if is_shell && !line.is_empty() => commands.push(line),
            _ => {}
        }
    }
    commands
}

/// The commands in the sentences of a document.
fn mentioned(document: &str) -> Vec<String> {
    let mut is_text = true;
    let text = document.lines().filter(|line| {
        let is_fence = line.starts_with("```");
        is_text ^= is_fence;
        is_text && !is_fence
    });
    let text = text.collect::<Vec<_>>().join("\n");
    let is_command = |span: &String| {
        let (program, arguments) = span.split_once(' ').unwrap_or_default();
        let programs = ["portcullis", "kubectl", "helm", "cargo", "k3d", "curl"];
        programs.contains(&program) && !arguments.is_empty()
    };
    // What stands between two backticks, then between two more.
    text.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).filter(is_command).collect()
}

/// A reader at work.
struct Reader<'g> {
    ground: &'g Ground<'g>,
    shell: Shell,
    workload: Workload<'g>,
}

impl Reader<'_> {
    /// Runs the commands of a document in their order.
    async fn follow(&mut self, document: &str) -> Result<()> {
        let commands = commands(document);
        ensure!(commands.len() > 5, "the document has {commands:?}");
        for command in commands {
            self.step(command).await.with_context(|| format!("at `{command}`"))?;
        }
        Ok(())
    }

    async fn step(&mut self, command: &str) -> Result<()> {
        if let Some(other) = OTHERS.iter().find(|other| command.starts_with(other.begins)) {
            if let Some(instead) = other.instead {
                self.run(instead).await?.succeeded().context(other.reason)?;
            }
            return Ok(());
        }
        if let Some((_, before)) = BEFORE.iter().find(|(begins, _)| command.starts_with(begins)) {
            self.run(before).await?.succeeded()?;
        }
        let output = self.run(&self.prepared(command).await?).await?;
        if FINDING.iter().any(|begins| command.starts_with(begins)) {
            ensure!(output.code == 1, "it ends with {}: {}", output.code, output.stderr);
            return Ok(());
        }
        let printed = output.succeeded()?;
        // The longest beginning says most.
        let expected =
            PRINTED.iter().filter(|(begins, _)| command.starts_with(begins)).max_by_key(|it| it.0.len());
        if let Some((_, expected)) = expected {
            let is_there = expected.split('|').any(|expected| printed.contains(expected));
            ensure!(is_there, "`{expected}` is not in what it prints: {printed}");
        }
        if command.contains("--for=condition=Ready clusterpolicy") {
            // An API server hears of new webhooks a moment after they are written.
            until_shown(self.ground.test, &job("probe", ""), "ttlSecondsAfterFinished: 900").await?;
        }
        Ok(())
    }

    /// Runs a line, and has the Pods do what comes of it.
    async fn run(&mut self, line: &str) -> Result<CommandOutput> {
        let output = self.shell.run(line).await?;
        self.workload.follow().await?;
        Ok(output)
    }
}

/// Runs a test in which somebody reads.
fn reading(test: impl AsyncFnOnce(&mut Reader<'_>) -> Result<()>) -> Result<()> {
    on_clear_ground(async |ground| {
        let control_plane = ground.test.control_plane;
        let mut reader = Reader {
            ground,
            shell: Shell::new(control_plane, &ground.test.namespace)?,
            workload: Workload::new(control_plane)?,
        };
        test(&mut reader).await
    })
}

#[test]
fn the_commands_of_the_quickstart_do_what_it_says() -> Result<()> {
    reading(async |reader| {
        reader.follow(include_str!("../../../../docs/quickstart.md")).await?;
        // Else it would make Jobs as long as the control plane lives.
        reader.run("kubectl delete cronjob hello").await?.succeeded().map(drop)
    })
}

#[test]
fn the_commands_of_the_page_on_operations_work_one_after_the_other() -> Result<()> {
    reading(async |reader| {
        reader.follow(include_str!("../../../../docs/operations.md")).await?;
        reader
            .run("kubectl -n default delete rolebinding portcullis-config-maps")
            .await?
            .succeeded()
            .map(drop)
    })
}

/// The documents whose commands are run.
const DOCUMENTS: [&str; 3] = [
    include_str!("../../../../docs/quickstart.md"),
    include_str!("../../../../docs/operations.md"),
    include_str!("../../../../docs/guides/from-kyverno.md"),
];

#[test]
fn no_reason_is_given_for_a_command_that_no_document_has() {
    let commands: Vec<_> = DOCUMENTS.into_iter().flat_map(commands).collect();
    let is_there = |begins: &str| commands.iter().any(|command| command.starts_with(begins));
    let named = OTHERS.iter().map(|other| other.begins).chain(PRINTED.iter().map(|(begins, _)| *begins));
    for begins in named.chain(FINDING) {
        assert!(is_there(begins), "{begins}");
    }
}

#[test]
fn a_command_in_a_sentence_is_one_that_is_run_or_there_is_a_reason_why_not() {
    let commands: Vec<_> = DOCUMENTS.into_iter().flat_map(commands).collect();
    let mentioned: Vec<_> = DOCUMENTS.into_iter().flat_map(mentioned).collect();
    let reasons = MENTIONED.map(|(command, _)| command);
    for command in &mentioned {
        let is_run = commands.iter().any(|run| run.starts_with(&**command));
        assert!(is_run != reasons.contains(&&**command), "`{command}`: is it run? {is_run}");
    }
    for command in reasons {
        assert!(mentioned.iter().any(|mentioned| mentioned == command), "`{command}` stands nowhere");
    }
}
