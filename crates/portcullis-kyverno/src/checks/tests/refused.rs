//! What is refused, in the reference's words.

use super::*;

#[track_caller]
fn check(policy: &str, want: &str) {
    assert_eq!(findings(policy, None).refusal().as_deref(), Some(want), "{policy}");
}

#[track_caller]
fn check_rule(lines: &str, want: &str) {
    check(&rule(lines), want);
}

#[track_caller]
fn check_lines(policy: &str, want: &[&str]) {
    assert_eq!(lines(findings(policy, None)), want, "{policy}");
}

const PATTERN: &str = "validate: {message: m, pattern: {metadata: {name: '?*'}}}";

#[test]
fn a_rule_does_one_thing() {
    check_rule(
        "match: {any: [{resources: {kinds: [Pod]}}]}",
        "spec.rules[0]: Invalid value: {\"name\":\"r\",\"match\":{\"any\":[{\"resources\":{\"kinds\":[\"Pod\"]}}],\
         \"resources\":{}},\"skipBackgroundRequests\":true}: No operation defined in the rule 'r'.(supported \
         operations: mutate,validate,generate,verifyImages)",
    );
    check_rule(
        "mutate: {patchStrategicMerge: {metadata: {labels: {b: '<', a: x}}}}\nvalidate: {deny: {}}",
        "spec.rules[0]: Invalid value: {\"name\":\"r\",\"match\":{\"any\":[{\"resources\":{\"kinds\":[\"Pod\"]}}],\
         \"resources\":{}},\"mutate\":{\"patchStrategicMerge\":{\"metadata\":{\"labels\":{\"a\":\"x\",\"b\":\
         \"\\u003c\"}}}},\"validate\":{\"allowExistingViolations\":true,\"deny\":{}},\
         \"skipBackgroundRequests\":true}: Multiple operations defined in the rule 'r', only one operation \
         (mutate,validate,generate,verifyImages) is allowed per rule",
    );
}

#[test]
fn field_errors_are_answered_together() {
    let spec = "  webhookTimeoutSeconds: 31\n  generateExistingOnPolicyUpdate: true\n  rules: []";
    check(
        &policy(spec),
        "[spec.generateExistingOnPolicyUpdate: Forbidden: remove the deprecated field and use \
         spec.generate[*].generateExisting instead, spec.webhookTimeoutSeconds: Invalid value: 31: the timeout \
         value must be between 1 and 30 seconds]",
    );
}

#[test]
fn every_mistake_is_found_in_one_run() {
    let policy = rule(
        "preconditions: {all: [{key: a, operator: Equal, value: b}, {key: a, operator: Equls, value: b}]}\n\
         context: [{name: request, variable: {value: 1}}, {name: x, variable: {jmesPath: 'a b'}}]\n\
         validate: {pattern: {+(spec): 1}, deny: {}}",
    );
    let operators = "[\"Equal\" \"Equals\" \"NotEqual\" \"NotEquals\" \"In\" \"AnyIn\" \"AllIn\" \"NotIn\" \
                     \"AnyNotIn\" \"AllNotIn\" \"GreaterThanOrEquals\" \"GreaterThan\" \"LessThanOrEquals\" \
                     \"LessThan\" \"DurationGreaterThanOrEquals\" \"DurationGreaterThan\" \
                     \"DurationLessThanOrEquals\" \"DurationLessThan\"]";
    check_lines(
        &policy,
        &[
            &format!(
                "error /spec/rules/0/preconditions/all/1/operator: entered value of `operator` is invalid. valid \
                 values: {operators} (did you mean `Equals`?)"
            ),
            "error /spec/rules/0/context/0/name: entry name request is invalid as it conflicts with a pre-defined \
             variable request",
            "error /spec/rules/0/context/1/variable/jmesPath: failed to parse JMESPath a b: SyntaxError: Unexpected \
             token at the end of the expression: tUnquotedIdentifier (it breaks off at character 3, between `a ` \
             and `b`)",
            "error /spec/rules/0/validate: only one of pattern, anyPattern, deny, foreach, cel can be specified \
             (here are `pattern` and `deny`: write a rule for each)",
            "error /spec/rules/0/validate/pattern/+(spec): unsupported anchor +(spec) (a validation adds nothing: \
             `=(key)` checks a key if it is there)",
        ],
    );
}

