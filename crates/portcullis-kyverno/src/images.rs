//! The variable `images`: the container images of a resource, taken apart.

use portcullis_gocompat::image::Reference;
use portcullis_value::{Arena, Object, Value};

/// The `images` of `object`: group, then container name, then the parts of its image. `None` for kinds without Pods.
///
/// # Errors
/// An image that cannot be parsed, in the reference's words.
pub(crate) fn of<'a>(arena: &'a Arena, object: Value<'a>) -> Result<Option<Value<'a>>, String> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let path: &[&str] = match kind {
        "Pod" => &["spec"],
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "Job" => {
            &["spec", "template", "spec"]
        }
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => return Ok(None),
    };
    let spec = object.path(path).unwrap_or_default();
    let mut groups = Vec::new();
    for group in ["initContainers", "containers", "ephemeralContainers"] {
        let containers = spec.get(group).and_then(Value::as_array).unwrap_or_default();
        let mut images = Vec::new();
        for (index, container) in containers.iter().enumerate() {
            let Some(image) =
                container.get("image").and_then(Value::as_str).filter(|image| !image.is_empty())
            else {
                continue;
            };
            let name = container.get("name").and_then(Value::as_str).ok_or("invalid key")?;
            let reference =
                Reference::parse(image).map_err(|error| format!("invalid image '{image}' ({error})"))?;
            let pointer = arena.format(format_args!("/{}/{group}/{index}/image", path.join("/")));
            images.push((name, parts(arena, &reference, pointer)));
        }
        if !images.is_empty() {
            groups.push((group, Value::Object(Object::from_unsorted(arena, &mut images))));
        }
    }
    Ok((!groups.is_empty()).then(|| Value::Object(Object::from_unsorted(arena, &mut groups))))
}

fn parts<'a>(arena: &'a Arena, image: &Reference, pointer: &'a str) -> Value<'a> {
    let mut parts = vec![
        ("name", arena.string(&image.name)),
        ("path", arena.string(&image.path)),
        ("jsonPointer", Value::String(pointer)),
        ("reference", arena.string(&image.reference())),
        ("referenceWithTag", arena.string(&image.reference_with_tag())),
    ];
    for (key, text) in [("registry", &image.registry), ("tag", &image.tag), ("digest", &image.digest)] {
        if !text.is_empty() {
            parts.push((key, arena.string(text)));
        }
    }
    Value::Object(Object::from_unsorted(arena, &mut parts))
}
