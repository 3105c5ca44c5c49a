//! What is read of a stream, whatever pieces it comes in.

use std::io::Read;

use super::*;

/// Gives a few bytes at a time.
struct Drip<'t>(&'t [u8], usize);

impl Read for Drip<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let length = self.1.min(self.0.len()).min(room.len());
        let (now, later) = self.0.split_at(length);
        room[..length].copy_from_slice(now);
        self.0 = later;
        Ok(length)
    }
}

fn job(name: &str) -> String {
    format!(
        r#"{{"metadata": {{"name": "{name}", "namespace": "team-a", "uid": "u", "resourceVersion": "1"}}, "status": {{"é": "\ud83d\ude00"}}}}"#
    )
}

fn names(text: &str) -> Result<(Vec<String>, Ends), StreamError> {
    let mut names = Vec::new();
    let mut each = |facts: &JobFacts<'_>, text: &str| {
        assert!(text.starts_with('{') && text.ends_with('}'), "{text}");
        names.push(facts.name.to_owned());
        Ok(())
    };
    let ends = read(&mut Drip(text.as_bytes(), 7), &Interest::default(), &mut each)?;
    Ok((names, ends))
}

#[track_caller]
fn refused(text: &str, want: &str) {
    assert_eq!(names(text).unwrap_err().to_string(), want);
}

#[test]
fn lists_and_documents_follow_one_another_and_other_kinds_are_counted() {
    let of_volcano = job("v").replacen('{', r#"{"apiVersion":"batch.volcano.sh/v1alpha1","kind":"Job","#, 1);
    let text = format!(
        r#"{{"apiVersion":"v1","items":[{},{{"kind":"Pod","metadata":{{"name":"p"}}}},{of_volcano},{}],"kind":"List","metadata":{{"continue":""}}}}
        {} {{"kind":"JobList","items":null}}"#,
        job("a"),
        job("b"),
        job("c")
    );
    assert_eq!(
        names(&text).unwrap(),
        (["a", "b", "c"].map(str::to_owned).to_vec(), Ends { others: 2, continues: None })
    );
}

#[test]
fn a_job_with_escapes_is_one_of_the_list() {
    let manager = r#""metadata": {"managedFields": [{"manager": "a \"b\"\\"}],"#;
    let escaped = job("b").replace("\"metadata\": {", manager);
    let text = format!(r#"{{"kind":"List","items":[{},{escaped},{}]}}"#, job("a"), job("c"));
    assert_eq!(names(&text).unwrap().0, ["a", "b", "c"]);
}

#[test]
fn a_list_that_goes_on_says_so() {
    let text = r#"{"kind":"JobList","metadata":{"continue":"abc","remainingItemCount":12},"items":[]}"#;
    let continues = Continues { token: "abc".to_owned(), remaining: Some(12) };
    assert_eq!(names(text).unwrap().1.continues, Some(continues));
}

#[test]
fn a_stream_that_is_not_what_it_should_be_is_refused() {
    let list = format!(r#"{{"items":[{}"#, job("a"));
    refused("", "there is nothing in it");
    refused(" \n", "there is nothing in it");
    refused(&list, "it ends in the middle of the list, after its first item");
    refused(&format!("{list},"), "it ends in the middle of the list, after its first item");
    refused("not json\n", "it is no JSON at byte 2: expected ident");
    refused("apiVersion: v1\nkind: List\nitems: []\n", "it is no JSON at byte 1: expected value");
    let at = list.len() + ",{\"a\" 1".len();
    refused(
        &format!("{list},{{\"a\" 1}}]}}{}", " ".repeat(50)),
        &format!("it is no JSON after item 1, at byte {at}: expected `:`"),
    );
    refused(
        &format!("{list} {}]}}{}", job("b"), " ".repeat(50)),
        &format!("it is no JSON after item 1, at byte {}: expected `,`", list.len() + 2),
    );
    refused(r#"{"kind":"List","items":[{"a":NaN}]}"#, "it is no JSON at byte 30: expected value");
    refused("{\"kind\":\"List\",\n\"items\":[\n{\"a\":NaN}]}", "it is no JSON at byte 32: expected value");
    let deep = format!("{{\"items\":[{{\"a\":{}", "[".repeat(300));
    refused(&deep, "it is no JSON at byte 269: nested deeper than 256 levels");
    refused(r#"{"kind":"PodList","items":[]}"#, "it holds a `PodList`, not Jobs");
    refused(
        r#"{"items":[{"metadata":{"name":"a","namespace":"team-a"}}]}"#,
        "item 1, `team-a/a`, is no Job: `metadata.uid` is missing, which every Job of a cluster has",
    );
    refused(
        &format!(r#"{{"items":[{},{{"metadata":{{"name":"\"b"}}}}]}}"#, job("a")),
        "item 2, `\"b`, is no Job: `metadata.namespace` is missing, which every Job of a cluster has",
    );
    let suspended = job("b").replace("\"status\"", r#""spec": {"suspend": "yes"}, "status""#);
    refused(
        &format!(r#"{{"items":[{},{suspended}]}}"#, job("a")),
        "item 2, `team-a/b`, is no Job: its `spec` is not that of a Job: a field has another type",
    );
    refused(
        r#"{"items":[{"metadata":{}}]}"#,
        "item 1 is no Job: `metadata.name` is missing, which every Job of a cluster has",
    );
    refused(
        "[]",
        "it is neither a list of Jobs, which has `items`, nor a Job: `metadata.name` is missing, which every Job of a cluster has",
    );
    let neither = "it is neither a list of Jobs, which has `items`, nor a Job: it is a `Status`, not a `Job` of `batch/v1`";
    refused(r#"{"kind":"Status","apiVersion":"v1","message":"Unauthorized"}"#, neither);
    refused(&format!(r#"{} {{"kind":"Status"}}"#, job("a")), neither);
    for document in
        [r#"{"kind":"List"}"#, r#"{"kind":"List","items":"none"}"#, r#"{"items":{},"kind":"List"}"#]
    {
        refused(document, "it is a `List` without a list under `items`");
    }
    assert!(matches!(
        read(&mut &b"{\"a\":\"\xff\"}"[..], &Interest::default(), &mut |_, _| Ok(())),
        Err(StreamError::NotText)
    ));
}

#[test]
fn a_job_that_is_larger_than_the_window_is_read() {
    let text =
        format!(r#"{{"items":[{}]}}"#, job("a").replace("\"é\"", &format!("\"{}\"", "x".repeat(3 * BUFFER))));
    let mut seen = 0;
    read(&mut text.as_bytes(), &Interest::default(), &mut |_, _| {
        seen += 1;
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, 1);
}