#[test]
fn what_the_schema_finds_comes_first() {
    check_lines(
        &rule(
            "validate: {patern: {}, failureAction: Deny}\nmatch: {any: [], all: [], resources: {kinds: [Pod], name: a, names: [b]}}",
        ),
        &[
            "error /spec/rules/0/match/resources: `name` and `names` cannot stand together",
            "error /spec/rules/0/match: `any` and `all` cannot stand together",
            "error /spec/rules/0/validate/failureAction: unsupported value `Deny`: supported values: \"Audit\", \"Enforce\"",
            "error /spec/rules/0/validate/patern: unknown field `patern` (did you mean `pattern`?)",
            "error /spec/rules/0/validate: one of pattern, anyPattern, deny, foreach, cel must be specified \
             (`podSecurity` and `manifests` are kinds, too)",
        ],
    );
    check_lines(
        &rule(&format!("{PATTERN}\ncontext: [{{name: x}}, {{name: z, variable: {{}}, apiCall: {{}}}}]"))
            .replace("name: r", &format!("name: {}", "r".repeat(64))),
        &[
            "error /spec/rules/0/context/0: it is not said where the value comes from (write one of `configMap`, \
             `apiCall`, `imageRegistry`, `variable`, `globalReference`)",
            "error /spec/rules/0/context/1: `apiCall` and `variable` cannot stand together (write one of `configMap`, \
             `apiCall`, `imageRegistry`, `variable`, `globalReference`)",
            "error /spec/rules/0/name: longer than 63 characters",
        ],
    );
}

#[test]
fn the_frame_of_a_policy_is_looked_at() {
    check_lines(
        "apiVersion: kyverno.io/v3\nkind: ClusterPolcy\nmetadata: {name: A}\nspecs: {}",
        &[
            "error /apiVersion: unsupported version `kyverno.io/v3` of a policy (write `kyverno.io/v1` or \
             `kyverno.io/v2beta1`)",
            "error /kind: `ClusterPolcy` is no kind of a policy (did you mean `ClusterPolicy`?)",
            "error /metadata/name: `A` is no name of an object (write lower case letters, digits, `-` and `.`, with \
             a letter or digit at both ends)",
            "error /specs: unknown field `specs` (did you mean `spec`?)",
            "error : required field `spec` is missing",
        ],
    );
}

#[test]
fn a_name_that_is_no_text_is_not_taken_for_a_missing_one() {
    check_lines(
        &rule(PATTERN).replacen("name: ", "name: on #", 1),
        &["error /metadata/name: expected a string, found the boolean `true` (put it in quotes)"],
    );
}

#[test]
fn what_is_no_condition_is_no_policy() {
    check_rule(&format!("{PATTERN}\npreconditions: yes please"), "failed to unmarshal Conditions");
    check_rule(
        "validate: {deny: {conditions: {any: [{key: a, operator: 1}]}}}",
        "failed to unmarshal Conditions",
    );
    for lines in [
        "validate: {foreach: [{list: a, deny: {}}, {list: b, deny: {conditions: yes please}}]}",
        "validate: {foreach: [{list: a, foreach: [{list: b, deny: {conditions: [1]}}]}]}",
        "mutate: {targets: [{apiVersion: v1, kind: Secret, name: s, preconditions: yes please}], \
         patchStrategicMerge: {a: b}}",
        "verifyImages: [{imageReferences: ['*'], mutateDigest: false, validate: {deny: {conditions: {all: x}}}}]",
    ] {
        check_rule(lines, "failed to unmarshal Conditions");
    }
    // The preconditions of a loop have a schema.
    check_lines(
        &rule("validate: {foreach: [{list: a, preconditions: yes please, deny: {}}]}"),
        &[
            "error /spec/rules/0/validate/foreach/0/preconditions: expected a map, found the string `yes please`",
        ],
    );
}

