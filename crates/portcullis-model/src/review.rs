//! The AdmissionReview envelope (`admission.k8s.io/v1`), parsed without its objects.

mod quick;

use std::borrow::Cow;
use std::collections::BTreeMap;

use portcullis_value::{Arena, Object, Value, json};
use serde::de::value::MapDeserializer;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;

use crate::{Gvk, Gvr, Operation};

/// As many fields as a request has, and some that who reads them adds.
const FIELDS: usize = 16;

/// A request for admission. Objects stay text until something asks for them: most requests match no policy.
#[derive(Clone, Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request<'a> {
    #[serde(borrow)]
    pub uid: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "last_of_each")]
    pub kind: Kind<'a>,
    #[serde(borrow, default, deserialize_with = "text")]
    resource: Option<&'a str>,
    /// Empty for the resource itself.
    #[serde(borrow, default)]
    pub sub_resource: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "text")]
    request_kind: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "text")]
    request_resource: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "text")]
    request_sub_resource: Option<&'a str>,
    /// Empty where the API server makes it from `generateName`.
    #[serde(borrow, default)]
    pub name: Cow<'a, str>,
    /// Empty for cluster-scoped objects.
    #[serde(borrow, default)]
    pub namespace: Cow<'a, str>,
    #[serde(borrow)]
    operation: Cow<'a, str>,
    #[serde(borrow, deserialize_with = "given_text")]
    user_info: &'a str,
    #[serde(borrow, default, deserialize_with = "text")]
    object: Option<&'a str>,
    #[serde(borrow, default, deserialize_with = "text")]
    old_object: Option<&'a str>,
    #[serde(default)]
    dry_run: Option<bool>,
    #[serde(borrow, default, deserialize_with = "text")]
    options: Option<&'a str>,
}

/// Group, version and kind as the envelope holds them.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Kind<'a> {
    #[serde(borrow, default)]
    group: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
}

/// The envelope.
#[derive(Debug)]
pub struct Review<'a> {
    /// The text that it was read from.
    pub body: &'a str,
    pub request: Request<'a>,
    pub operation: Operation,
}

/// Why a body is no AdmissionReview that can be answered.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error("body is not an AdmissionReview: {0}")]
    Json(#[from] serde_json::Error),
    #[error("expected `admission.k8s.io/v1` `AdmissionReview`, got `{api_version}` `{kind}`")]
    Version { api_version: String, kind: String },
    #[error("AdmissionReview holds no request")]
    NoRequest,
    #[error("unknown operation `{0}`")]
    Operation(String),
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "request")]
    request: Option<Request<'a>>,
}

impl<'a> Envelope<'a> {
    fn read(body: &'a str) -> serde_json::Result<Self> {
        let mut json = serde_json::Deserializer::from_str(body);
        let envelope = last_of_each(&mut json)?;
        json.end()?;
        Ok(envelope)
    }
}

impl<'a> Review<'a> {
    /// Parses the envelope of `body`.
    ///
    /// # Errors
    /// No JSON of that shape, another version, no request, an unknown operation.
    pub fn parse(body: &'a str) -> Result<Self, ReviewError> {
        let envelope = match quick::envelope(body) {
            Some(envelope) => envelope,
            None => Envelope::read(body)?,
        };
        if envelope.api_version != "admission.k8s.io/v1" || envelope.kind != "AdmissionReview" {
            let (api_version, kind) = (envelope.api_version.into_owned(), envelope.kind.into_owned());
            return Err(ReviewError::Version { api_version, kind });
        }
        let request = envelope.request.ok_or(ReviewError::NoRequest)?;
        let operation =
            request.operation.parse().map_err(|()| ReviewError::Operation(request.operation.to_string()))?;
        Ok(Self { body, request, operation })
    }
}

