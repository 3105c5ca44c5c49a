//! Ways around policies, and through them, that other engines had to close.

use std::cell::RefCell;

use portcullis_engine::{Host, judge};
use portcullis_kyverno::Policy;
use portcullis_model::{Answer, CompiledPolicy, Input, Purpose, Question, Resource, SideEffect, Status};
use portcullis_value::{Arena, Value};

use crate::support::{POD, Request, Setting, rule};

/// Answers whatever is asked, and keeps what was asked.
struct Generous<'a> {
    arena: &'a Arena,
    asked: RefCell<Vec<Question>>,
}

impl<'a> Host<'a> for Generous<'a> {
    fn input(&self, _: &'a dyn CompiledPolicy, object: Option<Value<'a>>) -> Input<'a> {
        Input::create(self.arena, object.unwrap_or_default())
    }

    fn answer(&self, _: &'a dyn CompiledPolicy, question: &Question) -> Answer {
        self.asked.borrow_mut().push(question.clone());
        let found = match question {
            Question::Resources(query) if query.purpose == Purpose::Generate => "[]".to_owned(),
            Question::Resources(query) => {
                let namespace = query.namespace.as_deref().unwrap_or("other");
                format!(
                    r#"[{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"s","namespace":"{namespace}"}}}}]"#
                )
            }
            _ => "{data: {a: b}}".to_owned(),
        };
        Answer::value(portcullis_yaml::read(self.arena, self.arena.str(&found)).unwrap())
    }

    fn side_effects(&self) -> bool {
        true
    }
}

/// Whether `question` is about the namespace `team` alone.
fn is_of_team(question: &Question) -> bool {
    match question {
        Question::ConfigMap { namespace, .. } => namespace == "team",
        Question::ApiCall { url_path, .. } => url_path.starts_with("/api/v1/namespaces/team/"),
        Question::Resources(query) => query.namespace.as_deref() == Some("team"),
        _ => false,
    }
}

/// What a Policy of the namespace `team` with `rule` asks for an object whose annotation `to` says `to`; whether it comes to a
/// verdict; and the namespaces of the objects that it makes and changes.
fn reached(rule: &str, to: &str) -> (Vec<Question>, bool, Vec<String>) {
    let arena = Arena::new();
    let text = format!(
        "{{kind: Policy, metadata: {{name: p, namespace: team}}, spec: {{rules: [{{name: r, match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, {rule}}}]}}}}"
    );
    let text = text.replace("TO", "{{ request.object.metadata.annotations.to }}");
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c","namespace":"team","annotations":{{"to":"{to}"}}}}}}"#
    );
    let host = Generous { arena: &arena, asked: RefCell::default() };
    let object = portcullis_yaml::read(&arena, &object).unwrap();
    let judgement = judge(&[&policy], Some(object), &arena, &host);
    let (mut comes_to_a_verdict, mut namespaces) = (false, Vec::new());
    for outcome in judgement.responses.iter().flat_map(|response| response.evaluation.outcomes.iter()) {
        let objects = match outcome.side_effect.as_deref() {
            None => {
                comes_to_a_verdict |= outcome.status != Status::Error;
                continue;
            }
            Some(SideEffect::Target { patched, .. }) => patched.as_slice(),
            Some(SideEffect::Generated { objects, .. }) => objects,
        };
        namespaces.extend(objects.iter().map(|object| Resource(*object).namespace().to_owned()));
    }
    (host.asked.take(), comes_to_a_verdict, namespaces)
}

