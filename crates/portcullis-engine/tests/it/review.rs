//! Reviews from request to verdict.

use std::sync::Arc;

use portcullis_engine::{Facts, FixedFacts, Missing, Need, Unseen};
use portcullis_model::{
    Answer, CompiledPolicy, Evaluated, Input, Obstacle, Operations, Phase, Profile, Question, RecordMode,
    Roles, Run, Status, Target, User,
};
use portcullis_value::{Arena, Exhausted, Object, OwnedValue};

use crate::support::{JOB, POD, Request, Setting, policy, rule};

const PI: &str = "{apiVersion: batch/v1, kind: Job, metadata: {name: pi}, spec: {parallelism: 1}}";
const ENFORCE: &str = "validationFailureAction: Enforce";
const ANNOTATION: &str = "policies.kyverno.io/last-applied-patches";

#[test]
fn a_job_is_given_a_ttl_and_the_record_of_it_and_a_second_pass_changes_nothing() {
    let ttl = "mutate: {patchStrategicMerge: {spec: {+(ttlSecondsAfterFinished): 900}}}";
    let setting = Setting::of([rule("ttl", "background: false", "Job", ttl)]);
    let after = setting.review("/mutate/fail", Request::create(JOB, PI), |verdict, object| {
        assert!(verdict.allowed);
        assert_eq!(verdict.message, None);
        let paths: Vec<_> = verdict.patch.iter().map(|operation| operation.path()).collect();
        assert_eq!(paths, ["/metadata/annotations", "/spec/ttlSecondsAfterFinished"]);
        assert_eq!(
            object.path(&["metadata", "annotations", ANNOTATION]).unwrap().as_str(),
            Some("r.ttl.kyverno.io: added /spec/ttlSecondsAfterFinished\n")
        );
        object.to_string()
    });
    setting.review("/mutate/fail", Request::create(JOB, &after), |verdict, _| {
        assert_eq!(verdict.patch, []);
        let statuses: Vec<_> = verdict.outcomes().map(|(_, outcome)| outcome.status).collect();
        assert_eq!(statuses, [Status::Skip]);
    });
    setting.review("/mutate/ignore", Request::create(JOB, PI), |verdict, _| {
        assert_eq!((verdict.policies.len(), verdict.patch.len()), (0, 0));
    });
}

#[test]
fn the_record_goes_where_the_option_or_the_policy_says() {
    let with = |annotations: &str| {
        policy(&format!(
            "{{kind: ClusterPolicy, metadata: {{name: p, annotations: {{{annotations}}}}}, spec: {{rules: [{{name: r, match: {{resources: {{kinds: [Job]}}}}, mutate: {{patchStrategicMerge: {{spec: {{a: 1}}}}}}}}]}}}}"
        ))
    };
    let check = |option, annotations: &str, want: (bool, bool)| {
        let mut setting = Setting::of([with(annotations)]);
        setting.options.record = option;
        setting.review("/mutate", Request::create(JOB, PI), |verdict, object| {
            let is_annotated = object.path(&["metadata", "annotations", ANNOTATION]).is_some();
            assert_eq!(
                (is_annotated, !verdict.audit_annotations.is_empty()),
                want,
                "{option:?} {annotations}"
            );
            assert!(object.path(&["spec", "a"]).is_some());
        });
    };
    check(RecordMode::Annotation, "", (true, false));
    check(RecordMode::Audit, "", (false, true));
    check(RecordMode::Off, "", (false, false));
    check(RecordMode::Off, "portcullis.dev/mutation-record: annotation", (true, false));
    check(RecordMode::Annotation, "portcullis.dev/mutation-record: audit", (false, true));
}

