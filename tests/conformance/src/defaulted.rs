//! What an API server sets in an object that is written, before anybody is asked about it, as far as policies go by it.

use portcullis_gocompat::image::Reference;
use portcullis_value::{Arena, Value};

/// Where objects have Pods.
const PODS: [&[&str]; 3] =
    [&["spec"], &["spec", "template", "spec"], &["spec", "jobTemplate", "spec", "template", "spec"]];

/// `object` as it is asked about: each container of a Pod says when its image is pulled.
pub(crate) fn defaulted<'a>(arena: &'a Arena, object: Value<'a>) -> Value<'a> {
    let paths = PODS.into_iter().flat_map(|pod| {
        ["containers", "initContainers", "ephemeralContainers"].map(|list| [pod, &[list]].concat())
    });
    paths.fold(object, |object, path| {
        let containers = object.path(&path).and_then(Value::as_array);
        // Of other kinds' fields of the same name nothing is known.
        let Some(containers) = containers.filter(|list| list.iter().all(|item| item.get("image").is_some()))
        else {
            return object;
        };
        let containers: Vec<_> = containers.iter().map(|item| container(arena, *item)).collect();
        object.with(arena, &path, arena.array(&containers))
    })
}

fn container<'a>(arena: &'a Arena, container: Value<'a>) -> Value<'a> {
    let has_policy = container.get("imagePullPolicy").is_some_and(|policy| !policy.is_null());
    let image = container.get("image").and_then(Value::as_str).map(Reference::parse);
    match image {
        Some(Ok(image)) if !has_policy => {
            let policy = if image.tag == "latest" { "Always" } else { "IfNotPresent" };
            container.with(arena, &["imagePullPolicy"], Value::String(policy))
        }
        _ => container,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_without_a_tag_or_with_the_last_one_is_always_pulled() {
        let arena = Arena::new();
        let read = |text| portcullis_yaml::read(&arena, text).unwrap();
        let pod = read(
            "{spec: {containers: [{image: a}, {image: 'a:latest'}, {image: 'a:1'}, {image: a, imagePullPolicy: Never}]}}",
        );
        let want = "{spec: {containers: [{image: a, imagePullPolicy: Always}, {image: 'a:latest', imagePullPolicy: Always}, \
                    {image: 'a:1', imagePullPolicy: IfNotPresent}, {image: a, imagePullPolicy: Never}]}}";
        assert_eq!(defaulted(&arena, pod).to_string(), read(want).to_string());
        let other = "{spec: {containers: [{name: a}], jobTemplate: {spec: {template: {spec: {initContainers: [{image: a}]}}}}}}";
        let want = other.replace("{image: a}", "{image: a, imagePullPolicy: Always}");
        assert_eq!(defaulted(&arena, read(other)).to_string(), read(&want).to_string());
    }
}
