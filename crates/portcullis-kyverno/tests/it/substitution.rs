//! Variables of every type of JSON at every place where one may stand.
//!
//! CVE-2026-41485 and CVE-2025-47281: what a variable comes to is up to whoever writes the object, and no type of it, nor a
//! function that there is not, may end in anything but a verdict or an error that says what was expected.

use std::fmt::Write as _;

use portcullis_kyverno::Policy;
use portcullis_model::{
    Answer, Answers, CompiledPolicy, Evaluated, Input, Obstacle, Phase, Purpose, Question, RuleOutcome, Run,
    SideEffect, Status,
};
use portcullis_value::{Arena, Budget, json};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::policies::policy;

/// Places of a variable, written `@V`, in a rule on a Pod.
const PLACES: &[(&str, &str)] = &[
    (
        "precondition key",
        "preconditions: {all: [{key: '@V', operator: Equals, value: a}]}\nvalidate: {deny: {}}",
    ),
    (
        "precondition value",
        "preconditions: {all: [{key: a, operator: Equals, value: '@V'}]}\nvalidate: {deny: {}}",
    ),
    (
        "precondition list",
        "preconditions: {all: [{key: a, operator: AnyIn, value: ['@V']}]}\nvalidate: {deny: {}}",
    ),
    ("message", "validate: {message: '@V', deny: {}}"),
    ("pattern leaf", "validate: {pattern: {spec: {v: '@V'}}}"),
    ("pattern list", "validate: {pattern: {spec: {l: ['@V']}}}"),
    ("pattern key", "validate: {pattern: {spec: {'@V': a}}}"),
    ("pattern anchor", "validate: {pattern: {spec: {'=(@V)': a}}}"),
    ("anyPattern leaf", "validate: {anyPattern: [{spec: {w: 1}}, {spec: {v: '@V'}}]}"),
    ("deny key", "validate: {deny: {conditions: {any: [{key: '@V', operator: NotEquals, value: a}]}}}"),
    ("deny value", "validate: {deny: {conditions: {any: [{key: a, operator: NotEquals, value: '@V'}]}}}"),
    ("deny operator", "validate: {deny: {conditions: {any: [{key: a, operator: '@V', value: a}]}}}"),
    (
        "deny GreaterThan",
        "validate: {deny: {conditions: {any: [{key: 1, operator: GreaterThan, value: '@V'}]}}}",
    ),
    (
        "deny AllIn key",
        "validate: {deny: {conditions: {any: [{key: '@V', operator: AllIn, value: [a, b]}]}}}",
    ),
    ("deny AllNotIn", "validate: {deny: {conditions: {any: [{key: [a], operator: AllNotIn, value: '@V'}]}}}"),
    (
        "deny message",
        "validate: {deny: {conditions: {any: [{key: a, operator: Equals, value: a, message: '@V'}]}}}",
    ),
    (
        "variable value",
        "context: [{name: e, variable: {value: '@V'}}]\nvalidate: {message: '{{ e }}', deny: {}}",
    ),
    ("variable path", "context: [{name: e, variable: {jmesPath: '@V'}}]\n@USE"),
    (
        "variable default",
        "context: [{name: e, variable: {jmesPath: request.object.none, default: '@V'}}]\n@USE",
    ),
    ("configMap name", "context: [{name: e, configMap: {name: '@V', namespace: team}}]\n@USE"),
    ("configMap namespace", "context: [{name: e, configMap: {name: m, namespace: '@V'}}]\n@USE"),
    ("apiCall urlPath", "context: [{name: e, apiCall: {urlPath: '@V'}}]\n@USE"),
    ("apiCall method", "context: [{name: e, apiCall: {urlPath: /api/v1/pods, method: '@V'}}]\n@USE"),
    (
        "apiCall data",
        "context: [{name: e, apiCall: {method: POST, urlPath: /api/v1/pods, data: [{key: k, value: '@V'}]}}]\n@USE",
    ),
    (
        "apiCall data key",
        "context: [{name: e, apiCall: {method: POST, urlPath: /api/v1/pods, data: [{key: '@V', value: a}]}}]\n@USE",
    ),
    ("apiCall jmesPath", "context: [{name: e, apiCall: {urlPath: /api/v1/pods, jmesPath: '@V'}}]\n@USE"),
    ("service url", "context: [{name: e, apiCall: {service: {url: '@V'}}}]\n@USE"),
    (
        "service header",
        "context: [{name: e, apiCall: {service: {url: 'http://a/', headers: [{key: k, value: '@V'}]}}}]\n@USE",
    ),
    (
        "service caBundle",
        "context: [{name: e, apiCall: {service: {url: 'http://a/', caBundle: '@V'}}}]\n@USE",
    ),
    ("globalReference", "context: [{name: e, globalReference: {name: '@V'}}]\n@USE"),
    ("imageRegistry", "context: [{name: e, imageRegistry: {reference: '@V'}}]\n@USE"),
    (
        "foreach list",
        "validate: {foreach: [{list: request.object.spec.v, deny: {conditions: {all: [{key: '{{ element }}', operator: Equals, value: a}]}}}]}",
    ),
    ("foreach pattern", "validate: {foreach: [{list: request.object.spec.l, pattern: {v: '@V'}}]}"),
    ("foreach anyPattern", "validate: {foreach: [{list: request.object.spec.l, anyPattern: [{v: '@V'}]}]}"),
    (
        "foreach precondition",
        "validate: {foreach: [{list: request.object.spec.l, preconditions: {all: [{key: '@V', operator: Equals, value: a}]}, deny: {}}]}",
    ),
    (
        "foreach deny",
        "validate: {foreach: [{list: request.object.spec.l, deny: {conditions: {all: [{key: '@V', operator: Equals, value: a}]}}}]}",
    ),
    (
        "foreach context",
        "validate: {foreach: [{list: request.object.spec.l, context: [{name: e, variable: {value: '@V'}}], deny: {conditions: {all: [{key: '{{ e }}', operator: Equals, value: a}]}}}]}",
    ),
    ("mutate leaf", "mutate: {patchStrategicMerge: {spec: {x: '@V'}}}"),
    ("mutate key", "mutate: {patchStrategicMerge: {spec: {'@V': x}}}"),
    ("mutate condition", "mutate: {patchStrategicMerge: {spec: {(v): '@V', x: 1}}}"),
    ("mutate addition", "mutate: {patchStrategicMerge: {spec: {+(x): '@V'}}}"),
    ("mutate list", "mutate: {patchStrategicMerge: {spec: {containers: [{name: '@V', image: b}]}}}"),
    ("mutate labels", "mutate: {patchStrategicMerge: {metadata: {labels: '@V'}}}"),
    ("mutate whole", "mutate: {patchStrategicMerge: '@V'}"),
    (
        "mutate foreach list",
        "mutate: {foreach: [{list: request.object.spec.v, patchStrategicMerge: {spec: {x: '{{ element }}'}}}]}",
    ),
    (
        "mutate foreach leaf",
        "mutate: {foreach: [{list: request.object.spec.l, patchStrategicMerge: {spec: {x: '@V'}}}]}",
    ),
    ("JSON patch", "mutate: {patchesJson6902: '@V'}"),
    ("JSON patch op", "mutate: {patchesJson6902: '[{\"op\": \"@V\", \"path\": \"/spec/x\", \"value\": 1}]'}"),
    (
        "JSON patch path",
        "mutate: {patchesJson6902: '[{\"op\": \"add\", \"path\": \"/spec/@V\", \"value\": 1}]'}",
    ),
    (
        "JSON patch value",
        "mutate: {patchesJson6902: '[{\"op\": \"add\", \"path\": \"/spec/x\", \"value\": \"@V\"}]'}",
    ),
    (
        "JSON patch raw value",
        "mutate: {patchesJson6902: '[{\"op\": \"add\", \"path\": \"/spec/x\", \"value\": @V}]'}",
    ),
    (
        "JSON patch foreach",
        "mutate: {foreach: [{list: request.object.spec.l, patchesJson6902: '- {op: add, path: /spec/x, value: @V}'}]}",
    ),
    (
        "target name",
        "mutate: {targets: [{apiVersion: v1, kind: Secret, namespace: team, name: '@V'}], patchStrategicMerge: {metadata: {labels: {a: b}}}}",
    ),
    (
        "target namespace",
        "mutate: {targets: [{apiVersion: v1, kind: Secret, namespace: '@V', name: a}], patchStrategicMerge: {metadata: {labels: {a: b}}}}",
    ),
    (
        "target kind",
        "mutate: {targets: [{apiVersion: v1, kind: '@V', namespace: team, name: a}], patchStrategicMerge: {metadata: {labels: {a: b}}}}",
    ),
    (
        "target selector",
        "mutate: {targets: [{apiVersion: v1, kind: Secret, selector: {matchLabels: {a: '@V'}}}], patchStrategicMerge: {metadata: {labels: {a: b}}}}",
    ),
    (
        "target leaf",
        "mutate: {targets: [{apiVersion: v1, kind: Secret, namespace: team, name: a}], patchStrategicMerge: {data: {a: '@V'}}}",
    ),
    (
        "generate name",
        "generate: {apiVersion: v1, kind: ConfigMap, namespace: team, name: '@V', data: {data: {a: b}}}",
    ),
    (
        "generate namespace",
        "generate: {apiVersion: v1, kind: ConfigMap, namespace: '@V', name: c, data: {data: {a: b}}}",
    ),
    (
        "generate kind",
        "generate: {apiVersion: v1, kind: '@V', namespace: team, name: c, data: {data: {a: b}}}",
    ),
    ("generate data", "generate: {apiVersion: v1, kind: ConfigMap, namespace: team, name: c, data: '@V'}"),
    (
        "generate leaf",
        "generate: {apiVersion: v1, kind: ConfigMap, namespace: team, name: c, data: {data: {a: '@V'}}}",
    ),
    (
        "clone name",
        "generate: {apiVersion: v1, kind: Secret, namespace: new, name: c, clone: {namespace: team, name: '@V'}}",
    ),
    (
        "clone namespace",
        "generate: {apiVersion: v1, kind: Secret, namespace: new, name: c, clone: {namespace: '@V', name: a}}",
    ),
    ("cloneList", "generate: {namespace: new, cloneList: {namespace: '@V', kinds: [v1/Secret]}}"),
    (
        "cloneList selector",
        "generate: {namespace: new, cloneList: {namespace: team, kinds: [v1/Secret], selector: {matchLabels: {a: '@V'}}}}",
    ),
    (
        "generate foreach",
        "generate: {foreach: [{list: request.object.spec.v, apiVersion: v1, kind: ConfigMap, namespace: team, name: 'c-{{ element }}', data: {data: {a: b}}}]}",
    ),
];