#[test]
fn a_violation_refuses_where_it_is_enforced_and_warns_where_that_is_asked_for() {
    let check = |spec: &str, want: (bool, Option<&str>, &[&str])| {
        let deny = "validate: {message: stop, deny: {}}";
        let setting = Setting::of([rule("p", spec, "Job", deny)]);
        setting.review("/validate", Request::create(JOB, PI), |verdict, _| {
            let warnings: Vec<_> = verdict.warnings.iter().map(String::as_str).collect();
            assert_eq!((verdict.allowed, verdict.message.as_deref(), warnings.as_slice()), want, "{spec}");
            assert_eq!(verdict.outcomes().next().unwrap().1.status, Status::Fail);
        });
    };
    let text = "\n\nresource Job/team/pi was blocked due to the following policies \n\np:\n  r: stop\n";
    check(ENFORCE, (false, Some(text), &[]));
    check("background: true", (true, None, &[]));
    check("emitWarning: true", (true, None, &["policy p.r: stop"]));
    // Overrides: the namespace of the request is `team`.
    let overrides = |action: &str, namespace: &str| {
        format!("validationFailureActionOverrides: [{{action: {action}, namespaces: [{namespace}]}}]")
    };
    check(&overrides("Enforce", "team"), (false, Some(text), &[]));
    check(&overrides("Enforce", "other"), (true, None, &[]));
    check(&format!("{ENFORCE}, {}", overrides("Audit", "te*")), (true, None, &[]));
}

#[test]
fn where_one_rule_is_enough_one_that_only_reports_keeps_none_that_refuses_from_being_applied() {
    let with = |actions: [&str; 4]| {
        let rules = ["a", "b", "c", "d"].into_iter().zip(actions).map(|(name, action)| {
            let of = "match: {resources: {kinds: [Job]}}";
            format!(
                "{{name: {name}, {of}, validate: {{failureAction: {action}, message: stop {name}, deny: {{}}}}}}"
            )
        });
        let rules: Vec<_> = rules.collect();
        policy(&format!(
            "{{kind: ClusterPolicy, metadata: {{name: p}}, spec: {{applyRules: One, rules: [{}]}}}}",
            rules.join(", ")
        ))
    };
    let check = |actions: [&str; 4], evaluated: &[&str], refuses: Option<&str>| {
        Setting::of([with(actions)]).review("/validate", Request::create(JOB, PI), |verdict, _| {
            let names: Vec<_> = verdict.outcomes().map(|(_, outcome)| outcome.rule).collect();
            assert_eq!((names.as_slice(), verdict.allowed), (evaluated, refuses.is_none()), "{actions:?}");
            let text = verdict.message.as_deref().unwrap_or_default();
            assert!(refuses.is_none_or(|refusal| text.ends_with(refusal)), "{text}");
        });
    };
    let (audit, enforce) = ("Audit", "Enforce");
    check([audit, enforce, audit, enforce], &["a", "b"], Some("p:\n  b: stop b\n"));
    check([enforce, enforce, audit, audit], &["a", "c"], Some("p:\n  a: stop a\n"));
    check([audit; 4], &["a"], None);
}

#[test]
fn the_namespace_of_an_object_that_names_none_is_filled_in_for_all_rules_but_the_first_that_matches() {
    let rules = ["Secret", "Job", "Job", "Job"].into_iter().zip(["a", "b", "c", "d"]).map(|(kind, name)| {
        let message = "{{ request.object.metadata.namespace || 'none' }}";
        format!(
            "{{name: {name}, match: {{resources: {{kinds: [{kind}]}}}}, validate: {{message: \"{message}\", deny: {{}}}}}}"
        )
    });
    let rules: Vec<_> = rules.collect();
    let policy = policy(&format!(
        "{{kind: ClusterPolicy, metadata: {{name: p}}, spec: {{{ENFORCE}, rules: [{}]}}}}",
        rules.join(", ")
    ));
    Setting::of([policy]).review("/validate", Request::create(JOB, PI), |verdict, _| {
        let messages: Vec<_> = verdict.outcomes().map(|(_, outcome)| &*outcome.message).collect();
        assert_eq!(messages, ["none", "team", "team"]);
    });
}