impl<'a> Request<'a> {
    /// The kind of the object in the request.
    pub fn gvk(&self) -> Gvk<'_> {
        Gvk { group: &self.kind.group, version: &self.kind.version, kind: &self.kind.kind }
    }

    /// Whether nothing is to be changed by the request, so that nothing but the answer may come of it.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.unwrap_or(false)
    }

    /// The resource that is asked for, which for a subresource is of another kind than the object.
    ///
    /// # Errors
    /// As [`Request::object`].
    pub fn resource(&self, arena: &'a Arena) -> Result<Gvr<'a>, json::Error> {
        let resource = read(arena, self.resource)?.unwrap_or_default();
        let text = |key| resource.get(key).and_then(Value::as_str).unwrap_or_default();
        Ok(Gvr { group: text("group"), version: text("version"), resource: text("resource") })
    }

    /// `userInfo`, read into `arena`.
    ///
    /// # Errors
    /// As [`Request::object`].
    pub fn user_info(&self, arena: &'a Arena) -> Result<Value<'a>, json::Error> {
        json::read(arena, self.user_info)
    }

    /// All that the request holds, as variables read it, but for the objects, the user and what is null.
    ///
    /// # Errors
    /// As [`Request::object`].
    pub fn fields(&'a self, arena: &'a Arena) -> Result<Vec<(&'a str, Value<'a>)>, json::Error> {
        let kind = [
            ("group", Value::String(&self.kind.group)),
            ("kind", Value::String(&self.kind.kind)),
            ("version", Value::String(&self.kind.version)),
        ];
        let mut fields = Vec::with_capacity(FIELDS);
        fields.extend([
            ("uid", Value::String(&self.uid)),
            ("kind", Value::Object(Object::from_sorted(arena.slice(&kind)))),
            ("operation", Value::String(&self.operation)),
        ]);
        let texts =
            [("name", &self.name), ("namespace", &self.namespace), ("subResource", &self.sub_resource)];
        let given = texts.into_iter().filter(|(_, text)| !text.is_empty());
        fields.extend(given.map(|(key, text)| (key, Value::String(text))));
        fields.extend(self.dry_run.map(|dry_run| ("dryRun", Value::Bool(dry_run))));
        for (key, raw) in [
            ("resource", self.resource),
            ("requestKind", self.request_kind),
            ("requestResource", self.request_resource),
            ("requestSubResource", self.request_sub_resource),
        ] {
            fields.extend(read(arena, raw)?.map(|value| (key, value)));
        }
        // As Go writes what there may be none of: a policy may ask for it.
        fields.push(("options", read(arena, self.options)?.unwrap_or_default()));
        Ok(fields)
    }

    /// The object, read into `arena`; `None` where the request holds none.
    ///
    /// # Errors
    /// The object is nested too deeply or holds a number out of range.
    pub fn object(&self, arena: &'a Arena) -> Result<Option<Value<'a>>, json::Error> {
        read(arena, self.object)
    }

    /// The object as it was, read into `arena`; `None` where the request holds none.
    ///
    /// # Errors
    /// As [`Request::object`].
    pub fn old_object(&self, arena: &'a Arena) -> Result<Option<Value<'a>>, json::Error> {
        read(arena, self.old_object)
    }
}

/// An object in which a key that comes twice counts as it comes last, as API servers read it. Serde itself refuses the second.
fn last_of_each<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    let fields = BTreeMap::<String, &RawValue>::deserialize(deserializer)?;
    T::deserialize(MapDeserializer::new(fields.into_iter()))
        .map_err(|error: serde_json::Error| D::Error::custom(error))
}

/// A request that may be left out.
fn request<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Request<'a>>, D::Error> {
    let given = Option::<&RawValue>::deserialize(deserializer)?;
    given.map(last_of_each).transpose().map_err(D::Error::custom)
}

/// The text of a value that may be left out.
fn text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a str>, D::Error> {
    Option::<&RawValue>::deserialize(deserializer).map(|value| value.map(RawValue::get))
}

/// The text of a value.
fn given_text<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<&'a str, D::Error> {
    <&RawValue>::deserialize(deserializer).map(RawValue::get)
}

fn read<'a>(arena: &'a Arena, text: Option<&'a str>) -> Result<Option<Value<'a>>, json::Error> {
    match text {
        None | Some("null") => Ok(None),
        Some(text) => json::read(arena, text).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1",
        "kind":{"group":"batch","version":"v1","kind":"Job"},"operation":"CREATE","userInfo":{"username":"u"},
        "object":{"kind":"Job","metadata":{"name":"pi"}},"oldObject":null}}"#;

    #[test]
    fn the_envelope_is_read_and_the_object_only_when_asked_for() {
        let review = Review::parse(BODY).unwrap();
        assert_eq!(review.request.gvk().to_string(), "batch/v1/Job");
        assert_eq!(review.operation, Operation::Create);
        let arena = Arena::new();
        let object = review.request.object(&arena).unwrap().unwrap();
        assert_eq!(object.path(&["metadata", "name"]), Some(Value::String("pi")));
        assert_eq!(review.request.old_object(&arena).unwrap(), None);
    }

    #[test]
    fn a_key_that_comes_twice_counts_as_it_comes_last() {
        for (once, twice) in [
            (r#""uid":"1""#, r#""uid":7,"uid":"1""#),
            (r#""object":"#, r#""object":{"kind":"Pod"},"object":"#),
            (r#""kind":"Job"},"op"#, r#""kind":"Pod","kind":"Job"},"op"#),
            (r#""request":"#, r#""request":null,"request":"#),
            (r#""operation":"CREATE""#, r#""operation":"DELETE","operation":"CREATE""#),
        ] {
            assert!(BODY.contains(once), "{once}");
            let body = BODY.replacen(once, twice, 1);
            let (review, plain) = (Review::parse(&body).unwrap(), Review::parse(BODY).unwrap());
            assert_eq!(format!("{:?}", review.request), format!("{:?}", plain.request), "{twice}");
        }
    }

    #[test]
    fn what_is_no_review_is_refused_with_its_reason() {
        let check = |body: &str, want: &str| {
            let error = Review::parse(body).unwrap_err().to_string();
            assert!(error.contains(want), "{error}");
        };
        check("", "not an AdmissionReview");
        check(&format!("{BODY}x"), "not an AdmissionReview: trailing characters at line 3 column");
        check(&BODY.replace("uid", "id"), "not an AdmissionReview: missing field `uid`");
        check(r#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview"}"#, "v1beta1");
        check(
            r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}"#,
            "no request",
        );
        check(&BODY.replace("CREATE", "PATCH"), "unknown operation `PATCH`");
    }
}