/// A use of the entry `e`, so that it is loaded.
const USE: &str = "validate: {deny: {conditions: {any: [{key: '{{ e }}', operator: Equals, value: a}]}}}";

/// What stands in the object: a value of each type, and none at all.
const VALUES: [&str; 9] = ["null", "true", "7", "1.5", "\"a\"", "\"\"", "[\"a\"]", "{\"a\":\"b\"}", ""];

/// What is there, whoever asks: one Secret, and nothing that is to be generated.
fn answer(question: &Question) -> &'static str {
    match question {
        Question::Resources(query) if query.purpose == Purpose::Generate => "[]",
        Question::Resources(_) => {
            "[{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: team, labels: {a: a}}, data: {}}]"
        }
        _ => "{data: {a: b}, items: [], a: x}",
    }
}

/// What comes of the rule with `variable` at its place, for a Pod whose `spec.v` is `value`.
fn outcomes(rule: &str, variable: &str, value: &str, mut look: impl FnMut(&RuleOutcome<'_>)) {
    let arena = Arena::new();
    let text = policy("Pod", &rule.replace("@USE", USE).replace("@V", variable));
    let policy = Policy::compile(portcullis_yaml::read(&arena, &text).unwrap());
    let field = if value.is_empty() { String::new() } else { format!(r#""v":{value},"#) };
    let pod = format!(
        r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"p","namespace":"team"}},"spec":{{{field}"l":[{{"v":"a"}}]}}}}"#
    );
    for phase in [Phase::Mutate, Phase::Validate] {
        let input = Input::create(&arena, json::read(&arena, &pod).unwrap());
        let mut answers = Answers::new();
        loop {
            let mut budget = Budget::default();
            let mut run = Run { side_effects: true, ..Run::new(&arena, &answers, &mut budget) };
            match policy.evaluate(phase, &input, &mut run) {
                Evaluated::Done(evaluation) => break evaluation.outcomes.iter().for_each(&mut look),
                Evaluated::Need(questions) => {
                    for question in questions {
                        let found = answer(&question);
                        answers
                            .insert(question, Answer::value(portcullis_yaml::read(&arena, found).unwrap()));
                    }
                }
            }
        }
    }
}