/// As in the reference, which chooses rules by selectors of Kubernetes and reads what failures mean by its own.
#[test]
fn a_wildcard_in_the_selector_of_an_override_does_not_enforce() {
    let check = |spec: &str, action: &str, label: &str, want: (bool, usize)| {
        let labels = format!("namespaceSelector: {{matchLabels: {{env: '{label}'}}}}");
        let spec = format!("{spec}, validationFailureActionOverrides: [{{action: {action}, {labels}}}]");
        let arena = Arena::new();
        let prod = OwnedValue::from(portcullis_yaml::read(&arena, "{env: prod}").unwrap());
        let facts = FixedFacts { namespaces: [("team".to_owned(), prod)].into(), ..FixedFacts::default() };
        let policies = Setting::of([rule("p", &spec, "Job", "validate: {message: stop, deny: {}}")]).policies;
        let setting = Setting { policies, facts: &facts, ..Setting::of([]) };
        setting.review("/validate", Request::create(JOB, PI), |verdict, _| {
            assert_eq!((verdict.allowed, verdict.warnings.len()), want, "{spec}");
        });
    };
    const AUDIT: &str = "validationFailureAction: Audit";
    check(AUDIT, "Enforce", "prod", (false, 0));
    check(AUDIT, "Enforce", "pro*", (true, 0));
    check(ENFORCE, "Audit", "prod", (true, 0));
    check(ENFORCE, "Audit", "pro*", (true, 1));
}

#[test]
fn an_error_refuses_where_the_rule_enforces_and_its_policy_fails_closed() {
    let check = |spec: &str, path: &str, want: (bool, usize)| {
        let broken = "validate: {deny: {conditions: {all: [{key: '{{ request.object.x.y }}', operator: Equals, value: 1}]}}}";
        let setting = Setting::of([rule("p", spec, "Job", broken)]);
        setting.review(path, Request::create(JOB, PI), |verdict, _| {
            assert_eq!((verdict.allowed, verdict.warnings.len()), want, "{spec}");
            assert_eq!(verdict.outcomes().next().unwrap().1.status, Status::Error);
        });
    };
    check(ENFORCE, "/validate/fail", (false, 0));
    check("validationFailureAction: Enforce, failurePolicy: Ignore", "/validate/ignore", (true, 1));
    check("validationFailureAction: Audit", "/validate/ignore", (true, 0));
}

#[test]
fn a_mutation_that_fails_refuses_or_is_dropped_whole() {
    let failing = |policy: &str| {
        format!(
            "{{kind: ClusterPolicy, metadata: {{name: a}}, spec: {{failurePolicy: {policy}, rules: [{{name: one, match: {{resources: {{kinds: [Job]}}}}, mutate: {{patchStrategicMerge: {{spec: {{a: 1}}}}}}}}, {{name: two, match: {{resources: {{kinds: [Job]}}}}, mutate: {{patchStrategicMerge: {{spec: {{b: '{{{{ request.object.x }}}}'}}}}}}}}]}}}}"
        )
    };
    let next = "mutate: {patchStrategicMerge: {spec: {c: 1}}}";
    Setting::of([policy(&failing("Fail")), rule("b", "background: false", "Job", next)]).review(
        "/mutate",
        Request::create(JOB, PI),
        |verdict, _| {
            assert_eq!(
                verdict.message.as_deref(),
                Some(
                    "mutation policy a error: failed to apply policy a rules [two: variable substitution failed: failed to resolve request.object.x at path /mutate/patchStrategicMerge/spec/b: JMESPath query failed: Unknown key \"x\" in path]"
                )
            );
            assert_eq!((verdict.allowed, verdict.patch.len(), verdict.policies.len()), (false, 0, 1));
        },
    );
    Setting::of([policy(&failing("Ignore")), rule("b", "failurePolicy: Ignore", "Job", next)]).review(
        "/mutate/ignore",
        Request::create(JOB, PI),
        |verdict, object| {
            assert!(verdict.allowed);
            assert_eq!(object.get("spec").unwrap().to_string(), r#"{"c":1,"parallelism":1}"#);
        },
    );
}

/// Facts of a cluster that is not there.
struct Elsewhere(Missing);

impl Facts for Elsewhere {
    fn namespace_labels<'a>(&self, _: &'a Arena, _: &str) -> Result<Object<'a>, Missing> {
        Err(self.0.clone())
    }

    fn roles<'a>(&self, _: &'a Arena, _: &User<'_>, _: &str) -> Result<Roles<'a>, Missing> {
        Err(self.0.clone())
    }

    fn answer(&self, _: &str, _: &Question) -> Option<Answer> {
        None
    }
}

