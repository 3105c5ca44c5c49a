//! Why an overlay leaves a resource as it is, in words.

use portcullis_value::{Budget, Value};

use super::overlay::{Element, Map, Node, Overlay};
use portcullis_model::explain::shown;

impl Overlay {
    /// What first keeps the overlay from changing `resource`: a condition that does not hold, a field that is there
    /// already, a list without elements. `None` where all that it sets is there as it is set.
    pub(crate) fn obstacle(&self, resource: Value<'_>, budget: &mut Budget<'_>) -> Option<String> {
        obstacle(&self.root, Some(resource), "", budget)
    }
}

/// The obstacle in `node`, which is held against what stands at `path`. Compiling has bounded the depth.
fn obstacle(node: &Node, resource: Option<Value<'_>>, path: &str, budget: &mut Budget<'_>) -> Option<String> {
    budget.step().ok()?;
    match node {
        Node::Plain(_) => None,
        Node::Map(map) => in_map(map, resource, path, budget),
        Node::List(elements) => {
            let items = resource.and_then(Value::as_array).unwrap_or_default();
            let anchored = |element: &Element| matches!(element, Element::Anchored { .. });
            if items.is_empty() && elements.iter().any(anchored) {
                return Some(format!("`{path}` has no elements"));
            }
            elements.iter().find_map(|element| match element {
                Element::Plain(_) => None,
                Element::Anchored { node, .. } => items.iter().enumerate().find_map(|(index, item)| {
                    obstacle(node, Some(*item), &format!("{path}[{index}]"), budget)
                }),
            })
        }
    }
}

fn in_map(map: &Map, resource: Option<Value<'_>>, path: &str, budget: &mut Budget<'_>) -> Option<String> {
    let child = |key: &str| resource.and_then(|resource| resource.get(key));
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    for guard in &map.conditions {
        let place = below(&guard.key);
        match child(&guard.key) {
            None => return Some(format!("the condition on `{place}` does not hold: it is not there")),
            Some(value) if !guard.condition.holds(value, budget).ok()? => {
                let value = shown(value);
                return Some(format!("the condition on `{place}` does not hold: it is {value}"));
            }
            Some(_) => {}
        }
    }
    map.fields.iter().find_map(|field| {
        let (place, current) = (below(&field.key), child(&field.key));
        match current {
            Some(value) if field.if_absent => {
                Some(format!("`{place}` is there already: it is {}", shown(value)))
            }
            _ => obstacle(&field.node, current, &place, budget),
        }
    })
}

#[cfg(test)]
mod tests {
    use portcullis_value::{Arena, Budget};

    use super::*;

    #[track_caller]
    fn check(overlay: &str, resource: &str, want: &str) {
        let (arena, mut budget) = (Arena::new(), Budget::default());
        let read = |text: &str| portcullis_value::json::read(&arena, arena.str(text)).unwrap();
        let overlay = Overlay::compile(read(overlay), &mut budget).unwrap();
        let found = overlay.obstacle(read(resource), &mut budget);
        assert_eq!(found.unwrap_or_default(), want);
    }

    #[test]
    fn an_obstacle_is_told_with_its_place_and_value() {
        let overlay = r#"{"spec":{"+(ttl)":900}}"#;
        check(overlay, r#"{"spec":{"ttl":null}}"#, "`spec.ttl` is there already: it is null");
        let overlay = r#"{"spec":{"(suspend)":false,"ttl":900}}"#;
        check(
            overlay,
            r#"{"spec":{"suspend":true}}"#,
            "the condition on `spec.suspend` does not hold: it is true",
        );
        check(overlay, r#"{"spec":{}}"#, "the condition on `spec.suspend` does not hold: it is not there");
        let overlay = r#"{"containers":[{"(image)":"*:latest","pull":"Always"}]}"#;
        let want = "the condition on `containers[0].image` does not hold: it is \"a:1\"";
        check(overlay, r#"{"containers":[{"image":"a:1"}]}"#, want);
        check(overlay, r#"{"containers":[]}"#, "`containers` has no elements");
        check(r#"{"a":1}"#, r#"{"a":1}"#, "");
    }
}