/// What the outcomes of a rule are, a letter each.
fn letters(rule: &str, variable: &str, value: &str) -> String {
    let mut letters = String::new();
    outcomes(rule, variable, value, |outcome| {
        assert_ne!(outcome.obstacle, Some(Obstacle::Panic), "{rule} {value}");
        letters.push(match outcome.status {
            Status::Pass => 'P',
            Status::Fail => 'F',
            Status::Skip => 'S',
            Status::Error => 'E',
        });
        if let Some(SideEffect::Generated { failure: Some(_), .. }) = outcome.side_effect.as_deref() {
            letters.push('!');
        }
        let says_why = !matches!(outcome.status, Status::Error) || !outcome.message.trim().is_empty();
        assert!(says_why, "{rule} {value}");
    });
    if letters.is_empty() { "-".to_owned() } else { letters }
}

#[test]
fn a_variable_of_any_type_ends_in_a_verdict_or_an_error_at_every_place() {
    let mut table = String::new();
    for (place, rule) in PLACES {
        for variable in ["{{ request.object.spec.v }}", "x{{ request.object.spec.v }}y"] {
            let form = if variable.starts_with('x') { "inside" } else { "whole" };
            let row: Vec<_> = VALUES.iter().map(|value| letters(rule, variable, value)).collect();
            writeln!(table, "{place:<22}{form:<8}{}", row.join(" ")).unwrap();
        }
    }
    let want = include_str!("substitution/outcomes.txt");
    let rows = |text: &str| {
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rows(&table), rows(want));
}