#[test]
fn no_item_of_a_list_is_null() {
    check_lines(
        &rule(&format!(
            "match: {{any: [{{resources: {{kinds: [null, Pod], annotations: {{a: null}}}}}}]}}\n{PATTERN}"
        )),
        &[
            "error /spec/rules/0/match/any/0/resources/kinds/0: expected a string, found null (remove the empty \
             item, or write what belongs there)",
        ],
    );
    for policy in [policy("  rules: [null]"), rule(&format!("{PATTERN}\nmatch: {{any: [null]}}"))] {
        assert!(findings(&policy, None).is_against_schema(), "{policy}");
    }
    // Where a field may hold anything, its lists may, too.
    check_lines(&rule("validate: {message: m, anyPattern: [{spec: {containers: [null]}}], deny: null}"), &[]);
}

#[test]
fn an_image_that_is_looked_up_has_a_reference() {
    let context =
        |image: &str| format!("{PATTERN}\ncontext: [{{name: a, imageRegistry: {{reference: '{image}'}}}}]");
    let frame = "path: spec.rules[0]: ";
    check_rule(&context(""), &format!("{frame}a ref is required for imageRegistry context entry"));
    check_rule(&context("A B:::"), &format!("{frame}bad image: A B:::: invalid reference format"));
    check_rule(&context("NGINX"), &format!("{frame}bad image: NGINX: repository name must be lowercase"));
    for image in ["nginx", "Foo/x", "ghcr.io/a/b:v1", "{{ request.object.a }} B"] {
        check_lines(&rule(&context(image)), &[]);
    }
}

#[test]
fn background_scans_know_no_user() {
    let frame = "only select variables are allowed in background mode. Set spec.background=false to disable \
                 background mode for this policy rule: ";
    let in_background = |lines: &str| rule(lines).replace("background: false", "background: true");
    check(
        &in_background(&format!(
            "{PATTERN}\nmatch: {{all: [{{resources: {{kinds: [Pod]}}, roles: ['a:b']}}]}}"
        )),
        &format!("{frame}invalid variable used at path: spec/rules[0]/match/all[0]/roles "),
    );
    check(
        &in_background("validate: {message: '{{ request.userInfo.username == \"x\" }}', pattern: {}}"),
        &format!("{frame}variable {{{{ request.userInfo.username == \\\"x\\\" }}}} is not allowed "),
    );
    // A rule that changes what is there already has its user from the request that set it off.
    let targets = "mutate: {targets: [{apiVersion: v1, kind: Secret, name: s}], patchStrategicMerge: {metadata: \
                   {labels: {u: '{{ request.userInfo.username }}'}}}}";
    check_lines(&in_background(targets), &[]);
}

#[test]
fn variables_start_from_what_is_there() {
    let frame = "policy contains invalid variables: variable substitution failed for rule r: ";
    let known = "regex \"request|serviceAccountName|serviceAccountNamespace|element|elementIndex|@|images|image|\
                 ([a-z_0-9]+\\()[^{}]\" or patterns";
    check_rule(
        "validate: {message: '{{ reqest.object }}', pattern: {}}",
        &format!("{frame}variable reqest.object must match {known} []"),
    );
    check_rule(
        "context: [{name: cm, configMap: {name: a, namespace: b}}, {name: v, variable: {value: 1}}]\n\
         validate: {message: '{{ cm.data.\"{{ cn.\"x\" }}\" }} {{ v.w }}', pattern: {}}",
        &format!("{frame}variable cn.x must match {known} [cm.data cm.metadata cm.data.* cm.metadata.* v*]"),
    );
    check_lines(
        &rule("validate: {message: '{{ reqest.object }} {{ target.a }} {{ zebra }}', pattern: {}}"),
        &[
            &format!(
                "error /spec/rules/0/validate/message: variable reqest.object must match {known} [] (did you mean `request`?)"
            ),
            &format!(
                "error /spec/rules/0/validate/message: variable target.a must match {known} [] (`target` is there \
                 in rules with `mutate.targets` alone, once the target is found)"
            ),
            &format!(
                "error /spec/rules/0/validate/message: variable zebra must match {known} [] (known here are \
                 `request`, `element`, `elementIndex`, `images`: other names come from `context`)"
            ),
        ],
    );
}

