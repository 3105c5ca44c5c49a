//! Whole policies: which rules an object meets, what each says, and what is left of the object.
//!
//! The language is bounded: no context but variables, no JSON Patch, only overlays that are maps of texts, and exceptions
//! from whole rules.

use std::slice;

use portcullis_kyverno::pattern::Verdict;
use serde_json::{Value, json};

use super::autogen;
use super::matching::{self, Candidate};
use super::overlay;
use super::variables::{self, Scope, Unresolved};
use super::{Fault, fits, floats, operators, tree, type_name};

/// What is asked of a policy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) operation: &'static str,
    pub(crate) object: Option<Value>,
    pub(crate) old_object: Option<Value>,
    pub(crate) user: Option<&'static str>,
    pub(crate) namespace_labels: Value,
    /// PolicyExceptions, by whatever policy they are from.
    pub(crate) exceptions: Vec<Value>,
}

/// How a rule ended: its status, and its message.
type Ending = (&'static str, String);

/// How a mutation ended: the object that it made, or the ending without one.
type Mutated = Result<Value, Ending>;

struct Slow<'r> {
    request: &'r Request,
    fault: Option<Fault>,
}

/// The outcomes of `policy`, as `rule status: message`, and the object as it leaves it.
pub(crate) fn evaluate(
    policy: &Value,
    request: &Request,
    fault: Option<Fault>,
) -> (Vec<String>, Option<Value>) {
    let slow = Slow { request, fault };
    let (mut lines, mut object) = (Vec::new(), request.object.clone());
    let kind = object.as_ref().or(request.old_object.as_ref()).unwrap()["kind"].as_str().unwrap();
    let rules = autogen::rules_for(policy, kind, fault);
    for mutates in [true, false] {
        for rule in rules.iter().filter(|rule| rule.get("mutate").is_some() == mutates) {
            let seen = if fault == Some(Fault::RulesSeeTheFirstObject) { &request.object } else { &object };
            let (ending, patched) = slow.rule(policy, rule, seen.as_ref());
            let Some((status, message)) = ending else { continue };
            lines.push(format!("{} {status}: {message}", rule["name"].as_str().unwrap()));
            // A change that fails leaves nothing to go on with.
            let is_change = mutates && !message.starts_with("failed to evaluate preconditions: ");
            if is_change && status == "error" && request.old_object.is_none() {
                break;
            }
            object = patched.or(object);
            let decides = status == "pass" || status == "fail" || fault == Some(Fault::SkipsDecide);
            if policy["spec"]["applyRules"] == "One" && decides {
                break;
            }
        }
    }
    (lines, object)
}

