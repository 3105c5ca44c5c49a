//! The objects of a cluster, as far as rules may ask for them.

use portcullis_model::{Answer, Question, Resource};
use portcullis_value::{Arena, OwnedValue, Value};

/// What is there; an answer is made of it.
#[derive(Debug, Default)]
pub(crate) struct Objects(OwnedValue);

impl Objects {
    /// The objects of a list.
    pub(crate) fn of(list: Value<'_>) -> Self {
        Self(list.into())
    }

    /// What an API server would answer to `question`.
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let arena = Arena::new();
        let all = self.0.borrow(&arena).as_array().unwrap_or_default();
        match question {
            Question::ConfigMap { namespace, name, .. } => {
                let is_asked = |resource: Resource<'_>| {
                    (resource.kind(), resource.namespace(), resource.name()) == ("ConfigMap", namespace, name)
                };
                match all.iter().find(|object| is_asked(Resource(**object))) {
                    Some(found) => {
                        let part = |key| found.get(key).unwrap_or_default();
                        let mut entries = vec![("data", part("data")), ("metadata", part("metadata"))];
                        Answer::value(arena.object(&mut entries))
                    }
                    None => Answer::Failed(format!(
                        "failed to get configmap {namespace}/{name} : configmaps \"{name}\" not found"
                    )),
                }
            }
            Question::ApiCall { method, url_path, .. } if method == "GET" => get(&arena, all, url_path),
            _ => Answer::Failed("not found".to_owned()),
        }
    }
}

/// The list or the object at a path of the API; its query is not looked at.
fn get<'a>(arena: &'a Arena, all: &[Value<'a>], path: &str) -> Answer {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Answer::Failed("not found".to_owned()),
    };
    let (namespace, resource, name) = match rest {
        ["namespaces", namespace, resource] => (Some(*namespace), *resource, None),
        ["namespaces", namespace, resource, name] => (Some(*namespace), *resource, Some(*name)),
        [resource] => (None, *resource, None),
        [resource, name] => (None, *resource, Some(*name)),
        _ => return Answer::Failed("not found".to_owned()),
    };
    let is_asked = |object: Resource<'_>| {
        object.gvk().group == group
            && plural(object.kind()) == resource
            && namespace.is_none_or(|namespace| object.namespace() == namespace)
            && name.is_none_or(|name| object.name() == name)
    };
    let mut found = all.iter().copied().filter(|object| is_asked(Resource(*object)));
    match name {
        Some(name) => match found.next() {
            Some(object) => Answer::value(object),
            None => Answer::Failed(format!("{resource} \"{name}\" not found")),
        },
        None => {
            let items: Vec<_> = found.collect();
            Answer::value(arena.object(&mut vec![("items", arena.array(&items))]))
        }
    }
}

/// The name of a kind in paths.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with(['s', 'x']) => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}