#[test]
fn variables_are_jmespath() {
    check_rule(
        "validate: {message: m, pattern: {spec: {'a/{{ a..b }}': 1}}}",
        "policy contains invalid variables: variable substitution failed for rule r: failed to resolve a..b at path \
         /validate/pattern/spec/a\\/{{ a..b }}: invalid JMESPath query a..b: SyntaxError: Expected identifier, \
         lbracket, or lbrace",
    );
    check_lines(
        &rule("validate: {message: '{{ request.object. }}', pattern: {}}"),
        &[
            "error /spec/rules/0/validate/message: invalid JMESPath query request.object.: SyntaxError: Expected \
           identifier, lbracket, or lbrace (the expression ends too early)",
        ],
    );
}

#[test]
fn no_variable_stands_where_objects_are_chosen() {
    let frame = "policy contains invalid variables: rule \"r\" should not have variables in";
    check_rule(
        &format!("{PATTERN}\nmatch: {{any: [{{resources: {{kinds: [Pod], names: ['{{{{ x }}}}']}}}}]}}"),
        &format!("{frame} match section"),
    );
    check_rule(
        "mutate: {patchesJson6902: \"[{op: remove, path: '/metadata/labels/{{ request.name }}'}]\"}",
        &format!("{frame} patchesJSON6902 path section"),
    );
}

#[test]
fn a_reference_leads_somewhere() {
    check_rule(
        "validate: {message: m, pattern: {a: 1, b: '$(/c)'}}",
        "policy contains invalid variables: variable substitution failed for rule r: got nil resolved variable $(/c) \
         at path /validate/pattern/b: <nil>",
    );
}

#[test]
fn blocks_choose_objects() {
    check_rule(
        &format!("{PATTERN}\nmatch: {{any: [{{resources: {{kinds: [Pod]}}}}], resources: {{kinds: [Pod]}}}}"),
        "path: spec.rules[0].match.: can't specify any/all together with match resources",
    );
    check_rule(
        &format!("{PATTERN}\nmatch: {{}}"),
        "path: spec.rules[0].match.resources.: match resources not specified",
    );
    check_rule(
        &format!("{PATTERN}\nmatch: {{any: [{{resources: {{kinds: [Pod], selector: {{}}}}}}]}}"),
        "spec.rules[0].match.any[0].selector: Invalid value: {}: The requirements are not specified in selector",
    );
    check_rule(
        &format!(
            "{PATTERN}\nmatch: {{any: [{{resources: {{kinds: [Pod]}}, subjects: [{{kind: ServiceAccount, name: a}}]}}]}}"
        ),
        "spec.rules[0].match.any[0].subjects[0].namespace: Required value: namespace is required when Kind is \
         ServiceAccount",
    );
    check_rule(
        &format!("{PATTERN}\nmatch: {{any: [{{resources: {{kinds: [Pod]}}, roles: [a]}}]}}"),
        "spec.rules[0].match.any[0].roles[0]: Invalid value: \"a\": Role is expected to be in namespace:name format",
    );
    check_rule(
        "validate: {deny: {}}\nmatch: {any: [{resources: {namespaces: [a]}}]}",
        "at least one element must be specified in a kind block, the kind attribute is mandatory when working with \
         the resources element",
    );
}