impl Slow<'_> {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn rule(&self, policy: &Value, rule: &Value, object: Option<&Value>) -> (Option<Ending>, Option<Value>) {
        let candidate = Candidate {
            operation: self.request.operation,
            object: object.or(self.request.old_object.as_ref()).unwrap(),
            user: self.request.user,
            namespace_labels: &self.request.namespace_labels,
        };
        if !matching::is_about(rule, &candidate, self.fault) {
            return (None, None);
        }
        let mut root = json!({ "request": { "operation": self.request.operation } });
        for (key, object) in [("object", object), ("oldObject", self.request.old_object.as_ref())] {
            if let Some(object) = object {
                root["request"][key] = object.clone();
            }
        }
        let scope = Scope::new(root, self.request.operation == "DELETE", &rule["context"], self.fault);
        match self.conditions(&rule["preconditions"], &scope) {
            Err(text) => return (Some(("error", format!("failed to evaluate preconditions: {text}"))), None),
            Ok((false, message)) if message.is_empty() => {
                return (Some(("skip", "preconditions not met".to_owned())), None);
            }
            Ok((false, message)) => {
                return (Some(("skip", format!("preconditions not met; {message}"))), None);
            }
            Ok((true, _)) => {}
        }
        let excepting = self.exceptions(policy, rule, &candidate, &scope);
        if !excepting.is_empty() {
            let text = format!("rule is skipped due to policy exceptions{}", excepting.join(", "));
            return (Some(("skip", text)), None);
        }
        if rule.get("mutate").is_some() {
            return match self.mutate(rule, object, &scope) {
                Ok(patched) => (Some(("pass", overlay::told(&patched))), Some(patched)),
                Err(ending) => (Some(ending), None),
            };
        }
        let ending = self.judge(&rule["validate"], rule, object, &scope);
        if matches!(ending, Some(("fail", _)))
            && object.is_some()
            && let Some(old) = &self.request.old_object
            && self.violated_before(policy, rule, old, &scope)
        {
            let text = "skipping the rule evaluation as pre-existing violations are allowed";
            return (Some(("skip", text.to_owned())), None);
        }
        (ending, None)
    }

    /// The keys of the exceptions from `rule` that hold.
    fn exceptions(
        &self,
        policy: &Value,
        rule: &Value,
        candidate: &Candidate<'_>,
        scope: &Scope,
    ) -> Vec<String> {
        let name = rule["name"].as_str().unwrap();
        let names_rule = |entry: &Value| {
            let names = items(&entry["ruleNames"]).iter();
            entry["policyName"] == policy["metadata"]["name"]
                && names.filter_map(Value::as_str).any(|pattern| fits(pattern, name))
        };
        let holds = |exception: &&Value| {
            let spec = &exception["spec"];
            items(&spec["exceptions"]).iter().any(names_rule)
                && (self.has(Fault::ExceptionsAreForAll)
                    || matching::is_excepted(&spec["match"], candidate, self.fault))
                && self
                    .conditions(&spec["conditions"], scope)
                    .map_or(self.has(Fault::DoubtExcepts), |(holds, _)| holds)
        };
        let key = |exception: &Value| {
            let part = |key: &str| exception["metadata"][key].as_str().unwrap().to_owned();
            format!("{}/{}", part("namespace"), part("name"))
        };
        self.request.exceptions.iter().filter(holds).map(key).collect()
    }

    /// Whether a violation is let be since `old` is one too.
    fn violated_before(&self, policy: &Value, rule: &Value, old: &Value, scope: &Scope) -> bool {
        let validate = &rule["validate"];
        let action = validate.get("failureAction").unwrap_or(&policy["spec"]["validationFailureAction"]);
        let candidate = Candidate {
            operation: "CREATE",
            object: old,
            user: Some(""),
            namespace_labels: &self.request.namespace_labels,
        };
        if action != "Enforce"
            || validate["allowExistingViolations"] == false
            || !rule["preconditions"].is_null()
            || !matching::is_about(rule, &candidate, self.fault)
            || self.has(Fault::OldObjectsAreForgotten)
        {
            return false;
        }
        // The patterns of the rule itself keep the values of the object as it is now.
        let mut validate = validate.clone();
        for key in ["pattern", "anyPattern"] {
            if let Some(pattern) = validate.get_mut(key)
                && variables::are_in(pattern)
                && !self.has(Fault::PatternsAreFilledAnew)
                && let Ok(filled) = scope.substitute(pattern, "")
            {
                *pattern = floats(&filled);
            }
        }
        let before = self.judge(&validate, rule, Some(old), &scope.as_created(old));
        matches!(before, Some(("fail", _)))
    }

    /// Whether a block of conditions holds, and the messages of those that made it so.
    fn conditions(&self, block: &Value, scope: &Scope) -> Result<(bool, String), Unresolved> {
        let (mut held, mut failed) = (Vec::new(), Vec::new());
        let mut ask = |condition: &Value| {
            let holds = self.condition(condition, scope)?;
            let message = condition["message"].as_str().map(str::to_owned);
            if holds {
                held.extend(message)
            } else {
                failed.extend(message)
            }
            Ok::<_, Unresolved>(holds)
        };
        let (holds, separator) = if let Value::Array(list) = block {
            let mut holds = true;
            for condition in list {
                holds = ask(condition)?;
                if !holds {
                    break;
                }
            }
            (holds, ";")
        } else {
            let mut holds = block["any"].is_null();
            for condition in items(&block["any"]) {
                holds = ask(condition)?;
                if holds {
                    break;
                }
            }
            for condition in items(&block["all"]) {
                if !ask(condition)? && !self.has(Fault::AllAreAsked) {
                    holds = false;
                    break;
                }
            }
            (holds, "; ")
        };
        Ok(if holds { (true, held.join(separator)) } else { (false, failed.join("; ")) })
    }

    fn condition(&self, condition: &Value, scope: &Scope) -> Result<bool, Unresolved> {
        let operand = |part: &str| {
            let written = &condition[part];
            let value = scope
                .substitute(written, "")
                .map_err(|text| format!("failed to substitute variables in condition {part}: {text}"))?;
            // Numbers in a list that is written stay as they are.
            let stays = !variables::are_in(written) && !written.is_number();
            Ok::<_, Unresolved>(if stays { value } else { floats(&value) })
        };
        let operator = condition["operator"].as_str().unwrap();
        Ok(operators::holds(operator, &operand("key")?, &operand("value")?, self.fault).unwrap())
    }

    /// What `check`, a validate block or an entry of foreach, says of `subject`.
    fn judge(&self, check: &Value, rule: &Value, subject: Option<&Value>, scope: &Scope) -> Option<Ending> {
        let name = rule["name"].as_str().unwrap();
        let passed = || Some(("pass", format!("validation rule '{name}' passed.")));
        if let Some(deny) = check.get("deny") {
            return match self.conditions(&deny["conditions"], scope) {
                Err(text) => Some(("error", format!("failed to check deny conditions: {text}"))),
                Ok((false, _)) => passed(),
                Ok((true, message)) => Some(("fail", denial(rule, name, message, scope))),
            };
        }
        let key = if check.get("pattern").is_some() { "pattern" } else { "anyPattern" };
        let Some(written) = check.get(key) else { return self.for_each(check, rule, subject, scope) };
        let filled = match scope.substitute(written, "") {
            Ok(filled) if variables::are_in(written) => floats(&filled),
            Ok(filled) => filled,
            Err(text) => return Some(("error", format!("variable substitution failed: {text}"))),
        };
        let subject = match subject {
            None if self.has(Fault::GoneObjectsArePatterned) => &Value::Null,
            subject => subject?,
        };
        if key == "pattern" {
            let (status, end, inner) = match tree::check(subject, &filled, self.fault) {
                Verdict::Pass => return passed(),
                Verdict::Skip { message } => return Some(("skip", message)),
                Verdict::Fail { path, message } => {
                    ("fail", format!("rule {name} failed at path {path}"), message)
                }
                Verdict::Error { message } => {
                    ("error", format!("rule {name} execution error: {message}"), message)
                }
            };
            return Some((status, violation(rule, name, &end, &inner, scope)));
        }
        let (mut failed, mut skipped) = (Vec::new(), Vec::new());
        for (index, pattern) in items(&filled).iter().enumerate() {
            match tree::check(subject, pattern, self.fault) {
                Verdict::Pass => {
                    return Some(("pass", format!("validation rule '{name}' anyPattern[{index}] passed.")));
                }
                Verdict::Skip { message } => skipped.push(format!("rule {name}[{index}] skipped: {message}")),
                Verdict::Fail { path, .. } => {
                    failed.push(format!("rule {name}[{index}] failed at path {path}"))
                }
                Verdict::Error { message } => failed.push(format!("rule {name}[{index}] failed: {message}")),
            }
        }
        if self.has(Fault::SkippedAlternativesFail) {
            failed.append(&mut skipped);
        }
        if !failed.is_empty() {
            let list = failed.join(" ");
            Some(("fail", violation(rule, name, &list, &list, scope)))
        } else if !skipped.is_empty() {
            Some(("skip", skipped.join(" ")))
        } else {
            Some(("pass", rule["validate"]["message"].as_str().unwrap_or_default().to_owned()))
        }
    }

    fn for_each(&self, check: &Value, rule: &Value, outer: Option<&Value>, scope: &Scope) -> Option<Ending> {
        let (mut has_passed, mut list_error) = (false, None);
        for entry in items(&check["foreach"]) {
            let found = match scope.query(entry["list"].as_str().unwrap()) {
                Ok(found) => found,
                Err(text) if text.contains("Unknown key") => continue,
                Err(text) => {
                    list_error = Some(text);
                    continue;
                }
            };
            for (index, element) in
                elements(&found).iter().enumerate().filter(|(_, element)| !element.is_null())
            {
                let inner = scope.with_element(index, element, &entry["context"]);
                let ending = self.element(entry, element, rule, outer, &inner);
                scope.leave(&inner);
                match ending {
                    Some(("pass", _)) => has_passed = true,
                    Some(("skip", _)) if self.has(Fault::SkippedElementsPass) => has_passed = true,
                    Some(("fail" | "error", _)) => return ending,
                    _ => {}
                }
            }
        }
        match list_error {
            _ if has_passed => Some(("pass", "rule passed".to_owned())),
            text => text.map(|text| ("error", format!("failed to evaluate list: {text}"))),
        }
    }

    /// What `entry` of foreach says of `element`.
    fn element(
        &self,
        entry: &Value,
        element: &Value,
        rule: &Value,
        outer: Option<&Value>,
        scope: &Scope,
    ) -> Option<Ending> {
        let subject = match (element, &entry["elementScope"]) {
            (Value::Object(_), Value::Null | Value::Bool(true)) => {
                Some(if self.has(Fault::ElementsKeepIntegers) { element.clone() } else { floats(element) })
            }
            (_, Value::Bool(true)) => {
                let found = type_name(&floats(element));
                let text = format!(
                    "failed to process foreach: cannot use elementScope=true foreach rules for elements that are not \
                     maps, expected type=map got type={found}"
                );
                return Some(("error", text));
            }
            _ => outer.cloned(),
        };
        // What cannot be evaluated is passed over as well.
        let Ok((true, _)) = self.conditions(&entry["preconditions"], scope) else { return None };
        match self.judge(entry, rule, subject.as_ref(), scope)? {
            (status @ ("fail" | "error"), message) => {
                Some((status, format!("validation failure: {message}")))
            }
            ending => Some(ending),
        }
    }

    fn mutate(&self, rule: &Value, object: Option<&Value>, scope: &Scope) -> Mutated {
        const FRAME: &str = "variable substitution failed: ";
        let mutate = &rule["mutate"];
        let unchanged = || ("skip", "no patches applied".to_owned());
        let failed = |text: String| ("error", format!("{FRAME}{text}"));
        if mutate.get("foreach").is_some() {
            return self.mutate_each(mutate, object.ok_or_else(unchanged)?, scope);
        }
        // Variables are replaced in the whole rule, of which the patch comes last.
        let mut rest = rule.clone();
        rest["mutate"] = json!({});
        scope.substitute(&rest, "").map_err(failed)?;
        let object = object.ok_or_else(unchanged)?;
        self.patch(&mutate["patchStrategicMerge"], "/mutate/patchStrategicMerge", object, scope)
    }

    fn patch(&self, written: &Value, path: &str, object: &Value, scope: &Scope) -> Mutated {
        if written.is_null() {
            return Err(("error", "empty mutate rule".to_owned()));
        }
        let filled = scope.substitute(written, path);
        let filled = filled.map_err(|text| ("error", format!("variable substitution failed: {text}")))?;
        let patched = overlay::lay(object, &filled, self.fault);
        if &patched == object { Err(("skip", "no patches applied".to_owned())) } else { Ok(patched) }
    }

    /// Patches `object` for one element after the other.
    fn mutate_each(&self, holder: &Value, object: &Value, scope: &Scope) -> Mutated {
        let mut patched = None;
        let scope = scope.clone();
        for entry in items(&holder["foreach"]) {
            let list = entry["list"].as_str().unwrap();
            let found = scope
                .query(list)
                .map_err(|text| ("error", format!("failed to evaluate list {list}: {text}: {text}")))?;
            let mut all: Vec<_> = elements(&found).iter().enumerate().collect();
            let descends = match entry["order"].as_str() {
                Some(order) => order == "Descending",
                None => entry.get("patchStrategicMerge").is_some() && !self.has(Fault::LoopsAscend),
            };
            if descends {
                all.reverse();
            }
            for (index, element) in all.into_iter().filter(|(_, element)| !element.is_null()) {
                let inner = scope.with_element(index, element, &entry["context"]);
                let current = patched.as_ref().unwrap_or(object);
                let result = self.mutate_element(entry, index, current, &inner);
                scope.leave(&inner);
                match result {
                    Ok(result) => {
                        if self.has(Fault::LoopsSeeWhatTheyDo) {
                            scope.set_object(&result);
                        }
                        patched = Some(result);
                    }
                    Err(("error", text)) => {
                        return Err(("error", format!("failed to mutate elements: {text}")));
                    }
                    Err(_) => {}
                }
            }
            if let Some(patched) = &patched {
                scope.set_object(patched);
            }
        }
        patched.ok_or_else(|| ("skip", "0 elements processed".to_owned()))
    }

    /// Patches `object` for the element at `index`.
    fn mutate_element(&self, entry: &Value, index: usize, object: &Value, scope: &Scope) -> Mutated {
        match self.conditions(&entry["preconditions"], scope) {
            Ok((true, _)) if entry.get("foreach").is_some() => self.mutate_each(entry, object, scope),
            Ok((true, _)) => self.patch(&entry["patchStrategicMerge"], "/patchStrategicMerge", object, scope),
            Ok((false, _)) => Err(("skip", String::new())),
            Err(text) => {
                let text = format!("failed to evaluate mutate.foreach[{index}].preconditions: {text}");
                Err(("error", text))
            }
        }
    }
}

