//! What is loaded, and warned of.

use super::*;

#[track_caller]
fn check(policy: &str, want: &[&str]) {
    let found = findings(policy, None);
    assert_eq!(found.refusal(), None, "{policy}");
    assert_eq!(lines(found), want, "{policy}");
}

#[track_caller]
fn check_rule(lines: &str, want: &[&str]) {
    check(&rule(lines), want);
}

#[test]
fn a_good_policy_gives_no_word() {
    check_rule(
        "context: [{name: cm, configMap: {name: a, namespace: b}}]\n\
         preconditions: {all: [{key: '{{ request.operation }}', operator: AnyIn, value: [CREATE, UPDATE]}]}\n\
         validate:\n  message: 'not {{ cm.data.x }} \\{{ but text }}'\n  \
         pattern: {spec: {=(containers): [{'(name)': '*', X(tty): 'null', ^(ports): [{port: 1}]}], <(a): b}}",
        &[],
    );
    check_rule(
        "mutate: {patchStrategicMerge: {metadata: {labels: {(a): '!b', +(c): d}}, spec: {containers: [{(name): '*', \
         image: x}]}}}",
        &[],
    );
}

#[test]
fn expressions_that_cannot_work_are_named() {
    check_rule(
        "validate: {message: '{{ to_uper(request.name) }} {{ split(request.name) }}', pattern: {}}",
        &[
            "warning /spec/rules/0/validate/message: unknown function `to_uper` (did you mean `to_upper`?)",
            "warning /spec/rules/0/validate/message: wrong number of arguments for function `split`: 1 (it is called \
             as `split(string, string) array`)",
        ],
    );
    check_rule(
        "validate: {foreach: [{list: 'request..object', deny: {}}, {list: '{{ request.object.spec }}', deny: {}}]}",
        &[
            "warning /spec/rules/0/validate/foreach/0/list: the list is no JMESPath: SyntaxError: Expected identifier, \
             lbracket, or lbrace (it breaks off at character 9, between `request.` and `.object`)",
            "warning /spec/rules/0/validate/foreach/1/list: the list is an expression itself: variables in it are not \
             replaced (leave out the braces)",
        ],
    );
}

#[test]
fn facts_that_are_never_told_are_named() {
    const PATTERN: &str = "validate: {message: m, pattern: {metadata: {name: '?*'}}}";
    let call = |fields: &str| format!("{PATTERN}\ncontext: [{{name: x, apiCall: {{{fields}}}}}]");
    let place = "warning /spec/rules/0/context/0/apiCall/urlPath: the call is not made: ";
    for (fields, want) in [
        ("urlPath: /version", "the path is not below `/api` or `/apis`"),
        ("urlPath: /api/v1/../v1", "the path has a dot segment"),
        (
            "urlPath: /api/v1/pods, method: POST",
            "nothing but reviews of access and of tokens is created by a call",
        ),
    ] {
        check_rule(&call(fields), &[&format!("{place}{want}")]);
    }
    check_rule(&call("urlPath: '/api/v1/{{ request.namespace }}/../x'"), &[]);
    check_rule(&call("urlPath: /apis/authorization.k8s.io/v1/subjectaccessreviews, method: POST"), &[]);

    let context = "context: [{name: x, configMap: {name: a, namespace: other}}, {name: w, apiCall: {urlPath: /api/v1/pods}}, \
                   {name: z, configMap: {name: a, namespace: team}}]";
    let rules = rule(&format!("{PATTERN}\n{context}"));
    let own = rules
        .replace("kind: ClusterPolicy", "kind: Policy")
        .replace("  name: p\n", "  name: p\n  namespace: team\n");
    let limited =
        "a policy of a namespace sees that namespace alone, which is `team`: the rule will be in error";
    check(
        &own,
        &[
            &format!("warning /spec/rules/0/context/0/configMap/namespace: {limited}"),
            &format!("warning /spec/rules/0/context/1/apiCall/urlPath: the call is not made: {limited}"),
        ],
    );
}