#[test]
fn exclude_leaves_something_over() {
    let empty = |matched: &str, excluded: &str| {
        let policy = rule(&format!("{PATTERN}\nmatch: {matched}\nexclude: {excluded}"));
        findings(&policy, None).refusal().is_some_and(|text| text.ends_with("Rule is matching an empty set"))
    };
    assert!(empty("{any: [{resources: {kinds: [Pod]}}]}", "{any: [{resources: {kinds: [Pod], name: ''}}]}"));
    assert!(!empty("{any: [{resources: {kinds: [Pod]}}]}", "{any: [{resources: {kinds: [Job]}}]}"));
    assert!(!empty("{all: [{resources: {kinds: [Pod]}}]}", "{all: [{resources: {kinds: [Pod]}}]}"));
    assert!(empty("{resources: {kinds: [Pod]}}", "{resources: {kinds: [Pod, Job]}}"));
    assert!(!empty("{resources: {kinds: [Pod, Job]}}", "{resources: {kinds: [Pod]}}"));
    assert!(empty(
        "{resources: {kinds: [Pod], names: [a1, b]}}",
        "{resources: {kinds: [Job], names: ['a*']}}"
    ));
    assert!(!empty("{resources: {kinds: [Pod]}}", "{any: [{resources: {kinds: [Pod]}}]}"));
}

#[test]
fn a_rule_for_every_kind_looks_at_metadata_alone() {
    let path = "path: spec.rules[0].match.any[0].kinds: ";
    let every = "match: {any: [{resources: {kinds: ['*']}}]}\n";
    check_rule(
        &format!("{every}validate: {{message: m, pattern: {{spec: {{}}}}}}"),
        &format!(
            "{path}policy can only deal with the metadata field of the resource if the rule does not match any kind"
        ),
    );
    check_rule(
        &format!("{every}validate: {{foreach: [{{list: a, deny: {{}}}}]}}"),
        &format!("{path}wildcard policy does not support rule type"),
    );
    check_lines(&rule(&format!("{every}{PATTERN}")), &[]);
    check(
        &rule(&format!("{every}{PATTERN}")).replace("background: false", "background: true"),
        &format!(
            "{path}wildcard policy not allowed in background mode. Set spec.background=false to disable background mode for this policy rule "
        ),
    );
}

#[test]
fn conditions_are_complete() {
    check_rule(
        "validate: {deny: {conditions: [{key: a, operator: Equals}]}}",
        "path: spec.rules[0].validate.deny.conditions[0].: entered value of `key`, `value` or `operator` is missing \
         or misspelled",
    );
    check_lines(
        &rule("validate: {deny: {conditions: {all: [{key: a, opertor: Equals, value: 1}]}}}"),
        &[
            "error /spec/rules/0/validate/deny/conditions/all/0: entered value of `key`, `value` or `operator` is \
             missing or misspelled (`operator` is missing: did you write `opertor` for it?)",
            "warning /spec/rules/0/validate/deny/conditions/all/0/opertor: unknown field `opertor`: it is not looked at \
             (did you mean `operator`?)",
        ],
    );
    check_rule(
        &format!(
            "{PATTERN}\npreconditions: {{any: [{{key: '{{{{request.operation}}}}', operator: AnyIn, value: [CREATE, Update]}}]}}"
        ),
        "path: spec.rules[0].validate.preconditions.any[0].value[1]: unknown value 'Update' found under the 'value' \
         field. Only the following values are allowed: [CREATE, UPDATE, DELETE, CONNECT]",
    );
}

#[test]
fn elements_live_in_loops() {
    check_rule(
        "validate: {message: '{{ element.name }}', foreach: [{list: a, deny: {conditions: {any: [{key: '{{ element }}', \
         operator: Equals, value: 1}]}}}]}",
        "variable 'element.name' present outside of foreach at path /validate/message",
    );
}

