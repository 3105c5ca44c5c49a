//! The answer is JSON that reads back as what was said, within its limits.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(uid: &str, verdict: &Verdict) -> Value {
    serde_json::from_slice(&write(uid, verdict)).unwrap()
}

#[test]
fn an_admission_is_no_longer_than_it_must_be() {
    assert_eq!(
        String::from_utf8(write("u-1", &Verdict::allowed())).unwrap(),
        r#"{"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","response":{"uid":"u-1","allowed":true}}"#
    );
}

#[test]
fn a_denial_has_a_status_with_its_message_and_no_code() {
    assert_eq!(
        read("u", &Verdict::denied("because:\n\n\tof \"it\"\u{1b}[31m\r")),
        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": {
            "uid": "u", "allowed": false,
            "status": {"status": "Failure", "message": "because:\n\n\tof \"it\"[31m"},
        }})
    );
}

#[test]
fn everything_that_a_verdict_holds_is_answered() {
    let verdict = Verdict {
        allowed: true,
        message: None,
        warnings: vec!["one".into(), "two\nlines".into()],
        patch: Some(br#"[{"op":"add","path":"/a","value":1}]"#.to_vec()),
        audit_annotations: vec![("k".into(), "v".into()), ("l".into(), "w".into())],
    };
    assert_eq!(
        read("u", &verdict)["response"],
        json!({
            "uid": "u", "allowed": true, "patchType": "JSONPatch",
            "patch": "W3sib3AiOiJhZGQiLCJwYXRoIjoiL2EiLCJ2YWx1ZSI6MX1d",
            "warnings": ["one", "two lines"],
            "auditAnnotations": {"k": "v", "l": "w"},
        })
    );
}

#[test]
fn long_texts_are_cut_between_characters() {
    let check = |text: &str, want: &str| {
        let alone = Verdict { warnings: vec![text.into()], ..Verdict::allowed() };
        assert_eq!(read("u", &alone)["response"]["warnings"][0], text);
        let among_many = Verdict { warnings: vec![text.into(), "o".repeat(4096)], ..Verdict::allowed() };
        assert_eq!(read("u", &among_many)["response"]["warnings"][0], want);
    };
    check(&"x".repeat(256), &"x".repeat(256));
    check(&"x".repeat(257), &format!("{}...", "x".repeat(253)));
    check(&"é".repeat(200), &format!("{}...", "é".repeat(126)));
    let message = read("u", &Verdict::denied("y".repeat(9000)))["response"]["status"]["message"].clone();
    assert_eq!(message.as_str().unwrap().len(), 8192);
    let many = Verdict { warnings: vec!["w".into(); 1000], ..Verdict::allowed() };
    assert_eq!(read("u", &many)["response"]["warnings"].as_array().unwrap().len(), 32);
}

proptest! {
    #[test]
    fn any_uid_comes_back_and_any_text_reads_back_within_its_limit(
        uid: String, message: String, warning: String, patch: Vec<u8>, key: String,
    ) {
        let verdict = Verdict {
            message: Some(message),
            warnings: vec![warning.clone()],
            patch: Some(patch.clone()),
            audit_annotations: vec![(key.clone(), warning)],
            ..Verdict::default()
        };
        let answer = &read(&uid, &verdict)["response"];
        prop_assert_eq!(answer["uid"].as_str(), Some(&*uid));
        prop_assert_eq!(STANDARD.decode(answer["patch"].as_str().unwrap()).unwrap(), patch);
        prop_assert!(answer["status"]["message"].as_str().unwrap().len() <= MESSAGE_BYTES);
        prop_assert!(answer["warnings"][0].as_str().unwrap().len() <= WARNING_BYTES);
        prop_assert!(answer["auditAnnotations"].get(&key).is_some());
    }
}
