//! Strategic merge word for word over `serde_json`, with copies and without a thought for speed.

use serde_json::{Map, Value};

/// A rule broken on purpose, which a comparison with the crate must find: one that finds none compares nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Elements of the overlay come last.
    OverlayComesLast,
    /// Of elements that have one key, the first alone is patched.
    FirstOfKeyAlone,
    /// A null in the overlay becomes one in the result.
    NullIsAValue,
    /// What a set has stays in front.
    SetsGrowAtTheEnd,
    /// A key that one of them lacks tells two elements apart.
    AbsentKeyTellsApart,
    /// In a list of two keys a patched element comes to the front too.
    PairsComeFirst,
    /// A key that the resource's element lacks is added to it.
    PairsAreCompleted,
    /// `$patch: replace` merges.
    ReplaceMerges,
    /// An empty list empties a list with keys.
    EmptyListEmpties,
    /// A number over a string stays a number.
    NumbersStayNumbers,
    /// Lists without keys grow.
    PlainListsGrow,
    /// In a new list elements with and without key stand side by side.
    NewListsKeepAll,
}

/// The overlay cannot be laid over the resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

type Merged = Result<Option<Value>, Refused>;

/// `pod` with `overlay` laid over it.
pub(crate) fn merge(pod: &Value, overlay: &Value, fault: Option<Fault>) -> Result<Value, Refused> {
    Slow { fault }.node("", pod, overlay)?.ok_or(Refused)
}

/// What merges in a Pod, by the path of the list.
enum List {
    Plain,
    Set,
    Keyed(&'static [&'static str]),
}

fn list_at(path: &str) -> List {
    match path {
        "/metadata/finalizers" => List::Set,
        "/metadata/ownerReferences" => List::Keyed(&["uid"]),
        "/spec/containers" | "/spec/containers/env" | "/spec/volumes" => List::Keyed(&["name"]),
        "/spec/containers/ports" => List::Keyed(&["containerPort", "protocol"]),
        _ => List::Plain,
    }
}

struct Slow {
    fault: Option<Fault>,
}

