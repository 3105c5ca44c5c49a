//! What the indexes make of objects, without any watch.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn object<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_str(&value.to_string()).unwrap()
}

fn objects<T: DeserializeOwned>(values: &[Value]) -> Vec<T> {
    values.iter().map(object).collect()
}

#[test]
fn a_change_that_is_no_change_of_labels_publishes_nothing() {
    let published = Published::new(Namespaces::default());
    let mut index = NamespaceIndex::new("own", published.clone());
    let namespace = |version: &str, team: &str| {
        object::<Namespace>(
            &json!({"metadata": {"name": "a", "resourceVersion": version, "labels": {"team": team}}}),
        )
    };
    index.reset(vec![namespace("1", "red")]);
    index.publish();
    let before = published.load();
    index.apply(namespace("2", "red"));
    index.publish();
    assert!(Arc::ptr_eq(&before, &published.load()));
    index.apply(namespace("3", "blue"));
    index.publish();
    assert_eq!(published.load().labels("a").unwrap()[0].1.as_ref(), "blue");
    assert_eq!(before.labels("a").unwrap()[0].1.as_ref(), "red", "who holds a snapshot sees no change");
}

#[test]
fn the_uid_of_the_own_namespace_is_known_while_it_is_there() {
    let published = Published::new(Namespaces::default());
    let mut index = NamespaceIndex::new("own", published.clone());
    let namespace =
        |name: &str, uid: &str| object::<Namespace>(&json!({"metadata": {"name": name, "uid": uid}}));
    index.reset(vec![namespace("a", "1"), namespace("own", "2")]);
    index.publish();
    assert_eq!(published.load().own_uid(), Some("2"));
    index.apply(namespace("own", "3"));
    index.publish();
    assert_eq!(published.load().own_uid(), Some("3"), "it was deleted and made again");
    index.delete(&namespace("own", "3"));
    index.publish();
    assert_eq!(published.load().own_uid(), None);
}

#[test]
fn a_namespace_is_terminating_until_it_is_gone() {
    let published = Published::new(Namespaces::default());
    let mut index = NamespaceIndex::new("own", published.clone());
    let namespace = |time: Option<&str>| {
        object::<Namespace>(&json!({"metadata": {"name": "a", "uid": "1", "deletionTimestamp": time}}))
    };
    index.reset(vec![namespace(None)]);
    index.publish();
    assert!(!published.load().is_terminating("a"));
    index.apply(namespace(Some("2026-10-01T00:00:00Z")));
    index.publish();
    assert!(published.load().is_terminating("a"));
    index.delete(&namespace(Some("2026-10-01T00:00:00Z")));
    index.apply(namespace(None));
    index.publish();
    assert!(!published.load().is_terminating("a"), "it was made again");
}

fn policy(version: &str, status: &str, rule: &str) -> Value {
    json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy",
        "metadata": {"name": "p", "uid": "u", "resourceVersion": version, "generation": 1,
            "annotations": {"a": "b", "kubectl.kubernetes.io/last-applied-configuration": version},
            "managedFields": [{"manager": version}]},
        "spec": {"rules": [{"name": rule, "amount": 1.50}]}, "status": {"ready": status}})
}

#[test]
fn a_document_is_what_its_author_wrote() {
    let document: Document = object(&policy("7", "no", "r"));
    assert_eq!(
        document.text.as_ref(),
        "{\"apiVersion\":\"kyverno.io/v1\",\"kind\":\"ClusterPolicy\",\"metadata\":{\"annotations\":{\"a\":\"b\"},\
         \"generation\":1,\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"rules\":[{\"amount\":1.5,\"name\":\"r\"}]}}"
    );
    assert_eq!(document.status.as_ref(), "{\"ready\":\"no\"}");
    assert_eq!((document.metadata.resource_version.as_ref(), document.metadata.generation), ("7", 1));
}