#[test]
fn context_entries_say_where_they_come_from() {
    let check_entry = |entry: &str, want: &str| {
        check_rule(&format!("{PATTERN}\ncontext: [{entry}]"), &format!("path: spec.rules[0]: {want}"));
    };
    check_entry("{name: cm, configMap: {name: a}}", "a namespace is required for configMap context entry");
    check_entry(
        "{name: a, apiCall: {urlPath: /a, service: {url: 'https://b'}}}",
        "a URLPath cannot be used for service API calls",
    );
    check_entry(
        "{name: v, variable: {default: 1}}",
        "a variable must define a value or a jmesPath expression",
    );
    check_entry(
        "{name: element.a, variable: {value: 1}}",
        "entry name element.a is invalid as it conflicts with a pre-defined variable element",
    );
    check_rule(
        "context: [{name: v, variable: {value: 1}}]\nvalidate: {cel: {expressions: [{expression: 'true'}]}}",
        "path: spec.rules[0]: context variables are not supported for CEL expressions in validate rules",
    );
}

#[test]
fn anchors_of_patterns_have_a_meaning() {
    check_rule(
        "validate: {anyPattern: [{spec: {containers: [{'^(ports)': {a: 1}}]}}]}",
        "path: spec.rules[0].validate.anyPattern[0].//spec/containers0//^(ports).: existence anchor should have value \
         of type list",
    );
    check_rule(
        "validate: {pattern: {metadata: {labels: {a: 1}}}}",
        "labels and annotations supports only string values, \"use double quotes around the non string values\"",
    );
}

#[test]
fn a_generated_rule_must_have_something_to_do() {
    check_rule(
        "validate: {message: m, anyPattern: []}",
        "path: spec.rules[1].validate..: one of pattern, anyPattern, deny, foreach, cel must be specified",
    );
}

#[test]
fn validations_of_other_kinds_are_complete() {
    check_rule(
        "validate: {foreach: [{deny: {}}]}",
        "path: spec.rules[0].validate..: foreach.list is required",
    );
    check_rule(
        "validate: {cel: {expressions: [{expression: 'true'}], paramKind: {apiVersion: v1, kind: ConfigMap}}}",
        "path: spec.rules[0].validate..: cel.paramRef is required",
    );
    check_rule(
        "validate: {podSecurity: {level: baseline, exclude: [{controlName: Volume Types}]}}",
        "spec.rules[0].podSecurity.exclude[0].controlName: Invalid value: \"Volume Types\": Invalid control name \
         defined at the given level",
    );
    check_rule(
        "validate: {podSecurity: {level: restricted, exclude: [{controlName: Seccomp, values: [a]}]}}",
        "spec.rules[0].podSecurity.exclude[0].restrictedField: Invalid value: \"\": restrictedField is required",
    );
}

#[test]
fn mutations_have_one_patch_that_can_be_read() {
    let frame = "path must begin with a forward slash: spec.rules[0]: ";
    check_rule("mutate: {patchesJson6902: '[{op: remove, path: a/b}]'}", &format!("{frame}a/b"));
    check_rule(
        "mutate: {patchesJson6902: '[{op: insert, path: /a, value: b}]'}",
        &format!(
            "{frame}invalid operation {{\"op\":\"insert\",\"path\":\"/a\",\"value\":\"b\"}}: unsupported operation"
        ),
    );
    check_rule(
        "mutate:\n  patchesJson6902: |-\n    - op: add\n      path: {/a",
        &format!("{frame}yaml: line 1: did not find expected ',' or '}}'"),
    );
    check_rule(
        "mutate: {foreach: [{list: a, foreach: [{list: b}]}]}",
        "path: spec.rules[0].mutate.foreach[0]foreach[0].: only one of `patchStrategicMerge` or `patchesJson6902` is \
         allowed",
    );
}

