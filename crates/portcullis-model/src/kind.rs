//! Kind selectors: `Pod`, `apps/v1/Deployment`, `*/scale`.

use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use portcullis_gocompat::wildcard::{self, contains_wildcard};

use crate::Gvk;

/// Which kinds and subresources a filter names. Every part is a wildcard.
///
/// Clones share their memory: rules, targets and indexes name the same kinds again and again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindSelector(Arc<KindParts>);

/// The parts of a [`KindSelector`].
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindParts {
    pub group: Box<str>,
    pub version: Box<str>,
    pub kind: Box<str>,
    /// Empty for the resource itself.
    pub subresource: Box<str>,
    /// The text that the parts were read from.
    pub written: Box<str>,
    /// Whether it is a kind and nothing else.
    is_kind_alone: bool,
}

/// What nearly every policy names, be it by autogen: one selector of each serves them all.
static COMMON: LazyLock<[KindSelector; 8]> = LazyLock::new(|| {
    [
        "Pod",
        "apps/v1/DaemonSet",
        "apps/v1/Deployment",
        "apps/v1/ReplicaSet",
        "apps/v1/StatefulSet",
        "batch/v1/CronJob",
        "batch/v1/Job",
        "v1/ReplicationController",
    ]
    .map(KindSelector::read)
});

impl Deref for KindSelector {
    type Target = KindParts;

    fn deref(&self) -> &KindParts {
        &self.0
    }
}

impl KindSelector {
    /// Reads `[group/][version/]kind[/subresource]`; the last slash may be a dot.
    ///
    /// What cannot be read that way gives a selector of empty parts, which names no kind.
    pub fn parse(text: &str) -> Self {
        let common = COMMON.iter().find(|selector| *selector.written == *text);
        common.cloned().unwrap_or_else(|| Self::read(text))
    }

    fn read(text: &str) -> Self {
        let (head, last) = text.rsplit_once('/').map_or((None, text), |(head, last)| (Some(head), last));
        let parts: Vec<&str> =
            head.into_iter().flat_map(|head| head.split('/')).chain(last.split('.')).collect();
        let [group, version, kind, subresource] = match *parts {
            [kind] => ["*", "*", kind, ""],
            ["*", "*"] => ["*", "*", "*", "*"],
            // COMPAT(kyverno): `*/scale` is a subresource of any kind and `*/Pod` a kind, told apart by the case alone.
            ["*", subresource] if is_lower_case(subresource) => ["*", "*", "*", subresource],
            [version, kind] if is_version(version) => ["*", version, kind, ""],
            [kind, subresource] => ["*", "*", kind, subresource],
            [version, kind, subresource] if is_version(version) => ["*", version, kind, subresource],
            [group, version, kind] => [group, version, kind, ""],
            [group, version, kind, subresource] => [group, version, kind, subresource],
            _ => [""; 4],
        };
        let is_kind_alone = [group, version, subresource] == ["*", "*", ""] && !contains_wildcard(kind);
        Self(Arc::new(KindParts {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            subresource: subresource.into(),
            written: text.into(),
            is_kind_alone,
        }))
    }

    /// Whether the selector names `gvk` and `subresource`, which is empty for the resource itself.
    ///
    /// With `ephemeral_containers` a selector of Pods names their `ephemeralcontainers` too, as in rules and exceptions.
    pub fn matches(&self, gvk: Gvk<'_>, subresource: &str, ephemeral_containers: bool) -> bool {
        let of_pod = || {
            ephemeral_containers
                && gvk == Gvk { group: "", version: "v1", kind: "Pod" }
                && subresource == "ephemeralcontainers"
        };
        if self.is_kind_alone {
            return *self.kind == *gvk.kind && (subresource.is_empty() || of_pod());
        }
        // Most parts are a star or a name: no look at the letters of the other.
        let fits =
            |pattern: &str, text: &str| pattern == "*" || pattern == text || wildcard::matches(pattern, text);
        fits(&self.kind, gvk.kind)
            && fits(&self.group, gvk.group)
            && fits(&self.version, gvk.version)
            && (fits(&self.subresource, subresource) || of_pod())
    }
}

/// `v1`, `v2beta3`, `*`.
fn is_version(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(rest) = text.strip_prefix('v') else { return text == "*" };
    match rest.split_once("alpha").or_else(|| rest.split_once("beta")) {
        Some((major, minor)) => digits(major) && digits(minor),
        None => digits(rest),
    }
}

/// Whether lower-casing changes nothing, as in a text without letters.
fn is_lower_case(text: &str) -> bool {
    text.chars().all(|letter| letter.to_lowercase().eq([letter]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: [&str; 4]) {
        let selector = KindSelector::parse(text);
        let KindParts { group, version, kind, subresource, .. } = &*selector;
        assert_eq!([&**group, &**version, &**kind, &**subresource], want, "`{text}`");
    }

    #[test]
    fn kinds_are_read_from_the_right() {
        check("Pod", ["*", "*", "Pod", ""]);
        check("v1/Pod", ["*", "v1", "Pod", ""]);
        check("Pod/status", ["*", "*", "Pod", "status"]);
        check("Pod.status", ["*", "*", "Pod", "status"]);
        check("v1/Pod.status", ["*", "v1", "Pod", "status"]);
        check("apps/v1/Deployment", ["apps", "v1", "Deployment", ""]);
        check("apps/v1/Deployment/scale", ["apps", "v1", "Deployment", "scale"]);
        check(
            "networking.k8s.io/v1beta1/Ingress.status",
            ["networking.k8s.io", "v1beta1", "Ingress", "status"],
        );
    }

    #[test]
    fn stars_stand_for_any_part() {
        check("*", ["*", "*", "*", ""]);
        check("*/*", ["*", "*", "*", "*"]);
        check("*/scale", ["*", "*", "*", "scale"]);
        check("*/Pod", ["*", "*", "Pod", ""]);
        check("*/*/Deployment", ["*", "*", "*", "Deployment"]);
        check("*/123", ["*", "*", "*", "123"]);
        check("*/É", ["*", "*", "É", ""]);
    }

    #[test]
    fn what_makes_no_sense_names_nothing() {
        check("a/b/c/d/e", [""; 4]);
        check("Pod.status.x", ["Pod", "status", "x", ""]);
        check("apps/Deployment", ["*", "*", "apps", "Deployment"]);
        assert!(!KindSelector::parse("a/b/c/d/e").matches(Gvk::new("v1", "Pod"), "", true));
    }

    #[test]
    fn pods_bring_their_ephemeral_containers() {
        let pods = KindSelector::parse("Pod");
        let (pod, deployment) = (Gvk::new("v1", "Pod"), Gvk::new("apps/v1", "Deployment"));
        assert!(pods.matches(pod, "", false));
        assert!(!pods.matches(deployment, "", true));
        assert!(!pods.matches(pod, "status", true));
        assert!(pods.matches(pod, "ephemeralcontainers", true));
        assert!(!pods.matches(pod, "ephemeralcontainers", false));
    }
}
