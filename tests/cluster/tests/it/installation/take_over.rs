//! `portcullis install` where a Kyverno serves: beside it, and in its place.

use anyhow::{Result, ensure};
use portcullis_cluster_tests::wait;

use super::{Ground, PARTS, on_clear_ground};

/// A Kyverno that serves: a webhook that calls it, and its Deployments, of which one says that it is Kyverno's and the Service
/// leads to the other. Nobody answers, which does not matter for an object that no test writes.
pub(crate) const KYVERNO: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: kyverno-resource-validating-webhook-cfg, labels: {webhook.kyverno.io/managed-by: kyverno}}
webhooks:
- name: validate.kyverno.svc-fail
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {name: kyverno-svc, namespace: NAMESPACE}}
  rules: [{apiGroups: [example.com], apiVersions: [v1], resources: [things], operations: [CREATE]}]
---
apiVersion: v1
kind: Service
metadata: {name: kyverno-svc, namespace: NAMESPACE}
spec: {selector: {app: kyverno}, ports: [{port: 443}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kyverno-admission-controller, namespace: NAMESPACE, labels: {app.kubernetes.io/part-of: a-release}}
spec:
  replicas: 2
  selector: {matchLabels: {app: kyverno}}
  template:
    metadata: {labels: {app: kyverno}}
    spec: {containers: [{name: kyverno, image: registry.example.com/kyverno}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: kyverno-background-controller, namespace: NAMESPACE, labels: {app.kubernetes.io/part-of: kyverno}}
spec:
  replicas: 1
  selector: {matchLabels: {app: background}}
  template:
    metadata: {labels: {app: background}}
    spec: {containers: [{name: kyverno, image: registry.example.com/kyverno}]}
";

pub(super) const CONFIGURATION: &str =
    "validatingwebhookconfiguration/kyverno-resource-validating-webhook-cfg";

/// The last lines of a cut-over.
const WAY_BACK: &str = "to go back: portcullis uninstall, then
  kubectl -n NAMESPACE scale deployment kyverno-admission-controller --replicas=2
  kubectl -n NAMESPACE scale deployment kyverno-background-controller --replicas=1
";

impl Ground<'_> {
    /// Has a Kyverno serve the cluster, and returns the commands that start it once it was stopped.
    pub(super) async fn kyverno(&self) -> Result<String> {
        self.test.apply(&KYVERNO.replace("NAMESPACE", &self.test.namespace)).await?.succeeded()?;
        Ok(WAY_BACK.replace("NAMESPACE", &self.test.namespace))
    }

    /// Writes the webhooks of Kyverno, as it does itself while it runs.
    async fn kyverno_puts_back(&self) -> Result<()> {
        let configuration = KYVERNO.split("---").next().unwrap_or_default();
        self.test
            .apply(&configuration.replace("NAMESPACE", &self.test.namespace))
            .await?
            .succeeded()
            .map(drop)
    }

    /// How many replicas the Deployments of Kyverno are to have.
    pub(super) async fn replicas_of_kyverno(&self) -> Result<String> {
        let replicas = ["get", "deployments", "-o", "jsonpath={.items[*].spec.replicas}"];
        self.test.kubectl(&replicas).await?.succeeded()
    }
}

#[test]
fn beside_a_kyverno_that_serves_nothing_is_installed_unless_it_is_said_how() -> Result<()> {
    on_clear_ground(async |ground| {
        let way_back = ground.kyverno().await?;
        let refused = ground.portcullis(&["install"]).await?;
        let told = "Kyverno serves this cluster: it is called by `kyverno-resource-validating-webhook-cfg`";
        ensure!(refused.code == 1 && refused.stderr.contains(told), "{refused:?}");
        ensure!(ground.there(&PARTS).await?.is_empty(), "installed all the same");

        ground.portcullis(&["install", "--beside-kyverno"]).await?.succeeded()?;
        let arguments = "jsonpath={.spec.template.spec.containers[0].args}";
        let arguments = ground.kubectl(&["get", "deployment", "portcullis", "-o", arguments]).await?;
        ensure!(arguments.contains("--beside-kyverno"), "{arguments}");
        let refused = ground.portcullis(&["uninstall", "--delete-policies"]).await?;
        ensure!(refused.code == 1 && refused.stderr.contains("are its own as well"), "{refused:?}");

        let told = ground.portcullis(&["install", "--take-over"]).await?.succeeded()?;
        ensure!(told.contains("of Kyverno removed") && told.contains(&way_back), "{told}");
        ensure!(ground.replicas_of_kyverno().await? == "0 0");
        ensure!(ground.there(&[CONFIGURATION]).await?.is_empty());
        Ok(())
    })
}

#[test]
fn webhooks_that_kyverno_puts_back_before_its_pods_have_ended_are_removed_again() -> Result<()> {
    on_clear_ground(async |ground| {
        ground.kyverno().await?;
        // One that ends late: nobody ends it but this test.
        let late = ["run", "late", "--image=registry.example.com/kyverno", "--labels=app=kyverno"];
        ground.test.kubectl(&late).await?.succeeded()?;
        let late = async {
            wait::until("the end of the webhooks", async || {
                Ok(ground.there(&[CONFIGURATION]).await?.is_empty().then_some(()))
            })
            .await?;
            ground.kyverno_puts_back().await?;
            ground.test.kubectl(&["delete", "pod", "late"]).await?.succeeded()
        };
        let (told, late) = tokio::join!(ground.portcullis(&["install", "--take-over"]), late);
        late?;
        let told = told?.succeeded()?;
        ensure!(
            told.matches("kyverno-resource-validating-webhook-cfg of Kyverno removed").count() == 2,
            "{told}"
        );
        ensure!(ground.there(&[CONFIGURATION]).await?.is_empty());
        Ok(())
    })
}

#[test]
fn a_cut_over_that_was_interrupted_still_knows_the_way_back() -> Result<()> {
    on_clear_ground(async |ground| {
        let way_back = ground.kyverno().await?;
        let control_plane = ground.test.control_plane;
        let killed = control_plane
            .portcullis_until_line(&["install", "--take-over"], "background-controller of Kyverno scaled")
            .await?;
        ensure!(killed.is_some(), "it was not interrupted");
        ensure!(ground.replicas_of_kyverno().await? == "0 0");
        // Kyverno may have been killed as well, and its webhooks be left.
        ground.kyverno_puts_back().await?;
        let told = ground.portcullis(&["install", "--take-over"]).await?.succeeded()?;
        ensure!(told.contains(&way_back), "{told}");
        ensure!(ground.there(&[CONFIGURATION]).await?.is_empty());
        Ok(())
    })
}