/// CVE-2025-46342: labels that cannot be looked up are no labels that do not match.
#[test]
fn a_rule_that_asks_for_what_is_not_known_is_in_error_and_no_other_rule() {
    let by_namespace = |name: &str, kind: &str| {
        policy(&format!(
            "{{kind: ClusterPolicy, metadata: {{name: {name}}}, spec: {{validationFailureAction: Enforce, rules: [{{name: r, match: {{any: [{{resources: {{kinds: [Job], names: [{kind}], namespaceSelector: {{matchLabels: {{a: b}}}}}}}}]}}, validate: {{deny: {{}}}}}}]}}}}"
        ))
    };
    let by_role = policy(
        "{kind: ClusterPolicy, metadata: {name: c}, spec: {validationFailureAction: Enforce, background: false, rules: [{name: r, match: {any: [{resources: {kinds: [Job]}}]}, exclude: {any: [{clusterRoles: [admin]}]}, validate: {deny: {}}}]}}",
    );
    let unknown = Elsewhere(Missing::Unknown);
    let setting = Setting {
        facts: &unknown,
        ..Setting::of([by_namespace("a", "pi"), by_namespace("b", "x"), by_role.clone()])
    };
    setting.review("/validate/fail", Request::create(JOB, PI), |verdict, _| {
        assert!(!verdict.allowed);
        let outcomes: Vec<_> = verdict
            .outcomes()
            .map(|(policy, outcome)| (policy.name(), outcome.obstacle, &*outcome.message))
            .collect();
        let want = |name, message| (name, Some(Obstacle::UnknownFact), message);
        assert_eq!(
            outcomes,
            [
                want("a", "the rule cannot be matched: the labels of its namespace are not known"),
                want("c", "the rule cannot be matched: the roles of the user are not known")
            ]
        );
    });
    let later = Elsewhere(Missing::NotYet);
    let setting = Setting { facts: &later, ..Setting::of([by_namespace("a", "pi")]) };
    let needs = setting.try_review("/validate/fail", Request::create(JOB, PI), |_, _| ()).unwrap_err();
    assert_eq!(needs, [Need::NamespaceLabels { namespace: "team".to_owned() }]);
    let setting = Setting { facts: &later, ..Setting::of([by_role]) };
    assert_eq!(setting.try_review("/validate", Request::create(JOB, PI), |_, _| ()), Err(vec![Need::Roles]));
}

#[test]
fn what_policies_ask_is_needed_all_at_once_and_answered_for_their_namespaces() {
    let asking = |name: &str| {
        policy(&format!(
            "{{kind: Policy, metadata: {{name: {name}, namespace: team}}, spec: {{validationFailureAction: Enforce, rules: [{{name: r, match: {{any: [{{resources: {{kinds: [Job]}}}}]}}, context: [{{name: cm, configMap: {{name: {name}, namespace: team}}}}], validate: {{deny: {{conditions: {{all: [{{key: '{{{{ cm.data.stop }}}}', operator: Equals, value: 'yes'}}]}}}}}}}}]}}}}"
        ))
    };
    let policies = || [asking("a"), asking("b")];
    let setting = Setting { facts: &Elsewhere(Missing::NotYet), ..Setting::of(policies()) };
    let needs = setting.try_review("/validate", Request::create(JOB, PI), |_, _| ()).unwrap_err();
    let question = |name: &str| Question::ConfigMap {
        entry: "cm".to_owned(),
        namespace: "team".to_owned(),
        name: name.to_owned(),
    };
    let need = |name| Need::Answer { policy_namespace: "team".to_owned(), question: question(name) };
    assert_eq!(needs, [need("a"), need("b")]);

    let answer = |stop: &str| {
        let arena = Arena::new();
        Answer::value(OwnedValue::from(
            portcullis_yaml::read(&arena, arena.str(&format!("{{data: {{stop: '{stop}'}}}}"))).unwrap(),
        ))
    };
    let answers = [(question("a"), answer("no")), (question("b"), answer("yes"))].into_iter().collect();
    let facts = FixedFacts { answers, ..FixedFacts::default() };
    let setting = Setting { facts: &facts, ..Setting::of(policies()) };
    setting.review("/validate", Request::create(JOB, PI), |verdict, _| {
        let statuses: Vec<_> = verdict.outcomes().map(|(_, outcome)| outcome.status).collect();
        assert_eq!(statuses, [Status::Pass, Status::Fail]);
    });
}