impl Slow {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// What stands at `path` afterwards; `Null` for nothing before.
    fn node(&self, path: &str, before: &Value, patch: &Value) -> Merged {
        match (before, patch) {
            (_, Value::Null) if self.has(Fault::NullIsAValue) => Ok(Some(Value::Null)),
            (_, Value::Null) => Ok(None),
            (Value::Null, _) => self.added(path, patch),
            (Value::Object(before), Value::Object(patch)) => match directive(patch)? {
                Some("delete") => Ok(None),
                Some("replace") if !self.has(Fault::ReplaceMerges) => self.fields(path, &Map::new(), patch),
                _ => self.fields(path, before, patch),
            },
            (Value::Array(before), Value::Array(patch)) => self.list(path, before, patch),
            (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => Err(Refused),
            (Value::String(_), Value::Number(_) | Value::Bool(_)) if !self.has(Fault::NumbersStayNumbers) => {
                Ok(Some(Value::String(patch.to_string())))
            }
            _ => Ok(Some(patch.clone())),
        }
    }

    fn fields(&self, path: &str, before: &Map<String, Value>, patch: &Map<String, Value>) -> Merged {
        let mut merged = before.clone();
        for (key, value) in patch.iter().filter(|(key, _)| *key != "$patch") {
            let old = before.get(key).unwrap_or(&Value::Null);
            match self.node(&format!("{path}/{key}"), old, value)? {
                Some(value) => merged.insert(key.clone(), value),
                None => merged.remove(key),
            };
        }
        Ok(Some(Value::Object(merged)))
    }

    /// What becomes of `patch` where there is nothing.
    fn added(&self, path: &str, patch: &Value) -> Merged {
        match patch {
            Value::Object(map) if map.get("$patch").is_some_and(Value::is_null) => {
                self.fields(path, &Map::new(), map)
            }
            Value::Object(map) if directive(map)? == Some("delete") => Ok(None),
            Value::Object(map) => self.fields(path, &Map::new(), map),
            Value::Array(items) => match list_at(path) {
                List::Keyed(keys) => {
                    let keyless: Vec<_> =
                        items.iter().filter(|item| is_keyless(keys, item)).cloned().collect();
                    let items =
                        if keyless.is_empty() || self.has(Fault::NewListsKeepAll) { items } else { &keyless };
                    self.keyed(path, keys, &[], items)
                }
                List::Plain | List::Set => Ok(Some(patch.clone())),
            },
            _ => Ok(Some(patch.clone())),
        }
    }

    fn list(&self, path: &str, before: &[Value], patch: &[Value]) -> Merged {
        let list = list_at(path);
        if matches!(list, List::Plain) {
            let kept = if self.has(Fault::PlainListsGrow) { before } else { &[] };
            return Ok(Some([kept, patch].concat().into()));
        }
        let for_list =
            |item: &&Value| item.as_object().is_some_and(|map| map.len() == 1 && map.contains_key("$patch"));
        let word = match patch.iter().find(for_list).and_then(Value::as_object) {
            Some(map) => directive(map)?,
            None => None,
        };
        let before = match word {
            Some("delete") => return Ok(None),
            Some("replace") => &[],
            _ if patch.is_empty() && self.has(Fault::EmptyListEmpties) => &[],
            _ => before,
        };
        let patch: Vec<Value> = patch.iter().filter(|item| !for_list(item)).cloned().collect();
        match list {
            List::Keyed(keys) => self.keyed(path, keys, before, &patch),
            List::Plain | List::Set => {
                let (first, second) =
                    if self.has(Fault::SetsGrowAtTheEnd) { (before, &*patch) } else { (&*patch, before) };
                let mut merged: Vec<Value> = Vec::new();
                for item in first.iter().chain(second) {
                    if !merged.contains(item) {
                        merged.push(item.clone());
                    }
                }
                Ok(Some(merged.into()))
            }
        }
    }

    fn keyed(&self, path: &str, keys: &[&str], before: &[Value], patch: &[Value]) -> Merged {
        let [key] = keys else { return self.pairs(path, keys, before, patch) };
        // Of the resource in its order; those of the overlay in theirs, with the place that they have there.
        let mut rest: Vec<Value> = before.to_vec();
        let mut first: Vec<(usize, Value)> = Vec::new();
        for (place, item) in patch.iter().enumerate() {
            let Value::Object(map) = item else { return Err(Refused) };
            if is_keyless(keys, item) {
                match () {
                    () if before.is_empty() => first.push((place, item.clone())),
                    () if !map.is_empty() => return Err(Refused),
                    () => {}
                }
                continue;
            }
            let is_same = |old: &Value| text(old, key) == text(item, key);
            let patched = |old: &Value| match directive(map)? {
                Some("replace") => Ok(Some(old.clone())),
                _ => self.node(path, old, item),
            };
            let mut found = false;
            for old in std::mem::take(&mut rest) {
                if is_same(&old) && !(found && self.has(Fault::FirstOfKeyAlone)) {
                    found = true;
                    first.extend(patched(&old)?.map(|new| (place, new)));
                } else {
                    rest.push(old);
                }
            }
            for (earlier, old) in std::mem::take(&mut first) {
                if earlier < place && is_same(&old) {
                    found = true;
                    first.extend(patched(&old)?.map(|new| (earlier, new)));
                } else {
                    first.push((earlier, old));
                }
            }
            first.sort_by_key(|(place, _)| *place);
            if !found {
                first.extend(self.added(path, item)?.map(|new| (place, new)));
            }
        }
        let first: Vec<Value> = first.into_iter().map(|(_, item)| item).collect();
        let merged = if self.has(Fault::OverlayComesLast) { [rest, first] } else { [first, rest] };
        Ok(Some(merged.concat().into()))
    }

    #[expect(clippy::indexing_slicing, reason = "there are two keys, two texts, and places of what is there")]
    fn pairs(&self, path: &str, keys: &[&str], before: &[Value], patch: &[Value]) -> Merged {
        if patch.iter().any(|item| !item.is_object()) {
            return Err(Refused);
        }
        let texts = |item: &Value| [text(item, keys[0]), text(item, keys[1])];
        let (keyless, patch): (Vec<Value>, Vec<Value>) =
            patch.iter().cloned().partition(|item| is_keyless(keys, item));
        let mut kinds: Vec<[String; 2]> = Vec::new();
        for item in patch.iter().chain(before).filter(|item| !is_keyless(keys, item)) {
            if !kinds.contains(&texts(item)) {
                kinds.push(texts(item));
            }
        }
        // What agrees with another and lacks a key has it from there.
        for one in 0..kinds.len() {
            let texts = kinds[one].clone();
            for other in 0..kinds.len() {
                let agrees = (0..2).any(|place| texts[place] == kinds[other][place]);
                let conflicts = (0..2).any(|place| {
                    let (one, other) = (&texts[place], &kinds[other][place]);
                    one != other && !one.is_empty() && !other.is_empty()
                });
                if agrees && !conflicts && !self.has(Fault::AbsentKeyTellsApart) {
                    let longer = |place: usize| {
                        if texts[place].is_empty() {
                            kinds[other][place].clone()
                        } else {
                            texts[place].clone()
                        }
                    };
                    let both = [longer(0), longer(1)];
                    kinds[one] = both.clone();
                    kinds[other] = both;
                }
            }
        }
        for place in 0..2 {
            if kinds.iter().all(|kind| kind[1 - place].is_empty()) {
                return self.keyed(path, &keys[place..=place], before, &patch);
            }
        }
        let mut rest: Vec<Option<Value>> = before.iter().cloned().map(Some).collect();
        let mut first = if before.is_empty() { keyless } else { Vec::new() };
        let mut done: Vec<[String; 2]> = Vec::new();
        for kind in kinds {
            let is_of = |item: &Value| {
                (0..2).all(|place| {
                    let found = &texts(item)[place];
                    let is_absent = found.is_empty() && self.has(Fault::PairsAreCompleted);
                    kind[place].is_empty() || *found == kind[place] || is_absent
                })
            };
            let Some(item) = patch.iter().find(|item| is_of(item)).filter(|_| !done.contains(&kind)) else {
                continue;
            };
            done.push(kind.clone());
            let place = rest.iter().position(|old| old.as_ref().is_some_and(is_of));
            let old = place.and_then(|place| rest[place].clone());
            let new = match (item.as_object().map_or(Ok(None), directive)?, &old) {
                (Some("replace"), Some(old)) => Some(old.clone()),
                _ => self.node(path, &old.clone().unwrap_or_default(), item)?,
            };
            match (place, new) {
                (Some(place), new) if self.has(Fault::PairsComeFirst) => {
                    rest[place] = None;
                    first.extend(new);
                }
                (Some(_), None) if old.as_ref().is_some_and(|old| texts(old).contains(&String::new())) => {}
                (Some(place), new) => rest[place] = new,
                (None, new) => first.extend(new),
            }
        }
        let rest: Vec<Value> = rest.into_iter().flatten().collect();
        let merged = if self.has(Fault::OverlayComesLast) { [rest, first] } else { [first, rest] }.concat();
        // A later element that lacks a key takes the place of those that have the other as it has it.
        let stays = |(index, item): &(usize, &Value)| {
            !merged.iter().skip(index + 1).any(|later| {
                let (later, item) = (texts(later), texts(item));
                let lacks_one = later.iter().filter(|text| text.is_empty()).count() == 1;
                lacks_one && (0..2).any(|place| !later[place].is_empty() && later[place] == item[place])
            })
        };
        let merged: Vec<Value> =
            merged.iter().enumerate().filter(stays).map(|(_, item)| item.clone()).collect();
        Ok(Some(merged.into()))
    }
}

fn text(item: &Value, key: &str) -> String {
    match &item[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        _ => String::new(),
    }
}

fn directive(map: &Map<String, Value>) -> Result<Option<&str>, Refused> {
    match map.get("$patch") {
        None => Ok(None),
        Some(Value::String(word)) if ["delete", "replace", "merge"].contains(&word.as_str()) => {
            Ok(Some(word))
        }
        Some(_) => Err(Refused),
    }
}

fn is_keyless(keys: &[&str], item: &Value) -> bool {
    item.is_object() && keys.iter().all(|key| item[*key].is_null())
}