#[test]
fn braces_without_their_match_are_named() {
    check_rule(
        "validate: {message: 'a {{ request.name }', pattern: {a: '{{ {a: {b: request}} }}'}}",
        &[
            "warning /spec/rules/0/validate/message: `{{` without `}}`: it is no variable, but stays as text (close it \
             with `}}`, or write `\\{{` for the text itself)",
            "warning /spec/rules/0/validate/pattern/a: braces inside `{{ }}` are nested too deep: it is no variable, \
             but stays as text (one level of single braces may stand in a variable)",
        ],
    );
}

#[test]
fn what_nobody_looks_at_is_named() {
    check_rule(
        "preconditions: {al: [], any: [{key: a, operator: Equals, value: 1, mesage: m}]}\nvalidate: {pattern: {'?(a)': 1}}",
        &[
            "warning /spec/rules/0/preconditions/al: unknown field `al`: the conditions below it are not looked at (did \
             you mean `all`?)",
            "warning /spec/rules/0/preconditions/any/0/mesage: unknown field `mesage`: it is not looked at (did you \
             mean `message`?)",
            "warning /spec/rules/0/validate/pattern/?(a): `?(a)` is no anchor: it is taken for a key of that name \
             (anchors are `(key)`, `=(key)`, `X(key)`, `^(key)`, `<(key)` and, in mutations, `+(key)`)",
        ],
    );
}

#[test]
fn loops_in_loops_have_fields_too() {
    check_rule(
        "mutate: {foreach: [{list: a, foreach: [{list: b, patchesJson6902: '[]', ordr: Ascending}]}]}",
        &[
            "warning /spec/rules/0/mutate/foreach/0/foreach/0/ordr: unknown field `ordr` (did you mean `order`?)",
        ],
    );
}

#[test]
fn what_is_deprecated_is_named() {
    let replaced = |lines: &str| {
        rule(lines).replace("background: false", "background: false\n  validationFailureAction: enforce")
    };
    check(
        &replaced("validate: {deny: {conditions: {any: [{key: a, operator: In, value: [b]}]}}}"),
        &[
            "warning /spec/validationFailureAction: Validation failure actions enforce/audit are deprecated, use \
             Enforce/Audit instead.",
            "warning /spec/rules/0/validate/deny/conditions/any/0/operator: Operator In has been deprecated and will be \
             removed soon. Use these instead: [\"AllIn\" \"AnyIn\"]",
        ],
    );
}

#[test]
fn what_the_reference_reads_otherwise_than_it_looks_is_named() {
    const PATTERN: &str = "validate: {pattern: {metadata: {name: '?*'}}";
    check(
        &rule(&format!("{PATTERN}}}")).replace("name: r\n", "name: autogen-r\n"),
        &[
            "warning /spec/rules/0/name: the name is that of a generated rule: beside rules that are generated, this one \
           is left out (let it begin otherwise than `autogen-`)",
        ],
    );
    let overrides = |action: &str| {
        let selector = "namespaceSelector: {matchLabels: {env: 'pro*'}}";
        rule(&format!("{PATTERN}, failureActionOverrides: [{{action: {action}, {selector}}}]}}"))
    };
    check(&overrides("Audit"), &[]);
    check(
        &overrides("Enforce"),
        &[
            "warning /spec/rules/0/validate/failureActionOverrides/0/namespaceSelector/matchLabels: wildcards in the labels \
           of an override find no namespace: nothing is enforced by them (name the labels, or list `namespaces`, where \
           wildcards work)",
        ],
    );
}

