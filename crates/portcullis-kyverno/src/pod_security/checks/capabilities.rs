//! Capabilities of containers.

use portcullis_value::Value;

use super::{Pod, Version, Violation};
use crate::pod_security::violation::Problem;

/// What a container may add: the capabilities that runtimes give anyway.
const DEFAULT: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// From this version on Windows, which has no capabilities, needs drop none.
const WINDOWS_EXEMPT: Version = Version(25);

pub(super) fn baseline<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    forbid_added(pod, &DEFAULT, found);
}

pub(super) fn restricted<'a>(pod: &Pod<'a>, version: Version, found: &mut Vec<Violation<'a>>) {
    if pod.is_windows && version >= WINDOWS_EXEMPT {
        return;
    }
    for container in &pod.containers {
        let dropped: Vec<_> = texts(container.dropped).collect();
        let problem = match dropped.as_slice() {
            [] => Problem::Required,
            names if names.contains(&"ALL") => continue,
            _ => dropped.into(),
        };
        let field = format_args!("securityContext.capabilities.drop");
        found.push(Violation::of_container(container, field, problem));
    }
    forbid_added(pod, &["NET_BIND_SERVICE"], found);
}

fn forbid_added<'a>(pod: &Pod<'a>, allowed: &[&str], found: &mut Vec<Violation<'a>>) {
    for container in &pod.containers {
        let mut bad: Vec<_> = texts(container.added).filter(|name| !allowed.contains(name)).collect();
        if !bad.is_empty() {
            bad.sort_unstable();
            bad.dedup();
            let field = format_args!("securityContext.capabilities.add");
            found.push(Violation::of_container(container, field, bad));
        }
    }
}

/// COMPAT(kyverno): Go reads a null in a list of texts as an empty one.
fn texts<'a>(values: &'a [Value<'a>]) -> impl Iterator<Item = &'a str> {
    values.iter().map(|value| value.as_str().unwrap_or_default())
}