/// A policy that panics.
#[derive(Debug)]
struct Panics(Profile);

impl CompiledPolicy for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn namespace(&self) -> &str {
        ""
    }

    fn profile(&self) -> &Profile {
        &self.0
    }

    fn evaluate<'a>(&'a self, _: Phase, _: &Input<'a>, _: &mut Run<'a, '_, '_>) -> Evaluated<'a> {
        panic!("on purpose")
    }
}

#[test]
fn a_panic_and_the_end_of_time_are_answered_by_the_failure_policy() {
    let target = Target {
        kind: portcullis_model::KindSelector::parse("Job"),
        operations: Operations::ALL,
        namespaces: Box::default(),
    };
    let panics = |may_enforce| -> Arc<dyn CompiledPolicy> {
        Arc::new(Panics(Profile { may_enforce, validates: Box::new([target.clone()]), ..Profile::default() }))
    };
    for may_enforce in [true, false] {
        Setting::of([panics(may_enforce)]).review("/validate", Request::create(JOB, PI), |verdict, _| {
            assert_eq!(verdict.allowed, !may_enforce);
            assert_eq!(verdict.count(Obstacle::Panic), 1);
        });
    }
    // Each takes so long that the clock is looked at after it.
    let names = vec!["a"; 400].join(", ");
    let policies = || {
        ["a", "b", "c"].map(|name| {
            let conditions = format!("{{all: [{{key: b, operator: AnyIn, value: [{names}]}}]}}");
            let validate = format!("validate: {{message: {name}, deny: {{conditions: {conditions}}}}}");
            rule(name, ENFORCE, "Job", &validate)
        })
    };
    let setting = Setting { deadline: 1, ..Setting::of(policies()) };
    setting.review("/validate", Request::create(JOB, PI), |verdict, _| {
        let statuses: Vec<_> = verdict.outcomes().map(|(_, outcome)| outcome.status).collect();
        assert_eq!(statuses, [Status::Pass, Status::Error, Status::Error]);
        let message = verdict.message.as_deref().unwrap();
        assert!(
            message.ends_with(
                "b:\n  (policy): evaluation ran out of time\nc:\n  (policy): evaluation ran out of time\n"
            ),
            "{message}"
        );
    });
}

