//! `portcullis apply --cluster`: what is in a cluster, judged without a server.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::{ClusterTest, cluster_test};

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
