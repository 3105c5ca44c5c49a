//! Calls of rules to other services: none but those that are allowed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

use anyhow::{Result, ensure};

use crate::story::{create, serving, serving_with, until_ready_is, until_shown};

/// A policy whose rule asks `url`, and denies ConfigMaps of the name that it answers.
fn policy(namespace: &str, url: &str) -> String {
    format!(
        "\
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: asks-a-service
spec:
  rules:
  - name: asks
    match: {{any: [{{resources: {{kinds: [ConfigMap], namespaces: [{namespace}], operations: [CREATE]}}}}]}}
    context:
    - name: answer
      apiCall:
        method: POST
        data: [{{key: name, value: \"{{{{ request.object.metadata.name }}}}\"}}]
        service: {{url: \"{url}\", headers: [{{key: X-From, value: rules}}]}}
        jmesPath: verdict
    validate:
      failureAction: Enforce
      message: it is {{{{ answer }}}}
      deny: {{conditions: {{any: [{{key: \"{{{{ answer }}}}\", operator: Equals, value: bad}}]}}}}
"
    )
}

fn config_map(name: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}")
}

/// A service that finds everything of a name bad; where it listens.
fn service() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    // Ends with the process.
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let (mut head, mut line) = (String::new(), String::new());
            while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                head.push_str(&std::mem::take(&mut line));
            }
            let is_asked =
                head.contains("x-from: rules") && !head.to_ascii_lowercase().contains("authorization");
            let verdict = if is_asked { "bad" } else { "odd" };
            let body = format!("{{\"verdict\":\"{verdict}\"}}");
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    Ok(address)
}

#[test]
fn a_service_that_is_allowed_is_asked_and_its_answer_counts() -> Result<()> {
    let address = service()?;
    serving_with(&["--allow-service", "127.0.0.1"], async |test, portcullis| {
        let asks = policy(&test.namespace, &format!("http://{address}/check"));
        let applied = portcullis.put_in_force(&asks).await?;
        ensure!(applied.code == 0 && !applied.stderr.contains("not enforced"), "{applied:?}");
        until_ready_is(test, "asks-a-service", "True").await?;
        until_shown(test, &config_map("a"), "asks: it is bad").await?;
        // Another host is another service.
        portcullis
            .put_in_force(&policy(&test.namespace, "http://169.254.169.254/latest"))
            .await?
            .succeeded()?;
        until_shown(test, &config_map("a"), "its host is none that `--allow-service` names").await
    })
}

#[test]
fn without_a_word_from_the_operator_no_service_is_asked_and_the_policy_says_so() -> Result<()> {
    let address = service()?;
    serving(async |test, _| {
        let applied = test.apply(&policy(&test.namespace, &format!("http://{address}/check"))).await?;
        ensure!(applied.stderr.contains("it has `context.apiCall.service`"), "{applied:?}");
        let ready = until_ready_is(test, "asks-a-service", "False").await?;
        ensure!(ready.pointer("/reason") == Some(&"RulesNotEnforced".into()), "{ready}");
        let refused = create(test, &config_map("a"), &["--dry-run=server"]).await?;
        ensure!(!refused.stderr.contains("it is bad"), "{refused:?}");
        Ok(())
    })
}

/// What API servers write down of where they listen; those of the tests are told not to, as slices hold no loopback addresses.
const API_SERVERS: &str = "\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kubernetes, namespace: default, labels: {kubernetes.io/service-name: kubernetes}}
addressType: IPv4
endpoints: [{addresses: [192.0.2.7]}]
ports: [{name: https, port: 6443, protocol: TCP}]
";

#[test]
fn api_servers_behind_their_service_are_never_asked_even_when_they_are_allowed() -> Result<()> {
    serving_with(&["--allow-service", "192.0.2.7"], async |test, portcullis| {
        let kubectl = test.control_plane.kubectl("default");
        kubectl.run_with(&["apply", "-f", "-"], API_SERVERS).await?.succeeded()?;
        let asks = policy(&test.namespace, "https://192.0.2.7:6443/api/v1/secrets");
        portcullis.put_in_force(&asks).await?.succeeded()?;
        until_shown(test, &config_map("a"), "its address is none that may be called").await?;
        kubectl.run(&["delete", "endpointslice", "kubernetes"]).await?.succeeded()?;
        Ok(())
    })
}
