//! Strategic merge compared with the slow form, on Pods and overlays made up for it.

use portcullis_patch::strategic;
use portcullis_value::{Arena, Budget};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};

use crate::read;
use crate::slow::{self, Fault, Refused};

fn word() -> impl Strategy<Value = Json> + Clone {
    prop::sample::select(vec!["a", "b", "c", "7"]).prop_map(Json::from)
}

fn scalar() -> impl Strategy<Value = Json> + Clone {
    prop_oneof![4 => word(), 2 => (0..3).prop_map(Json::from), 1 => any::<bool>().prop_map(Json::from)]
}

/// What may stand in a field that `usual` fills.
fn field(usual: impl Strategy<Value = Json> + 'static, of_overlay: bool) -> BoxedStrategy<Option<Json>> {
    let odd = u32::from(of_overlay);
    prop_oneof![
        8 => Just(None),
        20 => usual.prop_map(Some),
        odd + 1 => prop_oneof![Just(Json::Null), scalar(), Just(json!({})), Just(json!([]))].prop_map(Some),
    ]
    .boxed()
}

/// A map of the fields that were drawn, and of a directive in an overlay.
fn map(fields: Vec<(&'static str, BoxedStrategy<Option<Json>>)>, of_overlay: bool) -> BoxedStrategy<Json> {
    let word =
        prop::sample::select(vec!["delete", "replace", "merge", "delete", "replace", "merge", "nonsense"])
            .prop_map(Json::from);
    let directive = if of_overlay { prop::option::weighted(0.08, word).boxed() } else { Just(None).boxed() };
    let (keys, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    (values, directive)
        .prop_map(move |(values, directive)| {
            let fields = keys.iter().copied().zip(values).chain([("$patch", directive)]);
            fields
                .filter_map(|(key, value)| Some((key.to_owned(), value?)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        })
        .boxed()
}

/// A list of `item`, with what is no element or a directive for the list among them.
fn list(item: impl Strategy<Value = Json> + 'static, of_overlay: bool) -> BoxedStrategy<Json> {
    let odd = prop_oneof![
        3 => prop::sample::select(vec!["delete", "replace", "merge"]).prop_map(|word| json!({ "$patch": word })),
        1 => Just(json!({})),
        1 => Just(Json::Null),
        1 => word(),
    ];
    let item = if of_overlay { prop_oneof![20 => item, 1 => odd].boxed() } else { item.boxed() };
    prop::collection::vec(item, 0..5).prop_map(Json::from).boxed()
}

fn pod(of_overlay: bool) -> impl Strategy<Value = Json> {
    let o = of_overlay;
    let some = |strategy: BoxedStrategy<Json>| prop::option::weighted(0.95, strategy).boxed();
    let env = map(vec![("name", some(word().boxed())), ("value", field(scalar(), o))], o);
    let protocol = prop::sample::select(vec!["TCP", "UDP"]).prop_map(Json::from);
    let port = map(
        vec![
            ("containerPort", some((1..4).prop_map(Json::from).boxed())),
            ("protocol", field(protocol, o)),
            ("name", field(word(), o)),
        ],
        o,
    );
    let container = map(
        vec![
            ("name", some(word().boxed())),
            ("image", field(scalar(), o)),
            ("args", field(list(scalar(), false), o)),
            ("env", field(list(env, o), o)),
            ("ports", field(list(port, o), o)),
        ],
        o,
    );
    let volume = map(vec![("name", some(word().boxed())), ("emptyDir", field(Just(json!({})), o))], o);
    let owner = map(
        vec![("uid", some(word().boxed())), ("controller", field(any::<bool>().prop_map(Json::from), o))],
        o,
    );
    let labels = map(vec![("a", field(scalar(), o)), ("b", field(scalar(), o))], o);
    let metadata = map(
        vec![
            ("labels", field(labels, o)),
            ("finalizers", field(list(word(), o), o)),
            ("ownerReferences", field(list(owner, o), o)),
        ],
        o,
    );
    let spec = map(
        vec![
            ("containers", some(list(container, o))),
            ("volumes", field(list(volume, o), o)),
            ("tolerations", field(list(scalar(), false), o)),
        ],
        o,
    );
    let is = |text: &'static str| Just(Some(Json::from(text))).boxed();
    map(
        vec![
            ("apiVersion", is("v1")),
            ("kind", is("Pod")),
            ("metadata", some(metadata)),
            ("spec", some(spec)),
        ],
        o,
    )
}

fn case() -> impl Strategy<Value = (Json, Json)> {
    (pod(false), pod(true))
}

/// What the crate makes of it.
fn quick(pod: &Json, overlay: &Json) -> Result<Json, Refused> {
    let arena = Arena::new();
    let (pod, overlay) = (pod.to_string(), overlay.to_string());
    let merged = strategic::merge(&arena, read(&arena, &pod), read(&arena, &overlay), &mut Budget::default());
    merged.map(|merged| serde_json::from_str(&merged.to_string()).unwrap()).map_err(|_| Refused)
}

/// The first of `count` cases that the slow form answers otherwise.
fn difference(fault: Option<Fault>, count: usize) -> Option<(Json, Json)> {
    let mut runner = TestRunner::deterministic();
    let cases = case();
    let mut cases = (0..count).map(|_| cases.new_tree(&mut runner).unwrap().current());
    cases.find(|(pod, overlay)| quick(pod, overlay) != slow::merge(pod, overlay, fault))
}

#[test]
fn the_comparison_with_the_slow_form_finds_planted_faults() {
    let faults = [
        Fault::OverlayComesLast,
        Fault::FirstOfKeyAlone,
        Fault::NullIsAValue,
        Fault::SetsGrowAtTheEnd,
        Fault::AbsentKeyTellsApart,
        Fault::PairsComeFirst,
        Fault::PairsAreCompleted,
        Fault::ReplaceMerges,
        Fault::EmptyListEmpties,
        Fault::NumbersStayNumbers,
        Fault::PlainListsGrow,
        Fault::NewListsKeepAll,
    ];
    assert_eq!(difference(None, 1_000), None);
    for fault in faults {
        assert_ne!(difference(Some(fault), 20_000), None, "{fault:?} is not found");
    }
}

#[test]
fn half_of_the_cases_are_no_refusals() {
    let mut runner = TestRunner::deterministic();
    let cases = case();
    let mut cases = (0..1_000).map(|_| cases.new_tree(&mut runner).unwrap().current());
    let merged = cases.by_ref().filter(|(pod, overlay)| quick(pod, overlay).is_ok()).count();
    assert!(merged > 500, "{merged}");
}

proptest! {
    #![proptest_config(Config { cases: 2000, ..Config::default() })]

    #[test]
    fn overlays_are_laid_as_by_the_slow_form((pod, overlay) in case()) {
        prop_assert_eq!(quick(&pod, &overlay), slow::merge(&pod, &overlay, None));
    }
}