#[test]
fn what_is_generated_has_a_kind() {
    check_rule(
        "generate: {apiVersion: v1, kind: '', name: a, data: {}, clone: {name: b}}",
        "spec.rules[0]: Forbidden: only one of generate patterns(data, clone, cloneList and foreach) can be specified",
    );
    check_rule(
        "generate: {apiVersion: v1, name: a, data: {}}",
        "spec.rules[0].kind: Forbidden: kind can not be empty",
    );
    let unserved = |lines: &str| findings(&rule(lines), Some(&Cluster)).refusal();
    let want =
        |kind: &str| Some(format!("path: spec.rules[0].generate..: failed to get GVR for kind {kind}"));
    assert_eq!(unserved("generate: {apiVersion: foo/v1, kind: Foo, name: a, data: {}}"), want("foo/v1/Foo"));
    // Of a list of clones the reference looks at the first kind alone.
    let clones =
        |kinds: &str| unserved(&format!("generate: {{cloneList: {{kinds: [{kinds}], namespace: a}}}}"));
    assert_eq!(clones("v1/Foo, v1/Pod"), want("v1/Foo"));
    assert_eq!(clones("v1/Pod, v1/Foo"), None);
    assert_eq!(
        unserved("generate: {foreach: [{list: a, cloneList: {kinds: [v1/Foo], namespace: a}}]}"),
        want("v1/Foo")
    );
}

#[test]
fn overrides_do_not_contradict() {
    let spec = "  validationFailureActionOverrides: [{action: Audit, namespaces: [dev-1]}, {action: Enforce, namespaces: \
                ['dev-*']}]\n  rules: []";
    check(
        &policy(spec),
        "spec.validationFailureActionOverrides[1].namespaces: wildcard pattern 'dev-*' matches with namespace 'dev-1'",
    );
}

#[test]
fn a_policy_that_never_runs_is_refused() {
    check(
        &policy("  admission: false\n  background: false\n  rules: []"),
        "disabling both admission and background processing is not allowed",
    );
    let lines = rule("mutate: {patchStrategicMerge: {metadata: {labels: {a: b}}}}");
    check(
        &lines.replace("background: false", "admission: false"),
        "disabling admission processing is only allowed with validation policies",
    );
}

#[test]
fn a_policy_of_a_namespace_stays_in_it() {
    let policy =
        rule(&format!("{PATTERN}\nmatch: {{any: [{{resources: {{kinds: [Pod, Node], namespaces: [a]}}}}]}}"))
            .replace("ClusterPolicy", "Policy");
    assert_eq!(
        findings(&policy, Some(&Cluster)).refusal().as_deref(),
        Some(
            "[spec.rules[0].match.any[0].namespaces: Forbidden: Filtering namespaces not allowed in namespaced \
             policies, spec.rules[0].match.any[0].kinds[1]: Forbidden: Cluster wide resource 'Node' not allowed in \
             namespaced policy]"
        ),
    );
}

#[test]
fn background_scans_see_no_subresources() {
    let policy = policy(&format!(
        "  rules: [{{name: r, match: {{any: [{{resources: {{kinds: [Pod/exec]}}}}]}}, {PATTERN}}}]"
    ));
    check(
        &policy,
        "path: spec.rules[0].match.any[0].kinds: background scan enabled with subresource Pod/exec",
    );
}

#[test]
fn where_a_kind_is_unknown_the_reference_accepts_the_rest() {
    let policy = rule("match: {any: [{resources: {kinds: [Pdo]}}]}\nvalidate: {message: m}");
    assert!(findings(&policy, None).refusal().is_some());
    let found = findings(&policy, Some(&Cluster));
    assert_eq!(found.refusal(), None);
    let found = lines(found);
    assert_eq!(
        found[..2],
        [
            "warning /spec/rules/0/match/any/0/resources/kinds/0: the kind defined in the all match resource is \
             invalid: unable to convert GVK to GVR for kinds Pdo, err: resource not found",
            "warning /spec/rules/0/match/any/0/resources/kinds/0: no kind `Pdo` is served here: the rule applies to it \
             once it is",
        ]
    );
    assert!(found[2].starts_with("warning /spec/rules/0/validate: one of pattern"), "{found:?}");
}