#[test]
fn the_rules_in_a_status_are_kept_as_a_fingerprint() {
    let status = |rule: &str| {
        let autogen = json!({"rules": [{"name": rule, "validate": {"message": "long"}}]});
        let mut policy = policy("7", "no", "r");
        policy["status"] = json!({"autogen": autogen, "ready": "no"});
        object::<Document>(&policy).status
    };
    assert_eq!(status("a"), status("a"));
    assert_ne!(status("a"), status("b"));
    let arena = portcullis_value::Arena::new();
    let autogen = r#"{"rules":[{"name":"a","validate":{"message":"long"}}]}"#;
    let fingerprint = portcullis_value::json::read(&arena, autogen).unwrap().fingerprint();
    assert_eq!(*status("a"), format!(r#"{{"autogen":"{fingerprint:x}","ready":"no"}}"#));
}

#[test]
fn numbers_of_a_document_keep_their_text() {
    let text = "{\"kind\":\"P\",\"metadata\":{\"name\":\"p\"},\"spec\":{\"a\":1.50,\"b\":1e3,\"c\":12345678901234567890}}";
    let document: Document = serde_json::from_str(text).unwrap();
    assert_eq!(document.text.as_ref(), text);
}

#[test]
fn a_written_status_shares_the_text_and_a_new_rule_does_not() {
    let published = Published::new(Documents::default());
    let mut index = DocumentIndex::new(published.clone());
    index.reset(objects(&[policy("7", "no", "r")]));
    index.publish();
    let first = published.load().get("", "p").unwrap().clone();
    index.apply(object(&policy("8", "yes", "r")));
    index.publish();
    let second = published.load().get("", "p").unwrap().clone();
    assert!(Arc::ptr_eq(&first.text, &second.text));
    assert_eq!(
        (second.metadata.resource_version.as_ref(), second.status.as_ref()),
        ("8", "{\"ready\":\"yes\"}")
    );
    index.reset(objects(&[policy("9", "yes", "r")]));
    index.publish();
    assert!(Arc::ptr_eq(&first.text, &published.load().get("", "p").unwrap().text), "a relist shares too");
    index.apply(object(&policy("10", "yes", "other")));
    index.publish();
    assert!(!Arc::ptr_eq(&first.text, &published.load().get("", "p").unwrap().text));
    index.delete(&object(&policy("11", "yes", "other")));
    index.publish();
    assert!(published.load().is_empty());
}

#[test]
fn the_revision_grows_with_what_is_said_and_not_with_a_status() {
    let published = Published::new(Documents::default());
    let mut index = DocumentIndex::new(published.clone());
    let mut revision = |change: &dyn Fn(&mut DocumentIndex)| {
        change(&mut index);
        index.publish();
        published.load().revision()
    };
    let listed = revision(&|index| index.reset(objects(&[policy("7", "no", "r")])));
    assert!(listed > 0);
    assert_eq!(revision(&|index| index.apply(object(&policy("8", "yes", "r")))), listed);
    assert_eq!(revision(&|index| index.reset(objects(&[policy("9", "no", "r")]))), listed);
    let changed = revision(&|index| index.apply(object(&policy("10", "no", "other"))));
    assert!(changed > listed);
    let relisted = revision(&|index| index.reset(objects(&[policy("11", "no", "r")])));
    assert!(relisted > changed);
    let gone = revision(&|index| index.reset(Vec::new()));
    assert!(gone > relisted);
    let back = revision(&|index| index.apply(object(&policy("12", "no", "r"))));
    assert!(back > gone);
    assert!(revision(&|index| index.delete(&object(&policy("13", "no", "r")))) > back);
}

#[test]
fn roles_come_from_the_bindings_of_the_user_its_groups_and_its_service_account() {
    let binding = |name: &str, namespace: &str, kind: &str, role: &str, subjects: Value| {
        json!({"metadata": {"name": name, "namespace": namespace}, "roleRef": {"kind": kind, "name": role},
            "subjects": subjects})
    };
    let user = json!([{"kind": "User", "name": "ann"}]);
    let robot = json!([{"kind": "ServiceAccount", "name": "robot"}]);
    let far_robot = json!([{"kind": "ServiceAccount", "name": "robot", "namespace": "ci"}]);
    let group = json!([{"kind": "User", "name": "bob"}, {"kind": "Group", "name": "devs"}]);
    let (namespaced, cluster) = (Published::new(None), Published::new(None));
    let mut role_bindings = BindingIndex::new(namespaced.clone());
    let mut cluster_role_bindings = BindingIndex::new(cluster.clone());
    role_bindings.reset(objects(&[
        binding("a", "one", "Role", "reader", user.clone()),
        binding("b", "two", "Role", "writer", user.clone()),
        binding("c", "two", "Role", "writer", group.clone()),
        binding("d", "one", "ClusterRole", "edit", user.clone()),
        binding("e", "two", "ClusterRole", "view", group),
        binding("f", "one", "Role", "deployer", robot),
        binding("g", "one", "Role", "viewer", far_robot),
        binding("h", "one", "Role", "nobody", Value::Null),
    ]));
    cluster_role_bindings.reset(objects(&[binding("z", "", "ClusterRole", "admin", user)]));
    role_bindings.publish();
    cluster_role_bindings.publish();
    let check = |username: &str, groups: &[&str], namespace: &str, roles: &[&str], cluster_roles: &[&str]| {
        let (namespaced, cluster) = (namespaced.load(), cluster.load());
        let (namespaced, cluster) =
            (namespaced.as_ref().as_ref().unwrap(), cluster.as_ref().as_ref().unwrap());
        let found = UserRoles::of(namespaced, cluster, username, groups, namespace);
        assert_eq!(found.roles, roles, "{username} {groups:?} in {namespace}");
        assert_eq!(found.cluster_roles, cluster_roles, "{username} {groups:?} in {namespace}");
    };
    check("ann", &[], "one", &["one:reader", "two:writer"], &["admin", "edit"]);
    check("ann", &["devs"], "two", &["one:reader", "two:writer"], &["admin", "view"]);
    check("carl", &["devs"], "one", &["two:writer"], &[]);
    check("system:serviceaccount:one:robot", &[], "one", &["one:deployer"], &[]);
    check("system:serviceaccount:ci:robot", &[], "one", &["one:viewer"], &[]);
    check("devs", &["ann"], "one", &[], &[]);
    role_bindings.delete(&object(&binding("b", "two", "Role", "writer", Value::Null)));
    role_bindings.publish();
    check("ann", &[], "one", &["one:reader"], &["admin", "edit"]);
    check("bob", &[], "one", &["two:writer"], &[]);
}

#[test]
fn only_finished_jobs_without_ttl_and_owner_dangle() {
    let published = Published::new(0);
    let mut index = JobIndex::new(published.clone());
    let job = |uid: &str, condition: &str, status: &str, ttl: Value, owners: Value| {
        json!({"metadata": {"uid": uid, "name": "j", "ownerReferences": owners}, "spec": {"ttlSecondsAfterFinished": ttl},
            "status": {"conditions": [{"type": condition, "status": status}]}})
    };
    let owned = json!([{"kind": "CronJob", "name": "c"}]);
    index.reset(objects(&[
        job("1", "Complete", "True", Value::Null, Value::Null),
        job("2", "Failed", "True", Value::Null, json!([])),
        job("3", "Complete", "True", json!(0), Value::Null),
        job("4", "Complete", "True", Value::Null, owned),
        job("5", "Complete", "False", Value::Null, Value::Null),
        job("6", "Suspended", "True", Value::Null, Value::Null),
        json!({"metadata": {"uid": "7"}}),
    ]));
    index.publish();
    assert_eq!(*published.load(), 2);
    index.apply(object(&job("5", "Complete", "True", Value::Null, Value::Null)));
    index.apply(object(&job("1", "Complete", "True", json!(60), Value::Null)));
    index.apply(object(&job("2", "Failed", "True", Value::Null, Value::Null)));
    index.publish();
    assert_eq!(*published.load(), 2);
    index.delete(&object(&job("2", "Failed", "True", Value::Null, Value::Null)));
    index.delete(&object(&job("3", "Complete", "True", json!(0), Value::Null)));
    index.publish();
    assert_eq!(*published.load(), 1);
}

#[test]
fn the_configuration_is_none_where_there_is_no_map() {
    let published = Published::new(None);
    let mut index = ConfigurationIndex::new(published.clone());
    index.reset(objects(&[
        json!({"metadata": {"name": "portcullis"}, "data": {"excludeGroups": "system:nodes"}}),
    ]));
    index.publish();
    assert_eq!(published.load().as_ref().as_ref().unwrap()["excludeGroups"], "system:nodes");
    index.apply(object(&json!({"metadata": {"name": "portcullis"}})));
    index.publish();
    assert_eq!(published.load().as_ref().as_ref().map(std::collections::BTreeMap::len), Some(0));
    index.delete(&object(&json!({"metadata": {"name": "portcullis"}})));
    index.publish();
    assert_eq!(*published.load(), None);
}