#[test]
fn variables_read_the_whole_request() {
    let check = |expression: &str, want: &str| {
        let message = format!("validate: {{message: \"{{{{ {expression} }}}}\", deny: {{}}}}");
        let roles = (vec!["team:editor".to_owned()], vec!["view".to_owned()]);
        let facts = FixedFacts { roles: Some(roles), ..FixedFacts::default() };
        let setting = Setting { facts: &facts, ..Setting::of([rule("p", ENFORCE, "Job", &message)]) };
        let more = r#","dryRun":true,"options":{"fieldManager":"kubectl"},"resource":{"group":"batch","version":"v1","resource":"jobs"}"#;
        let request = Request { more, ..Request::create(JOB, PI) };
        setting.review("/validate", request, |verdict, _| {
            assert_eq!(verdict.outcomes().next().unwrap().1.message, want, "{expression}");
            assert!(verdict.dry_run);
        });
    };
    check("request.object.metadata.name", "pi");
    check("request.operation", "CREATE");
    check("request.kind.kind", "Job");
    check("request.resource.resource", "jobs");
    check("request.userInfo.groups[0]", "developers");
    check("request.roles[0]", "team:editor");
    check("request.clusterRoles[0]", "view");
    check("to_string(request.dryRun)", "true");
    check("request.options.fieldManager", "kubectl");
    check("request.name", "n");
    check("to_string(request.oldObject)", "null");
    check("serviceAccountName", "");
    check(
        "join(',',sort(keys(request)))",
        "dryRun,kind,name,namespace,object,oldObject,operation,options,resource,uid,userInfo",
    );
}

#[test]
fn an_object_that_is_being_deleted_is_not_changed() {
    let setting =
        Setting::of([rule("p", "background: false", "Job", "mutate: {patchStrategicMerge: {spec: {a: 1}}}")]);
    let old = "{kind: Job, metadata: {name: pi, deletionTimestamp: '2026-09-01T10:00:00Z', finalizers: [f]}, spec: {}}";
    let new = "{kind: Job, metadata: {name: pi, deletionTimestamp: '2026-09-01T10:00:00Z'}, spec: {}}";
    setting.review("/mutate", Request::update(JOB, old, new), |verdict, _| {
        assert_eq!(
            (verdict.allowed, verdict.unseen, verdict.patch.len()),
            (true, Some(Unseen::Terminating), 0)
        );
    });
    let delete = Request { operation: "DELETE", ..Request::update(JOB, old, "") };
    setting.review("/mutate", delete, |verdict, _| assert_eq!(verdict.policies.len(), 0));
}

#[test]
fn values_of_a_secret_are_in_no_text() {
    let leak = "validate: {message: 'not {{ request.object.data.password }} or {{ base64_decode(request.object.data.password) }}', deny: {}}";
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s}, data: {password: aHVudGVyMg==}}";
    Setting::of([rule("p", ENFORCE, "Secret", leak)]).review(
        "/validate",
        Request::create(["", "v1", "Secret"], secret),
        |verdict, _| {
            let message = verdict.message.as_deref().unwrap();
            assert!(message.ends_with("p:\n  r: not *** or ***\n"), "{message}");
        },
    );
}

#[test]
fn a_finished_job_that_is_given_a_ttl_of_the_past_is_a_warning() {
    let job = |ttl: &str| {
        format!(
            "{{apiVersion: batch/v1, kind: Job, metadata: {{name: pi}}, spec: {{{ttl}}}, status: {{conditions: [{{type: Complete, status: 'True', lastTransitionTime: '2026-09-01T09:00:00Z'}}]}}}}"
        )
    };
    let audit = || rule("p", "background: true", "Job", "validate: {pattern: {kind: Job}}");
    let check = |old: &str, new: &str, want: usize| {
        Setting::of([audit()]).review(
            "/validate",
            Request::update(JOB, &job(old), &job(new)),
            |verdict, _| {
                assert_eq!(verdict.warnings.len(), want, "{:?}", verdict.warnings);
            },
        );
    };
    check("a: 1", "ttlSecondsAfterFinished: 900", 1);
    check("a: 1", "ttlSecondsAfterFinished: 7200", 0);
    check("ttlSecondsAfterFinished: 900", "ttlSecondsAfterFinished: 900", 0);
    let ttl = rule(
        "ttl",
        "background: false",
        "Job",
        "mutate: {patchStrategicMerge: {spec: {+(ttlSecondsAfterFinished): 900}}}",
    );
    Setting::of([ttl]).review("/mutate", Request::update(JOB, &job("a: 1"), &job("a: 2")), |verdict, _| {
        assert_eq!(
            verdict.warnings,
            ["the Job finished at 2026-09-01T09:00:00Z, and its time to live of 900 s ran out at 2026-09-01T09:15:00Z: it and its Pods are deleted at once"]
        );
    });
}

