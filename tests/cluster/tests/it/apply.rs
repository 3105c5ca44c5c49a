//! `portcullis apply --cluster`: what is in a cluster, judged without a server.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, Shell, cluster_test};

/// ConfigMaps have a label `team`, unless their namespace does without; and there are no more than three of them, which is
/// asked of the API server.
const POLICY: &str = "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: config-maps}
spec:
  rules:
  - name: needs-a-team
    match: {any: [{resources: {kinds: [ConfigMap], names: ['config-*'], namespaceSelector: {matchLabels: {teams: 'yes'}}}}]}
    validate: {message: a team is missing, pattern: {metadata: {labels: {team: '?*'}}}}
  - name: few
    match: {any: [{resources: {kinds: [ConfigMap], names: ['config-*']}}]}
    context:
    - name: count
      apiCall:
        urlPath: /api/v1/namespaces/{{request.namespace}}/configmaps?labelSelector=counted
        jmesPath: length(items)
    validate:
      message: there are {{count}} ConfigMaps
      deny: {conditions: {any: [{key: '{{count}}', operator: GreaterThan, value: 3}]}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: namespaces}
spec:
  rules:
  - name: has-teams
    match: {any: [{resources: {kinds: [Namespace, example.com/v1/Thing], names: [NAMESPACE]}}]}
    validate: {message: it has no teams, pattern: {metadata: {labels: {teams: '?*'}}}}
";

/// The last line that `apply` prints with these further arguments, and its exit code.
async fn judged(test: &ClusterTest, policy: &str, arguments: &[&str]) -> Result<(String, i32)> {
    let arguments = [&["apply", policy, "--cluster"], arguments].concat();
    let output = test.control_plane.portcullis(&arguments).await?;
    let last = output.stdout.lines().last().unwrap_or_default().trim().to_owned();
    ensure!(!last.is_empty(), "{output:?}");
    Ok((last, output.code))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the command reads its policies from a file")]
fn policies_judge_what_is_in_the_cluster_read_in_pages() -> Result<()> {
    cluster_test(async |test| {
        test.kubectl(&["label", "namespace", &test.namespace, "teams=yes"]).await?.succeeded()?;
        for (name, labels) in [("a", "team: t"), ("b", "team: t"), ("c", ""), ("d", ""), ("e", "")] {
            let document = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: config-{name}, labels: {{counted: \"\", {labels}}}}}}}"
            );
            test.apply(&document).await?.succeeded()?;
        }
        let path = test.control_plane.folder().join(format!("{}.yaml", test.namespace));
        std::fs::write(&path, POLICY.replace("NAMESPACE", &test.namespace))?;
        let policy = path.to_string_lossy();

        let here = ["--namespace", &test.namespace, "--batch-size", "2"];
        let all = judged(test, &policy, &here).await?;
        // Two of five have a team, and all see that there are five of them.
        ensure!(all == ("pass: 2, fail: 8, warn: 0, error: 0, skip: 0".to_owned(), 1), "{all:?}");
        let one = judged(test, &policy, &[&here[..], &["--resource", "config-a"]].concat()).await?;
        ensure!(one == ("pass: 1, fail: 1, warn: 0, error: 0, skip: 0".to_owned(), 1), "{one:?}");
        // What lives outside of namespaces is looked at where it is asked for.
        let wide = judged(test, &policy, &[&here[..], &["--cluster-wide-resources"]].concat()).await?;
        ensure!(wide == ("pass: 3, fail: 8, warn: 0, error: 0, skip: 0".to_owned(), 1), "{wide:?}");

        let more = ["--resource", "config-a,config-z", "--namespace", &test.namespace];
        let told =
            test.control_plane.portcullis(&[&["apply", &*policy, "--cluster"], &more[..]].concat()).await?;
        let warned = [
            "no resource of the kinds that policies are about is named `config-z`",
            "serves no kind `example.com/v1/Thing`",
        ];
        ensure!(warned.iter().all(|warning| told.stderr.contains(warning)), "{told:?}");
        ensure!(!told.stderr.contains("config-a") && !told.stderr.contains("`ConfigMap`"), "{told:?}");
        let nowhere = ["apply", &*policy, "--cluster", "--namespace", "nowhere"];
        let refused = test.control_plane.portcullis(&nowhere).await?;
        ensure!(
            refused.code == 1 && refused.stderr.contains("the cluster has no namespace `nowhere`"),
            "{refused:?}"
        );

        let elsewhere = ["apply", &*policy, "--cluster", "--context", "elsewhere"];
        let refused = test.control_plane.portcullis(&elsewhere).await?;
        ensure!(refused.code == 1 && refused.stderr.contains("it has no context `elsewhere`"), "{refused:?}");
        Ok(())
    })
}

/// A kubeconfig whose current context leads nowhere, beside one that leads to the cluster, which names the namespace of the test.
const TWO_CONTEXTS: &str = "cp kubeconfig two && kubectl --kubeconfig two config set-cluster nowhere --server=https://127.0.0.1:1 && \
    kubectl --kubeconfig two config set-context nowhere --cluster=nowhere --user=user && \
    kubectl --kubeconfig two config use-context nowhere";

#[test]
fn the_cluster_is_the_one_of_the_kubeconfig_and_the_context_that_are_named() -> Result<()> {
    cluster_test(async |test| {
        for (name, labels) in [("a", "team: t"), ("b", "")] {
            let metadata = format!("{{name: config-{name}, labels: {{{labels}}}}}");
            test.apply(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {metadata}}}"))
                .await?
                .succeeded()?;
        }
        test.kubectl(&["label", "namespace", &test.namespace, "teams=yes"]).await?.succeeded()?;
        let shell = Shell::new(test.control_plane, &test.namespace)?;
        shell.write("policy.yaml", &POLICY.replace("NAMESPACE", &test.namespace))?;
        shell.run(TWO_CONTEXTS).await?.succeeded()?;
        let here = format!("-n {}", test.namespace);
        let judges = async |environment: &str, arguments: &str| {
            let line =
                format!("env {environment} HOME=/nowhere portcullis apply policy.yaml --cluster {arguments}");
            shell.run(&line).await
        };
        let nowhere = "cannot reach the API server at `https://127.0.0.1:1`";
        for (environment, arguments, is_there) in [
            ("-u KUBECONFIG", "--kubeconfig two --context context", true),
            ("-u KUBECONFIG", "--kubeconfig two", false),
            ("-u KUBECONFIG", "--kubeconfig two --context nowhere", false),
            ("-u KUBECONFIG", "--kubeconfig kubeconfig", true),
            ("KUBECONFIG=two", "--context context", true),
            ("KUBECONFIG=two", "", false),
            // What is named counts, and not what is around.
            ("KUBECONFIG=kubeconfig", "--kubeconfig two", false),
            ("KUBECONFIG=two", "--kubeconfig kubeconfig", true),
        ] {
            let output = judges(environment, &format!("{arguments} {here}")).await?;
            let last = output.stdout.lines().last().unwrap_or_default().trim();
            let as_wanted = match is_there {
                true => last == "pass: 3, fail: 1, warn: 0, error: 0, skip: 0",
                false => output.stderr.contains(nowhere) && output.stdout.is_empty(),
            };
            ensure!(as_wanted && output.code == 1, "{environment} {arguments}: {output:?}");
        }
        // Another namespace holds nothing that the policies are about.
        let elsewhere =
            judges("-u KUBECONFIG", "--kubeconfig two --context context -n kube-node-lease").await?;
        ensure!(elsewhere.code == 0 && elsewhere.stdout.contains("pass: 0, fail: 0"), "{elsewhere:?}");
        Ok(())
    })
}