/// CVE-2026-22039 (calls of the API), CVE-2026-41068 (ConfigMaps), GHSA-79gf and GHSA-59v6 (what is made, copied and changed):
/// what counts is what comes out when variables are put in, which nobody sees when the policy is written.
#[test]
fn a_policy_of_a_namespace_reaches_nothing_beyond_it_whatever_variables_bring() {
    let deny = "validate: {deny: {conditions: {all: [{key: '{{ e }}', operator: Equals, value: x}]}}}";
    let context = |entry: &str| format!("context: [{{name: e, {entry}}}], {deny}");
    let patch = "patchStrategicMerge: {metadata: {labels: {a: b}}}";
    let secret = "apiVersion: v1, kind: Secret";
    for (rule, home, elsewhere) in [
        (context("configMap: {name: m, namespace: 'TO'}"), "team", &["other", "team/", "*", "te"][..]),
        (
            context("apiCall: {urlPath: '/api/v1/namespaces/TO/secrets'}"),
            "team",
            &[
                "other",
                "",
                "..",
                "team/../other",
                "team%2f..%2fother",
                "team/../../nodes",
                "%2e%2e/other",
                "team/x/../../other",
            ],
        ),
        (
            context("apiCall: {urlPath: '/api/v1/TO'}"),
            "namespaces/team/pods",
            &[
                "secrets",
                "nodes",
                "x?/namespaces/team/",
                "nodes/namespaces/team",
                "../../version",
                "secrets?a=/namespaces/team/pods",
            ],
        ),
        (
            format!("mutate: {{targets: [{{{secret}, namespace: 'TO', name: s}}], {patch}}}"),
            "team",
            &["other", "", "*"],
        ),
        (format!("generate: {{{secret}, name: x, namespace: 'TO', data: {{a: b}}}}"), "team", &["other", ""]),
        (
            format!("generate: {{{secret}, name: x, namespace: team, clone: {{namespace: 'TO', name: s}}}}"),
            "team",
            &["other", ""],
        ),
        (
            "generate: {namespace: team, cloneList: {namespace: 'TO', kinds: [v1/Secret]}}".to_owned(),
            "team",
            &["other", ""],
        ),
    ] {
        let (asked, ..) = reached(&rule, home);
        assert!(!asked.is_empty() && asked.iter().all(is_of_team), "at home {rule} asks {asked:?}");
        for to in elsewhere {
            let (asked, comes_to_a_verdict, namespaces) = reached(&rule, to);
            assert!(asked.iter().all(is_of_team), "`{to}` in {rule} asks {asked:?}");
            assert!(!comes_to_a_verdict, "`{to}` in {rule} comes to a verdict");
            assert!(
                namespaces.iter().all(|namespace| namespace == "team"),
                "`{to}` in {rule}: {namespaces:?}"
            );
        }
    }
    let (asked, ..) = reached(&context("apiCall: {service: {url: 'https://TO.team.svc'}}"), "a");
    assert!(asked.is_empty(), "services are beyond every namespace: {asked:?}");
}

/// CVE-2023-34091: a finalizer keeps an object that is being deleted for as long as its author likes, and it goes on doing what
/// it does.
#[test]
fn an_object_that_is_being_deleted_is_judged_when_it_is_updated() {
    let pod = |metadata: &str, image: &str| {
        format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: w, deletionTimestamp: '2026-09-01T10:00:00Z', {metadata}}}, spec: {{image: {image}}}}}"
        )
    };
    let signed = "validate: {message: unsigned, pattern: {spec: {image: 'signed/*'}}}";
    let setting = Setting::of([rule("p", "validationFailureAction: Enforce", "Pod", signed)]);
    let check = |old: (&str, &str), new: (&str, &str), want: bool| {
        let (old, new) = (pod(old.0, old.1), pod(new.0, new.1));
        setting.review("/validate", Request::update(POD, &old, &new), |verdict, _| {
            assert_eq!((verdict.allowed, verdict.unseen), (want, None), "{new}");
            assert_eq!(verdict.outcomes().count(), 1, "it was not judged: {new}");
        });
    };
    let held = "finalizers: [example.com/hold]";
    check((held, "signed/a"), (held, "mine"), false);
    check((held, "signed/a"), ("finalizers: []", "mine"), false);
    check((held, "signed/a"), ("finalizers: []", "signed/b"), true);
    // What was there before the policy may lose its finalizers, or it would never go.
    check((held, "mine"), ("finalizers: []", "mine"), true);

    let delete = Setting::of([rule(
        "p",
        "validationFailureAction: Enforce",
        "Pod",
        "validate: {message: kept, deny: {conditions: {all: [{key: '{{ request.operation }}', operator: Equals, value: DELETE}]}}}",
    )]);
    let gone = pod(held, "signed/a");
    let request = Request { operation: "DELETE", ..Request::update(POD, &gone, "") };
    delete.review("/validate", request, |verdict, _| assert!(!verdict.allowed));
}