#[test]
fn match_conditions_are_for_an_api_server_to_check() {
    let own = policy(
        "{kind: ClusterPolicy, metadata: {name: p}, spec: {validationFailureAction: Enforce, webhookConfiguration: {matchConditions: [{name: n, expression: 'true'}]}, rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, validate: {deny: {}}}]}}",
    );
    let pod = Request::create(POD, "{apiVersion: v1, kind: Pod, metadata: {name: w}}");
    let mut setting = Setting::of([own]);
    setting.review("/validate/fail/finegrained/p", pod, |verdict, _| assert!(!verdict.allowed));
    setting.review("/validate", pod, |verdict, _| {
        assert_eq!((verdict.allowed, verdict.count(Obstacle::NotExecuted)), (true, 1));
        assert_eq!(verdict.warnings, [""; 0]);
    });
    setting.options.warn_of_not_executed = true;
    setting.review("/validate", pod, |verdict, _| {
        assert_eq!(verdict.warnings, ["policy p.r: not executed yet: webhookConfiguration.matchConditions"]);
    });
}

#[test]
fn whoever_makes_a_request_is_told_of_rules_about_it_that_are_not_executed_where_that_is_wanted() {
    let cel = rule("cel", ENFORCE, "Job", "validate: {cel: {expressions: [{expression: 'false'}]}}");
    let targets =
        "mutate: {targets: [{apiVersion: v1, kind: Pod, name: w}], patchStrategicMerge: {spec: {a: 1}}}";
    let mut setting = Setting::of([cel, rule("existing", "background: false", "Job", targets)]);
    for (warns, path, told) in [
        (true, "/validate", &["policy cel.r: not executed yet: validate.cel"][..]),
        (true, "/mutate", &["policy existing.r: not executed yet: mutate.targets"]),
        (false, "/validate", &[]),
        (false, "/mutate", &[]),
    ] {
        setting.options.warn_of_not_executed = warns;
        setting.review(path, Request::create(JOB, PI), |verdict, _| {
            assert!(verdict.allowed);
            assert_eq!(verdict.warnings, told);
        });
    }
}

