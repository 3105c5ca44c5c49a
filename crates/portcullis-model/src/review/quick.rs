//! Reading the envelope as API servers write it, without the general machinery of serde.

use std::borrow::Cow;

use portcullis_value::json::Scanner;

use super::{Envelope, Kind, Request};

/// The envelope, or `None` where serde has to look at it: a fault, an escape, a key twice.
pub(super) fn envelope(body: &str) -> Option<Envelope<'_>> {
    let mut scanner = Scanner::new(body);
    let (mut api_version, mut kind, mut request) = (None, None, None);
    scanner.members(|key, scanner| match key {
        "apiVersion" => once(&mut api_version, scanner.string()?),
        "kind" => once(&mut kind, scanner.string()?),
        "request" => once(&mut request, self::request(scanner)?),
        _ => scanner.skip(),
    })?;
    scanner.is_at_end().then_some(())?;
    Some(Envelope { api_version: given(api_version), kind: given(kind), request })
}

fn request<'a>(scanner: &mut Scanner<'a>) -> Option<Request<'a>> {
    let (mut uid, mut kind, mut operation, mut user_info) = (None, None, None, None);
    let (mut name, mut namespace, mut sub_resource, mut dry_run) = (None, None, None, None);
    let (mut resource, mut object, mut old_object, mut options) = (None, None, None, None);
    let (mut request_kind, mut request_resource, mut request_sub_resource) = (None, None, None);
    scanner.members(|key, scanner| match key {
        "uid" => once(&mut uid, scanner.string()?),
        "kind" => once(&mut kind, self::kind(scanner)?),
        "resource" => once(&mut resource, scanner.raw()?),
        "subResource" => once(&mut sub_resource, scanner.string()?),
        "requestKind" => once(&mut request_kind, scanner.raw()?),
        "requestResource" => once(&mut request_resource, scanner.raw()?),
        "requestSubResource" => once(&mut request_sub_resource, scanner.raw()?),
        "name" => once(&mut name, scanner.string()?),
        "namespace" => once(&mut namespace, scanner.string()?),
        "operation" => once(&mut operation, scanner.string()?),
        "userInfo" => once(&mut user_info, scanner.raw()?),
        "object" => once(&mut object, scanner.optional(Scanner::extent)?),
        "oldObject" => once(&mut old_object, scanner.optional(Scanner::extent)?),
        "dryRun" => once(&mut dry_run, scanner.bool()?),
        "options" => once(&mut options, scanner.raw()?),
        _ => scanner.skip(),
    })?;
    Some(Request {
        uid: uid?.into(),
        kind: kind?,
        resource,
        sub_resource: given(sub_resource),
        request_kind,
        request_resource,
        request_sub_resource,
        name: given(name),
        namespace: given(namespace),
        operation: operation?.into(),
        user_info: user_info?,
        object: object.flatten(),
        old_object: old_object.flatten(),
        dry_run,
        options,
    })
}

fn kind<'a>(scanner: &mut Scanner<'a>) -> Option<Kind<'a>> {
    let (mut group, mut version, mut kind) = (None, None, None);
    scanner.members(|key, scanner| match key {
        "group" => once(&mut group, scanner.string()?),
        "version" => once(&mut version, scanner.string()?),
        "kind" => once(&mut kind, scanner.string()?),
        _ => scanner.skip(),
    })?;
    Some(Kind { group: given(group), version: version?.into(), kind: kind?.into() })
}

fn once<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

fn given(text: Option<&str>) -> Cow<'_, str> {
    text.unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The envelope as it is read here, if it is, and as serde reads it.
    fn both(body: &str) -> (Option<String>, Option<String>) {
        let shown = |envelope: Envelope<'_>| format!("{envelope:?}");
        (envelope(body).map(shown), Envelope::read(body).ok().map(shown))
    }

    fn review(fields: &str) -> String {
        format!(
            r#" {{"apiVersion":"admission.k8s.io/v1","more":[1,{{}}],"kind":"AdmissionReview","request":{{
            "uid":"1","kind":{{"group":"batch","version":"v1","kind":"Job"}},"operation":"CREATE",
            "userInfo":{{"username":"u"}}{fields}}}}} "#
        )
    }

    #[test]
    fn what_api_servers_write_is_what_serde_reads() {
        for fields in [
            "",
            r#","name":"pi","namespace":"shop","subResource":"status","dryRun":true,"unknown":{"a":"\u00e9"}"#,
            r#","object":{"metadata":{"name":"\"é\n"},"spec":[-1.5e3,null,[],{}]},"options": {"kind":"x"}"#,
            r#","object":{"a}":"}]\\\"{","b":[{}, "]"]},"oldObject":null,"dryRun":false"#,
            r#","resource":{"group":"batch"},"requestKind":{},"requestResource":{},"requestSubResource":"scale""#,
        ] {
            let (quick, general) = both(&review(fields));
            assert_eq!(quick, general, "{fields}");
            assert!(quick.is_some(), "{fields}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_serde() {
        let plain = review("");
        for body in [
            "",
            "[]",
            "{}x",
            &plain.replace(r#""uid":"1","#, ""),
            &plain.replace(r#""uid":"1","#, r#""uid":"1","uid":"2","#),
            &plain.replace(r#""uid":"1""#, r#""uid":"\u0031""#),
            &plain.replace(r#""uid":"1""#, r#""u\u0069d":"1""#),
            &plain.replace(r#""uid":"1""#, r#""uid":null"#),
            &plain.replace("[1,{}]", "[01,{}]"),
            &plain.replace("[1,{}]", "[1,{},]"),
            &plain.replace("[1,{}]", r#""\ud800""#),
            &plain.replace("[1,{}]", "\"\t\""),
        ] {
            assert_eq!(both(body).0, None, "{body}");
        }
    }
}
