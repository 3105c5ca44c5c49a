//! What whoever writes a policy is told beside a refusal.

use super::*;

#[test]
fn what_the_refusal_leaves_out_is_told_beside_it_with_its_place() {
    let told = |policy: &str| {
        let findings = findings(policy, Some(&Cluster));
        (findings.refusal(), findings.told_beside().collect::<Vec<_>>())
    };
    let one = |name: &str, operator: &str| {
        format!(
            "    - name: {name}\n      match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}\n      validate: {{message: x, deny: \
             {{conditions: {{all: [{{key: a, operator: {operator}, value: b, mesage: c}}]}}}}}}\n"
        )
    };
    let (refusal, beside) = told(&policy(&format!("  rules:\n{}{}", one("a", "Foo"), one("b", "Bar"))));
    assert!(refusal.unwrap().contains("entered value of `operator` is invalid"));
    let place = |rule: usize| format!("spec.rules[{rule}].validate.deny.conditions.all[0]");
    let unknown = |rule| {
        format!(
            "{}.mesage: unknown field `mesage`: it is not looked at (did you mean `message`?)",
            place(rule)
        )
    };
    let error = format!("error: {}.operator: entered value of `operator` is invalid.", place(1));
    assert!(beside[0].starts_with(&error), "{beside:?}");
    assert_eq!(beside[1..], [unknown(0), unknown(1)]);

    // Field errors are told together, and what the reference warns of in its own words.
    let twice = policy(&format!("  rules:\n{}{}", one("a", "NotIn"), one("a", "NotIn")));
    let (refusal, beside) = told(&twice);
    assert!(refusal.unwrap().contains("spec.rules[1].name"));
    let theirs = |line: &&String| line.starts_with("Operator NotIn has been deprecated");
    assert_eq!(beside.iter().filter(theirs).count(), 2, "{beside:?}");
    assert!(beside.contains(&unknown(0)) && beside.contains(&unknown(1)), "{beside:?}");
}

#[test]
fn a_place_in_a_map_of_any_keys_is_told_as_api_servers_tell_it() {
    let mode = "metadata: {name: p, annotations: {portcullis.dev/mutation-record: somewhere}}";
    let policy = rule("validate: {pattern: {a: b}}").replace("metadata:\n  name: p", mode);
    let beside: Vec<_> = findings(&policy, None).told_beside().collect();
    let place = "metadata.annotations[portcullis.dev/mutation-record]: ";
    assert!(matches!(&*beside, [line] if line.starts_with(place)), "{beside:?}");
}