#[test]
fn a_request_that_cannot_be_read_is_answered_by_the_failure_policy_of_its_webhook() {
    let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
    let policies = ["Fail", "Ignore"].map(|failing| {
        rule(failing, &format!("{ENFORCE}, failurePolicy: {failing}"), "Job", "validate: {deny: {}}")
    });
    let setting = Setting::of(policies);
    let job = format!(r#"{{"kind":"Job","metadata":{{"name":"pi"}},"spec":{deep}}}"#);
    for (path, allowed) in [("/validate/fail", false), ("/validate/ignore", true)] {
        let verdict = setting.verdict(path, Request::create(JOB, &job));
        let text = verdict.0.unwrap_or_default();
        assert_eq!(verdict.1, allowed);
        assert!(text.contains("nested deeper than 256 levels"), "{text}");
    }
}

#[test]
fn a_subresource_is_matched_where_it_is_named_and_by_the_kind_of_its_parent() {
    let deny = "validate: {message: stop, deny: {}}";
    let setting = Setting::of([
        rule("scale", ENFORCE, "Deployment/scale", deny),
        rule("whole", ENFORCE, "Deployment", deny),
        rule("any", ENFORCE, "'*/*'", deny),
    ]);
    let asked = |more: &str| {
        let scale = "{apiVersion: autoscaling/v1, kind: Scale, metadata: {name: web}, spec: {replicas: 1}}";
        let request = Request { more, ..Request::update(["autoscaling", "v1", "Scale"], scale, scale) };
        setting.review("/validate", request, |verdict, _| {
            verdict.outcomes().map(|(policy, _)| policy.name().to_owned()).collect::<Vec<_>>()
        })
    };
    let of = |resource: &str| {
        format!(
            r#","subResource":"scale","resource":{{"group":"apps","version":"v1","resource":"{resource}"}}"#
        )
    };
    assert_eq!(asked(&of("deployments")), ["any", "scale"]);
    // Nobody knows the kind: no rule that names one is about it.
    assert_eq!(asked(&of("gadgets")), ["any"]);
}

#[test]
fn a_connection_without_an_object_is_judged_by_conditions_alone() {
    let setting = Setting::of([
        rule("deny", ENFORCE, "Pod/exec", "validate: {message: stop, deny: {}}"),
        rule("pattern", ENFORCE, "Pod/exec", "validate: {pattern: {spec: {a: 1}}}"),
        rule("mutate", ENFORCE, "Pod/exec", "mutate: {patchStrategicMerge: {spec: {a: 1}}}"),
    ]);
    let more = r#","subResource":"exec","resource":{"group":"","version":"v1","resource":"pods"}"#;
    let request = Request { operation: "CONNECT", more, ..Request::create(["", "v1", "PodExecOptions"], "") };
    setting.review("/validate", request, |verdict, _| {
        let outcomes: Vec<_> = verdict.outcomes().map(|(policy, _)| policy.name()).collect();
        assert_eq!((verdict.allowed, outcomes), (false, vec!["deny"]));
    });
    setting.review("/mutate", request, |verdict, _| {
        assert_eq!((verdict.allowed, verdict.patch.len()), (true, 0))
    });
}

#[test]
fn of_policies_that_are_written_alike_one_is_evaluated_where_it_passes_and_each_where_it_does_not() {
    let pattern = "validate: {message: stop, pattern: {metadata: {labels: {team: '?*'}}}}";
    let other = "validate: {message: stop, pattern: {metadata: {labels: {team: '*'}}}}";
    let setting = Setting::of([
        rule("a", ENFORCE, "Pod", pattern),
        rule("b", ENFORCE, "Pod", other),
        rule("c", ENFORCE, "Pod", pattern),
        rule("d", ENFORCE, "Pod", pattern),
    ]);
    let pod =
        |labels: &str| format!("{{apiVersion: v1, kind: Pod, metadata: {{name: n, labels: {labels}}}}}");
    setting.review("/validate", Request::create(POD, &pod("{team: a}")), |verdict, _| {
        let asked: Vec<_> =
            verdict.policies.iter().map(|judged| (judged.policy.name(), &*judged.alike)).collect();
        assert_eq!((verdict.allowed, asked), (true, vec![("a", &[2, 3][..]), ("b", &[])]));
        assert_eq!(verdict.policies_asked(), 4);
    });
    setting.review("/validate", Request::create(POD, &pod("{}")), |verdict, _| {
        assert_eq!((verdict.policies.len(), verdict.refused_by()), (4, vec![0, 1, 2, 3]));
    });
}

#[test]
fn what_policies_make_of_a_request_is_limited_for_all_of_them_together() {
    // No two are alike, of which one would speak for all.
    let doubling = |index| {
        let v = "join('', [request.object.spec.a, request.object.spec.a])";
        let condition = format!("{{key: '{{{{ length(v) }}}}', operator: Equals, value: {index}}}");
        format!(
            "context: [{{name: v, variable: {{jmesPath: \"{v}\"}}}}], validate: {{deny: {{conditions: {{any: [{condition}]}}}}}}"
        )
    };
    let policies = (0..10).map(|index| rule(&format!("p{index}"), ENFORCE, "Pod", &doubling(index)));
    let mut setting = Setting::of(policies);
    setting.options.limits.bytes = 20_000;
    let pod =
        format!("{{apiVersion: v1, kind: Pod, metadata: {{name: w}}, spec: {{a: {}}}}}", "x".repeat(2_000));
    setting.review("/validate", Request::create(POD, &pod), |verdict, _| {
        let out = verdict.count(Obstacle::Exhausted(Exhausted::Bytes));
        assert!((1..=9).contains(&out), "{out} of 10");
        assert!(!verdict.allowed);
    });
}
