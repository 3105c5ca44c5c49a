//! Webhooks that an API server does not take as they are.

use kube::core::Status;
use serde_json::Value as Json;

use super::Refused;

/// What is said of a webhook whose conditions are lost.
const NO_CONDITIONS: &str = "the API server does not know the `matchConditions` of webhooks, by which Nodes, Leases and what \
     else keeps a cluster alive are left out of what fails closed; Kubernetes 1.28 and later do";

/// Whether a webhook of this configuration has conditions.
pub(super) fn has_conditions(configuration: &Json) -> bool {
    webhooks(configuration).any(is_conditional)
}

/// The webhooks of `wanted` that have lost their conditions in `taken`, which is what an API server has made of them: those
/// before 1.28 drop the field without a word.
pub(super) fn without_conditions(wanted: &Json, taken: &Json) -> Refused {
    let kept =
        |webhook: &Json| webhooks(taken).any(|taken| name(taken) == name(webhook) && is_conditional(taken));
    let lost = webhooks(wanted).filter(|webhook| is_conditional(webhook) && !kept(webhook));
    lost.filter_map(|webhook| Some((name(webhook)?.to_owned(), NO_CONDITIONS.to_owned()))).collect()
}

fn webhooks(configuration: &Json) -> impl Iterator<Item = &Json> {
    configuration.get("webhooks").and_then(Json::as_array).into_iter().flatten()
}

fn is_conditional(webhook: &Json) -> bool {
    let conditions = webhook.get("matchConditions").and_then(Json::as_array);
    conditions.is_some_and(|conditions| !conditions.is_empty())
}

/// The webhooks of `configuration` that a refusal is about: its causes name them as
/// `webhooks[3].matchConditions[0].expression`.
pub(super) fn refusals(configuration: &Json, status: &Status) -> Refused {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let refusals = causes.filter_map(|cause| {
        let (index, field) = cause.field.strip_prefix("webhooks[")?.split_once(']')?;
        let webhook = item(configuration.get("webhooks")?, index)?;
        let place = condition(webhook, field).unwrap_or_else(|| field.trim_start_matches('.').to_owned());
        Some((name(webhook)?.to_owned(), format!("{place}: {}", one_line(&cause.message))))
    });
    refusals.collect()
}

/// The condition that `field` is in, by the name that it was given: we have put others before it.
fn condition(webhook: &Json, field: &str) -> Option<String> {
    let (index, _) = field.strip_prefix(".matchConditions[")?.split_once(']')?;
    Some(format!("match condition `{}`", name(item(webhook.get("matchConditions")?, index)?)?))
}

fn item<'j>(list: &'j Json, index: &str) -> Option<&'j Json> {
    list.get(index.parse::<usize>().ok()?)
}

/// `text` without the drawing in which a compiler of CEL shows the place.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('|'));
    lines.collect::<Vec<_>>().join(" ")
}

pub(super) fn name(named: &Json) -> Option<&str> {
    named.get("name")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_webhook_that_has_lost_its_conditions_is_found() {
        let conditions = json!([{"name": "a", "expression": "true"}]);
        let with = json!({"webhooks": [{"name": "a", "matchConditions": conditions}, {"name": "b"}]});
        let without = json!({"webhooks": [{"name": "a"}, {"name": "b"}]});
        assert!(has_conditions(&with) && !has_conditions(&without));
        assert_eq!(without_conditions(&with, &with), Refused::new());
        assert_eq!(without_conditions(&without, &without), Refused::new());
        assert_eq!(without_conditions(&with, &without).keys().collect::<Vec<_>>(), ["a"]);
    }
}
