//! What containers alone say in their security context.

use super::{Pod, Version, Violation};
use crate::pod_security::violation::{Bad, Problem};

/// From this version on Windows, which has no such thing, need not say that it escalates no privileges.
const WINDOWS_EXEMPT: Version = Version(25);

pub(super) fn allow_privilege_escalation<'a>(
    pod: &Pod<'a>,
    version: Version,
    found: &mut Vec<Violation<'a>>,
) {
    if pod.is_windows && version >= WINDOWS_EXEMPT {
        return;
    }
    for container in &pod.containers {
        let problem = match container.allow_privilege_escalation {
            Some(false) => continue,
            Some(true) => true.into(),
            None if container.has_security_context => Problem::Value(Bad::Nil),
            None => Problem::Required,
        };
        let field = format_args!("securityContext.allowPrivilegeEscalation");
        found.push(Violation::of_container(container, field, problem));
    }
}

pub(super) fn privileged<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for container in pod.containers.iter().filter(|container| container.privileged) {
        found.push(Violation::of_container(container, format_args!("securityContext.privileged"), true));
    }
}

pub(super) fn proc_mount<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for container in &pod.containers {
        if let Some(kind) = container.proc_mount
            && kind != "Default"
        {
            found.push(Violation::of_container(container, format_args!("securityContext.procMount"), kind));
        }
    }
}
