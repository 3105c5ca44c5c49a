//! Values as documents: looking up, changing, copying.

use portcullis_value::json::read;
use portcullis_value::{Arena, Budget, Exhausted, Limits, OwnedValue, Pointer, Value};

const JOB: &str = r#"{"kind":"Job","metadata":{"name":"pi"},"spec":{"template":{"spec":{"containers":[{"name":"pi","image":"perl"}]}}}}"#;

#[test]
fn a_pointer_finds_what_it_names() {
    let arena = Arena::new();
    let job = read(&arena, JOB).unwrap();
    let pointer = Pointer::parse("/spec/template/spec/containers/0/image").unwrap();
    assert_eq!(job.pointer(&pointer), Some(Value::String("perl")));
    assert_eq!(pointer.to_string(), "/spec/template/spec/containers/0/image");
    assert_eq!(Pointer::parse("/a~1b/c~0d").unwrap().tokens().collect::<Vec<_>>(), ["a/b", "c~d"]);
    assert_eq!(Pointer::parse("/a~1b/c~0d").unwrap().to_string(), "/a~1b/c~0d");
    assert_eq!(Pointer::parse("a"), None);
}

#[test]
fn a_changed_document_shares_the_rest() {
    let arena = Arena::new();
    let job = read(&arena, JOB).unwrap();
    let changed = job.with(&arena, &["spec", "ttlSecondsAfterFinished"], Value::from(900));
    assert_eq!(changed.path(&["spec", "ttlSecondsAfterFinished"]), Some(Value::from(900)));
    assert_eq!(changed.without(&arena, &["spec", "ttlSecondsAfterFinished"]), job);
    assert!(std::ptr::eq(
        job.path(&["spec", "template", "spec", "containers"]).unwrap().as_array().unwrap(),
        changed.path(&["spec", "template", "spec", "containers"]).unwrap().as_array().unwrap(),
    ));
}

#[test]
fn the_same_value_is_the_same_memory_or_an_equal_scalar() {
    let arena = Arena::new();
    let (job, again) = (read(&arena, JOB).unwrap(), read(&arena, JOB).unwrap());
    assert!(job.is_same(job) && job == again && !job.is_same(again));
    let changed = job.with(&arena, &["spec", "suspend"], Value::from(true));
    assert!(!changed.is_same(job));
    assert!(changed.get("metadata").unwrap().is_same(job.get("metadata").unwrap()));
    assert!(Value::from(1).is_same(Value::from(1.0)) && !Value::Null.is_same(job));
    // Empty lists and maps may share an address: they are equal all the same.
    assert!(!Value::Array(&[]).is_same(Value::Object(portcullis_value::Object::default())));
}

#[test]
fn an_owned_value_is_the_same_value() {
    let arena = Arena::new();
    let job = read(&arena, JOB).unwrap();
    let owned = OwnedValue::from(job);
    let other = Arena::new();
    assert_eq!(owned.borrow(&other), job);
    assert_eq!(job.copy_to(&other), job);
}

#[test]
fn a_budget_ends_by_steps_depth_bytes_or_time() {
    let mut budget = Budget::new(Limits { steps: 3, depth: 1, bytes: 10 }, &|| false);
    assert_eq!(budget.steps(3), Ok(()));
    assert_eq!(budget.step(), Err(Exhausted::Steps));
    assert_eq!(budget.bytes(11), Err(Exhausted::Bytes));
    let deeper = budget.nested(|budget| budget.nested(|_| Ok::<(), Exhausted>(())));
    assert_eq!(deeper, Err(Exhausted::Depth));
    assert_eq!(Budget::new(Limits::default(), &|| true).steps(2000), Err(Exhausted::Time));
}
