//! What confines processes: AppArmor, SELinux and seccomp.

use super::{Pod, Version, Violation};
use crate::pod_security::violation::Problem;

/// Before profiles were fields, annotations named them: one for each container, by its name.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP_ANNOTATION: &str = "seccomp.security.alpha.kubernetes.io/pod";
const SECCOMP_CONTAINER_ANNOTATION: &str = "container.seccomp.security.alpha.kubernetes.io/";

/// The types of SELinux that a Pod may ask for, each with the version from which on it may.
const SE_LINUX_TYPES: [(&str, Version); 5] = [
    ("", Version(0)),
    ("container_t", Version(0)),
    ("container_init_t", Version(0)),
    ("container_kvm_t", Version(0)),
    ("container_engine_t", Version(31)),
];
/// From this version on seccomp profiles are fields.
const SECCOMP_FIELDS: Version = Version(19);
/// From this version on Windows, which has no seccomp, needs no profile.
const WINDOWS_EXEMPT: Version = Version(25);

/// Whether a profile of this type confines.
fn confines(r#type: &str) -> bool {
    matches!(r#type, "RuntimeDefault" | "Localhost")
}

pub(super) fn app_armor<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    let is_bad = |profile: &&str| !confines(profile);
    let field = format_args!("securityContext.appArmorProfile.type");
    if let Some(profile) = pod.security.app_armor.filter(is_bad) {
        found.push(Violation::of_pod(field, profile));
    }
    for container in &pod.containers {
        if let Some(profile) = container.security.app_armor.filter(is_bad) {
            found.push(Violation::of_container(container, field, profile));
        }
    }
    for (key, value) in pod.annotations.iter().filter(|(key, _)| key.starts_with(APP_ARMOR_ANNOTATION)) {
        let profile = value.as_str().unwrap_or_default();
        if !matches!(profile, "" | "runtime/default") && !profile.starts_with("localhost/") {
            found.push(Violation::of_annotation(key, profile));
        }
    }
}

pub(super) fn se_linux<'a>(pod: &Pod<'a>, version: Version, found: &mut Vec<Violation<'a>>) {
    let is_bad = |(part, value): &(&str, &str)| match *part {
        "type" => !SE_LINUX_TYPES.iter().any(|(name, since)| name == value && *since <= version),
        _ => !value.is_empty(),
    };
    for (part, value) in pod.security.se_linux.into_iter().filter(is_bad) {
        found.push(Violation::of_pod(format_args!("securityContext.seLinuxOptions.{part}"), value));
    }
    for container in &pod.containers {
        for (part, value) in container.security.se_linux.into_iter().filter(is_bad) {
            let field = format_args!("securityContext.seLinuxOptions.{part}");
            found.push(Violation::of_container(container, field, value));
        }
    }
}

pub(super) fn seccomp_baseline<'a>(pod: &Pod<'a>, version: Version, found: &mut Vec<Violation<'a>>) {
    if version < SECCOMP_FIELDS {
        return seccomp_annotations(pod, found);
    }
    let is_bad = |profile: &&str| !confines(profile);
    let field = format_args!("securityContext.seccompProfile.type");
    if let Some(profile) = pod.security.seccomp.filter(is_bad) {
        found.push(Violation::of_pod(field, profile));
    }
    for container in &pod.containers {
        if let Some(profile) = container.security.seccomp.filter(is_bad) {
            found.push(Violation::of_container(container, field, profile));
        }
    }
}

fn seccomp_annotations<'a>(pod: &Pod<'a>, found: &mut Vec<Violation<'a>>) {
    let is_bad = |profile: &str| {
        !matches!(profile, "runtime/default" | "docker/default") && !profile.starts_with("localhost/")
    };
    let of_containers = pod.containers.iter().map(|container| {
        let key = format!("{SECCOMP_CONTAINER_ANNOTATION}{}", container.name);
        (key, Some((container.name, container.image)))
    });
    for (key, container) in std::iter::once((SECCOMP_ANNOTATION.to_owned(), None)).chain(of_containers) {
        if let Some(value) = pod.annotations.get(&key) {
            let profile = value.as_str().unwrap_or_default();
            if is_bad(profile) {
                found.push(Violation { container, ..Violation::of_annotation(&key, profile) });
            }
        }
    }
}

pub(super) fn seccomp_restricted<'a>(pod: &Pod<'a>, version: Version, found: &mut Vec<Violation<'a>>) {
    if pod.is_windows && version >= WINDOWS_EXEMPT {
        return;
    }
    let before = found.len();
    seccomp_baseline(pod, version.max(SECCOMP_FIELDS), found);
    // A bad profile hides that there is none elsewhere.
    if found.len() > before || pod.security.seccomp.is_some() {
        return;
    }
    for container in pod.containers.iter().filter(|container| container.security.seccomp.is_none()) {
        let field = format_args!("securityContext.seccompProfile.type");
        found.push(Violation::of_container(container, field, Problem::Required));
    }
}
