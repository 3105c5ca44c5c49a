//! The path of a call to the API server, taken apart before anybody believes it.

use std::fmt::{self, Write as _};

/// A path below `/api` or `/apis`, with its query.
///
/// It is read once, and what was read is what is sent: nothing in it can mean another place to whoever reads it next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiPath {
    /// Decoded. None is empty, `.` or `..`, or holds a slash.
    segments: Vec<String>,
    /// Decoded keys and values.
    query: Vec<(String, Option<String>)>,
}

impl ApiPath {
    /// Reads `text` as `kubectl get --raw` takes it.
    ///
    /// # Errors
    /// It leads elsewhere than to an API, or not plainly: by dot segments, empty ones, or slashes that are encoded. So
    /// does a watch, which never ends. The text says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        let path = path.strip_prefix('/').ok_or("the path does not begin with a slash")?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let segments = path.split('/').map(segment).collect::<Result<Vec<_>, _>>()?;
        if !matches!(segments.first().map(String::as_str), Some("api" | "apis")) {
            return Err("the path is not below `/api` or `/apis`".to_owned());
        }
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(pair).collect::<Result<Vec<_>, _>>()?;
        if query.iter().any(|(key, value)| key == "watch" && !matches!(value.as_deref(), Some("false" | "0")))
        {
            return Err("a watch has no end".to_owned());
        }
        Ok(Self { segments, query })
    }

    /// The namespace that the path leads to.
    pub fn namespace(&self) -> Option<&str> {
        let after_version = if self.is_core() { 2 } else { 3 };
        match self.segments.get(after_version..)? {
            [namespaces, namespace, ..] if namespaces == "namespaces" => Some(namespace),
            _ => None,
        }
    }

    /// Whether it leads to a review of access or of a token: what can be created there is an answer, and nothing is kept.
    pub fn is_review(&self) -> bool {
        let resource = match &*self.segments {
            [_, group, _, resource] if is_about_access(group) => resource,
            [_, group, _, namespaces, _, resource]
                if is_about_access(group) && namespaces == "namespaces" =>
            {
                resource
            }
            _ => return false,
        };
        !self.is_core() && resource.ends_with("reviews")
    }

    fn is_core(&self) -> bool {
        self.segments.first().is_some_and(|first| first == "api")
    }
}

fn is_about_access(group: &str) -> bool {
    matches!(group, "authorization.k8s.io" | "authentication.k8s.io")
}

/// As it is sent.
impl fmt::Display for ApiPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            f.write_char('/')?;
            encode(f, segment)?;
        }
        for (place, (key, value)) in self.query.iter().enumerate() {
            f.write_char(if place == 0 { '?' } else { '&' })?;
            encode(f, key)?;
            if let Some(value) = value {
                f.write_char('=')?;
                encode(f, value)?;
            }
        }
        Ok(())
    }
}

fn segment(text: &str) -> Result<String, String> {
    let segment = decoded(text)?;
    match segment.as_str() {
        "" => Err("the path has an empty segment".to_owned()),
        "." | ".." => Err("the path has a dot segment".to_owned()),
        segment if segment.contains(['/', '\\', '%']) => {
            Err("the path has a slash or a percent sign that is encoded".to_owned())
        }
        _ => Ok(segment),
    }
}

fn pair(text: &str) -> Result<(String, Option<String>), String> {
    let text = text.replace('+', " ");
    Ok(match text.split_once('=') {
        Some((key, value)) => (decoded(key)?, Some(decoded(value)?)),
        None => (decoded(&text)?, None),
    })
}

/// `text` without the encoding by percent signs.
fn decoded(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.ok_or("a percent sign has no two hexadecimal digits after it")?);
        bytes.extend_from_slice(part.get(2..).unwrap_or_default().as_bytes());
    }
    let text = String::from_utf8(bytes).map_err(|_| "what is encoded is no text")?;
    if text.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    Ok(text)
}