/// CVE-2025-47281.
#[test]
fn a_function_that_there_is_not_is_an_error_wherever_a_variable_asks_for_it() {
    for (place, rule) in PLACES {
        for variable in ["{{@ | no_such_function(@)}}", "x{{ no_such_function() }}y"] {
            let rule = rule.replace("list: request.object.spec.v", "list: 'no_such_function(@)'");
            let got = letters(&rule, variable, "\"a\"").replace("P!", "");
            assert!(!got.contains('P'), "{place} {variable}: {got}");
        }
        // A field that there is not is null behind a pipe.
        letters(rule, "{{@ | no_such_function }}", "\"a\"");
    }
}

fn document() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i32>().prop_map(|value| value.to_string()),
        (-1000_i32..1000).prop_map(|value| format!("{}.5", value)),
        "[a-z0-9 .:/<>&%_-]{0,8}".prop_map(|text| json::quote(&text)),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[a-z]{1,3}", inner, 0..3).prop_map(|entries| {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", entries.join(","))
            }),
        ]
    })
}

/// `value` as it is written in a text: with the escapes of Go's JSON, a string as it is.
fn in_text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        value => ["<", ">", "&"].iter().fold(value.to_string(), |text, character| {
            text.replace(character, &format!("\\u{:04x}", character.as_bytes()[0]))
        }),
    }
}

proptest! {
    #[test]
    fn a_whole_value_keeps_its_type_and_one_in_a_text_is_written_as_json(value in document()) {
        let rule = "generate: {apiVersion: v1, kind: ConfigMap, namespace: team, name: c, synchronize: true, data: {whole: '@V', inside: 'x@Vy'}}";
        let mut made = Vec::new();
        outcomes(rule, "{{ request.object.spec.v }}", &value, |outcome| {
            let Some(SideEffect::Generated { objects, .. }) = outcome.side_effect.as_deref() else { return };
            made.extend(objects.iter().map(|object| serde_json::from_str::<Json>(&object.to_string()).unwrap()));
        });
        let value: Json = serde_json::from_str(&value).unwrap();
        prop_assert_eq!(made.len(), 1);
        prop_assert_eq!(&made[0]["whole"], &value);
        prop_assert_eq!(&made[0]["inside"], &Json::from(format!("x{}y", in_text(&value))));
    }
}
