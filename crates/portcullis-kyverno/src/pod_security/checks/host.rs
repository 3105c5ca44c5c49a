//! What a Pod takes of its node.

use super::{Pod, Version, Violation};

/// The sysctls that are safe, each with the version from which on it is held so.
const SAFE_SYSCTLS: [(&str, Version); 12] = [
    ("kernel.shm_rmid_forced", Version(0)),
    ("net.ipv4.ip_local_port_range", Version(0)),
    ("net.ipv4.ip_unprivileged_port_start", Version(0)),
    ("net.ipv4.ping_group_range", Version(0)),
    ("net.ipv4.tcp_syncookies", Version(0)),
    ("net.ipv4.ip_local_reserved_ports", Version(27)),
    ("net.ipv4.tcp_fin_timeout", Version(29)),
    ("net.ipv4.tcp_keepalive_intvl", Version(29)),
    ("net.ipv4.tcp_keepalive_probes", Version(29)),
    ("net.ipv4.tcp_keepalive_time", Version(29)),
    ("net.ipv4.tcp_rmem", Version(32)),
    ("net.ipv4.tcp_wmem", Version(32)),
];

pub(super) fn namespaces<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for (field, is_shared) in
        [("hostNetwork", pod.host_network), ("hostPID", pod.host_pid), ("hostIPC", pod.host_ipc)]
    {
        if is_shared {
            found.push(Violation::of_pod(format_args!("{field}"), true));
        }
    }
}

pub(super) fn ports<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for container in &pod.containers {
        for (index, port) in &container.host_ports {
            let field = format_args!("ports[{index}].hostPort");
            found.push(Violation::of_container(container, field, *port));
        }
    }
}

pub(super) fn probes_and_lifecycle<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    for container in &pod.containers {
        for (field, host) in &container.hosts {
            found.push(Violation::of_container(container, format_args!("{field}"), *host));
        }
    }
}

pub(super) fn sysctls<'a>(pod: &Pod<'a>, version: Version, found: &mut Vec<Violation<'a>>) {
    for (index, sysctl) in pod.sysctls.iter().enumerate() {
        if !SAFE_SYSCTLS.iter().any(|(name, since)| name == sysctl && *since <= version) {
            found.push(Violation::of_pod(format_args!("securityContext.sysctls[{index}].name"), *sysctl));
        }
    }
}

pub(super) fn windows_process<'a>(pod: &Pod<'a>, _version: Version, found: &mut Vec<Violation<'a>>) {
    let field = format_args!("securityContext.windowsOptions.hostProcess");
    if pod.security.host_process {
        found.push(Violation::of_pod(field, true));
    }
    for container in pod.containers.iter().filter(|container| container.security.host_process) {
        found.push(Violation::of_container(container, field, true));
    }
}