/// The items of a list; none of what is no list.
pub(crate) fn items(list: &Value) -> &[Value] {
    list.as_array().map_or(&[], Vec::as_slice)
}

/// What a loop goes through: what is no list is a list of one.
fn elements(found: &Value) -> &[Value] {
    found.as_array().map_or(slice::from_ref(found), Vec::as_slice)
}

/// What is said of an object that a pattern does not fit.
fn violation(rule: &Value, name: &str, end: &str, inner: &str, scope: &Scope) -> String {
    let message = rule["validate"]["message"].as_str().unwrap_or_default();
    if message.is_empty() {
        return format!("validation error: {end}");
    }
    match scope.substitute(&Value::from(message), "") {
        Ok(Value::String(text)) => {
            let stop = if text.ends_with('.') { "" } else { "." };
            format!("validation error: {text}{stop} {end}")
        }
        _ => {
            format!("validation error: variables substitution error in rule {name} execution error: {inner}")
        }
    }
}

/// What is said of an object that conditions deny, of which `message` is what they say.
fn denial(rule: &Value, name: &str, message: String, scope: &Scope) -> String {
    let own = rule["validate"]["message"].as_str().unwrap_or_default();
    let parts: Vec<_> = [own, &message].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return format!("validation error: rule {name} failed");
    }
    match scope.substitute(&Value::from(parts.join("; ")), "") {
        Ok(Value::String(text)) => text,
        Ok(_) => "the produced message didn't resolve to a string, check your policy definition.".to_owned(),
        Err(_) => message,
    }
}