fn encode(out: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.write_char(char::from(byte))?;
            }
            _ => write!(out, "%{byte:02X}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_sent_is_what_was_read() {
        for (text, sent) in [
            ("/api/v1/pods", "/api/v1/pods"),
            ("/api/v1/namespaces/a/pods/", "/api/v1/namespaces/a/pods"),
            ("/apis/a.b/v1/ü", "/apis/a.b/v1/%C3%BC"),
            ("/api/v1/pods?labelSelector=a in (b,c)", "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29"),
            ("/api/v1/pods?a=b+c&d&watch=false", "/api/v1/pods?a=b%20c&d&watch=false"),
            ("/api/v1/a%20b?x=%3d", "/api/v1/a%20b?x=%3D"),
            ("/api/v1/a#b", "/api/v1/a%23b"),
        ] {
            assert_eq!(ApiPath::parse(text).map(|path| path.to_string()).as_deref(), Ok(sent), "{text}");
        }
    }

    #[test]
    fn what_may_lead_elsewhere_is_refused() {
        for text in [
            "",
            "/",
            "api/v1/pods",
            "//api/v1",
            "/version",
            "/healthz",
            "/metrics",
            "/apix/v1",
            "/api//v1",
            "/api/v1/..",
            "/api/../version",
            "/api/./v1",
            "/api/%2e%2e/version",
            "/api/.%2E/v1",
            "/api/v1/a%2fb",
            "/api/v1/a%5Cb",
            "/api/v1/a\\b",
            "/api/%252e%252e/v1",
            "/api/v1/a\r\nb",
            "/api/v1/a%0ab",
            "/api/v1/a%zz",
            "/api/v1/a%2",
            "/api/v1/a%ff",
            "/api/v1/pods?watch=true",
            "/api/v1/pods?watch",
            "/api/v1/pods?w%61tch=1",
            "/api/v1/pods?x=%0d",
            "https://elsewhere/api/v1",
        ] {
            assert!(ApiPath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_namespace_stands_in_one_place_alone() {
        for (text, namespace) in [
            ("/api/v1/namespaces/a/pods", Some("a")),
            ("/apis/apps/v1/namespaces/a/deployments", Some("a")),
            ("/api/v1/namespaces/a", Some("a")),
            ("/api/v1/namespaces", None),
            ("/api/v1/pods", None),
            ("/apis/apps/v1/deployments/namespaces/a", None),
            ("/api/v1/namespaces/a/pods/namespaces/b", Some("a")),
            ("/api/v1/nodes/namespaces/a", None),
            ("/api/v1/x?/namespaces/a", None),
        ] {
            assert_eq!(ApiPath::parse(text).unwrap().namespace(), namespace, "{text}");
        }
    }

    #[test]
    fn a_review_is_a_review_by_its_group_and_place() {
        let is_review = |text| ApiPath::parse(text).unwrap().is_review();
        assert!(is_review("/apis/authorization.k8s.io/v1/subjectaccessreviews"));
        assert!(is_review("/apis/authorization.k8s.io/v1/namespaces/a/localsubjectaccessreviews"));
        assert!(is_review("/apis/authentication.k8s.io/v1/tokenreviews"));
        for text in [
            "/apis/example.com/v1/subjectaccessreviews",
            "/api/authorization.k8s.io/v1/subjectaccessreviews",
            "/apis/authorization.k8s.io/v1/subjectaccessreviews/x",
            "/api/v1/namespaces/a/pods",
            "/apis/rbac.authorization.k8s.io/v1/roles",
        ] {
            assert!(!is_review(text), "{text}");
        }
    }

    proptest! {
        /// Whatever is read leads where it was read to lead, also for whoever reads what is sent.
        #[test]
        fn a_path_that_is_read_again_is_the_same(text in "/api[s]?(/[a-z.%0-9/]{0,8}){0,5}(\\?[a-z=&%+0-9]{0,12})?") {
            if let Ok(path) = ApiPath::parse(&text) {
                let sent = path.to_string();
                prop_assert_eq!(ApiPath::parse(&sent), Ok(path));
                let mut segments = sent.split('?').next().unwrap().split('/').skip(1);
                prop_assert!(segments.all(|segment| !matches!(segment, "" | "." | "..")), "{sent}");
            }
        }
    }
}
