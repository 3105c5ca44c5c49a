//! The users that processes run as.

use super::{Pod, Version, Violation};
use crate::pod_security::violation::Problem;

pub(super) fn run_as_non_root<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    let field = format_args!("securityContext.runAsNonRoot");
    if pod.security.run_as_non_root == Some(false) {
        found.push(Violation::of_pod(field, false));
    }
    let that_say = |said: Option<bool>| {
        pod.containers.iter().filter(move |container| container.security.run_as_non_root == said)
    };
    for container in that_say(Some(false)) {
        found.push(Violation::of_container(container, field, false));
    }
    if pod.security.run_as_non_root != Some(true) {
        for container in that_say(None) {
            found.push(Violation::of_container(container, field, Problem::Required));
        }
    }
}

pub(super) fn run_as_user<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    let field = format_args!("securityContext.runAsUser");
    if pod.security.run_as_user == Some(0) {
        found.push(Violation::of_pod(field, 0));
    }
    for container in &pod.containers {
        if container.security.run_as_user == Some(0) {
            found.push(Violation::of_container(container, field, 0));
        }
    }
}