#[test]
fn context_entries_see_those_before_them() {
    check_rule(
        "context: [{name: a, variable: {value: '{{ b }}'}}, {name: b, variable: {value: '{{ b }} {{ a }}'}}]\n\
         validate: {pattern: {}}",
        &[
            "warning /spec/rules/0/context/0/variable/value: `b` is used before it is declared: an entry sees only those \
             before it",
            "warning /spec/rules/0/context/1/variable/value: `b` is used in its own declaration: an entry sees only those \
             before it",
        ],
    );
}

#[test]
fn autogen_is_named_where_it_leaves_controllers_out() {
    let policy = rule("validate: {pattern: {}}").replace(
        "name: p",
        "name: p\n  annotations: {pod-policies.kyverno.io/autogen-controllers: 'Deployment, Job,Cronjob'}",
    );
    let found = lines(findings(&policy, None));
    let place = "warning /metadata/annotations/pod-policies.kyverno.io~1autogen-controllers:";
    assert_eq!(
        found[0],
        format!(
            "{place} ` Job` is no controller that rules are generated for (write the list without blanks)"
        )
    );
    assert_eq!(
        found[1],
        format!("{place} `Cronjob` is no controller that rules are generated for (did you mean `CronJob`?)")
    );
    assert!(
        found[2].starts_with("warning /spec/rules/0/match: Policies that match Pods apply to all Pods"),
        "{found:?}"
    );
}

#[test]
fn a_mutation_record_that_there_is_not_is_named() {
    let lines_with = |mode: &str| {
        let annotations = format!("name: p\n  annotations: {{portcullis.dev/mutation-record: {mode}}}");
        lines(findings(
            &rule("mutate: {patchStrategicMerge: {spec: {a: 1}}}").replace("name: p", &annotations),
            None,
        ))
    };
    assert_eq!(
        lines_with("none"),
        [
            "warning /metadata/annotations/portcullis.dev~1mutation-record: \"none\" is no place for the mutation record \
          (`annotation`, `audit` and `off` are)"
        ]
    );
    assert_eq!(lines_with("audit"), [""; 0]);
}

#[test]
fn anchors_without_meaning_in_mutations_are_named() {
    check_rule(
        "mutate: {patchStrategicMerge: {spec: {=(a): 1, X(b): 'null', ^(c): []}}}",
        &[
            "warning /spec/rules/0/mutate/patchStrategicMerge/spec/=(a): the anchor `=(a)` means nothing in a mutation: \
             it is written as a key (conditions are `(key)` and `<(key)`, an addition is `+(key)`)",
            "warning /spec/rules/0/mutate/patchStrategicMerge/spec/X(b): the anchor `X(b)` means nothing in a mutation: \
             it is written as a key (ask for the absence of a key in `preconditions`)",
            "warning /spec/rules/0/mutate/patchStrategicMerge/spec/^(c): the anchor `^(c)` means nothing in a mutation: \
             it is written as a key (conditions are `(key)` and `<(key)`, an addition is `+(key)`)",
        ],
    );
}

#[test]
fn patterns_that_get_into_the_object_are_named() {
    check_rule(
        "mutate: {patchStrategicMerge: {metadata: {(labels): {a: '!b', c: d, (e): '*'}}, spec: {(containers): [{image: \
         '*mongo*'}]}}}",
        &[
            "warning /spec/rules/0/mutate/patchStrategicMerge/metadata/(labels)/a: once `(labels)` holds, the pattern of \
             `a` is written into the object (anchor what is compared inside, too: `(a)`)",
            "warning /spec/rules/0/mutate/patchStrategicMerge/spec/(containers): once `(containers)` holds, the list of \
             the object is replaced by what is left of this one (anchor what is compared inside, too: `(key)`)",
        ],
    );
}

#[test]
fn lists_that_do_not_merge_as_written_are_named() {
    let place = "warning /spec/rules/0/mutate/patchStrategicMerge/spec";
    // An element without its key names no element.
    check_rule(
        "mutate: {patchStrategicMerge: {spec: {containers: [{image: a}], hostAliases: [{ip: b}]}}}",
        &[&format!(
            "{place}/containers/0: the element has no `name`: it says of no element of the list that it is meant (write \
             its `name`, or `(name): \"*\"` to change every element)"
        )],
    );
    // Elements of Services' ports have a name that is not their key.
    check_rule(
        "match: {any: [{resources: {kinds: [Service]}}]}\n\
         mutate: {patchStrategicMerge: {spec: {ports: [{(name): 'a*', port: 1}]}}}",
        &[&format!(
            "{place}/ports: elements are chosen by anchors where they have a `name` alone: here nothing is changed (use \
             `foreach` with `patchesJson6902`)"
        )],
    );
    // Nothing is known of the lists of custom resources.
    check_rule(
        "match: {any: [{resources: {kinds: [example.org/v1/Box]}}]}\n\
         mutate: {patchStrategicMerge: {spec: {items: [{(name): 'a*', size: 1}]}}}",
        &[&format!(
            "{place}/items: lists of this kind do not merge: the list of the object is replaced by what the anchors \
             choose (use `foreach` with `patchesJson6902`)"
        )],
    );
}

#[test]
fn rules_that_have_nothing_to_look_at_are_named() {
    check(&policy("  rules: []"), &["warning /spec: the policy has no rules: it does nothing"]);
    check_rule(
        "match: {any: [{resources: {kinds: [apps/v1/Deployment, ConfigMap]}}]}\nvalidate: {podSecurity: {level: baseline}}",
        &[
            "warning /spec/rules/0/match/any/0/resources/kinds/1: `ConfigMap` has no pod specification: the rule ends in an \
           error for it",
        ],
    );
    check_rule(
        "generate: {apiVersion: v1, kind: Secret, name: a}",
        &["warning /spec/rules/0/generate: it is not said what is generated (write `data` or `clone`)"],
    );
}

#[test]
fn pod_security_that_does_not_do_what_it_says_is_warned_of() {
    let exclusions = |exclusions: &str| {
        format!(
            "match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}\nvalidate: {{podSecurity: {{level: privileged, exclude: [{exclusions}]}}}}"
        )
    };
    const PRIVILEGED: &str = "warning /spec/rules/0/validate/podSecurity/level: `privileged` is checked like `restricted` \
        (to allow everything, write no rule)";
    let field = |index: usize, control: &str, field: &str, hint: &str| {
        format!(
            "warning /spec/rules/0/validate/podSecurity/exclude/{index}/restrictedField: excludes nothing: `{control}` never finds a fault \
             with `{field}`{hint}"
        )
    };
    check_rule(
        &exclusions(
            "{controlName: Host Ports, images: ['*'], restrictedField: 'spec.containers[0].ports[*].hostPort', values: ['80']}, \
             {controlName: Seccomp, images: [a], restrictedField: spec.securityContext.seccompProfile.type, values: [a]}, \
             {controlName: Volume Types, restrictedField: 'spec.volumes[*].nfs', values: [a]}, \
             {controlName: AppArmor, restrictedField: 'metadata.annotations[a]', values: [a]}, \
             {controlName: Host Namespaces, restrictedField: 'spec.hostUsers', values: [a]}",
        ),
        &[
            PRIVILEGED,
            &field(
                0,
                "Host Ports",
                "spec.containers[0].ports[*].hostPort",
                " (did you mean `spec.containers[*].ports[*].hostPort`?)",
            ),
            &field(
                1,
                "Seccomp",
                "spec.securityContext.seccompProfile.type",
                " (it looks at `spec.containers[*].securityContext.seccompProfile.type`, \
             `spec.initContainers[*].securityContext.seccompProfile.type`, \
             `spec.ephemeralContainers[*].securityContext.seccompProfile.type`)",
            ),
            &field(
                4,
                "Host Namespaces",
                "spec.hostUsers",
                " (it looks at `spec.hostNetwork`, `spec.hostPID`, `spec.hostIPC`)",
            ),
        ],
    );
}
