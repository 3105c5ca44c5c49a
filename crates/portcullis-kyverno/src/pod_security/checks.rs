//! The checks that the standards consist of: what each looks at, and what it holds for good.
//!
//! They follow the Pod Security Standards of Kubernetes (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>).
//! A check that has changed over time looks at the version itself.
//!
//! COMPAT(kyverno): every check counts at every version, also where Kubernetes has had it since a later one
//! (`capabilities_restricted` 1.22, `runAsUser` 1.23, `hostProbesAndHostLifecycle` 1.34), and Pods with a user namespace
//! of their own (`hostUsers: false`) keep to the same rules as all others.

mod capabilities;
mod containers;
mod host;
mod profiles;
mod users;
mod volumes;

use super::control;
use super::pod::Pod;
use super::standard::{Level, Version};
use super::violation::Violation;

/// One check.
#[derive(Debug)]
pub(super) struct Check {
    /// The name that reports have for it.
    pub(super) id: &'static str,
    pub(super) level: Level,
    /// The control that it belongs to; empty for one that cannot be excluded.
    pub(super) control: &'static str,
    /// What is wrong with a Pod that fails it, in the reference's words.
    pub(super) reason: &'static str,
    /// What it asks for, for explanations.
    pub(super) asks_for: &'static str,
    /// Adds what is wrong with a Pod by the standards of a version.
    pub(super) judge: for<'a> fn(&Pod<'a>, Version, &mut Vec<Violation<'a>>),
}

use Level::{Baseline, Restricted};

/// All checks, in the reference's order.
pub(super) static CHECKS: [Check; 18] = [
    Check {
        id: "allowPrivilegeEscalation",
        level: Restricted,
        control: control::PRIVILEGE_ESCALATION,
        reason: "allowPrivilegeEscalation != false",
        asks_for: "`allowPrivilegeEscalation: false` in every container",
        judge: containers::allow_privilege_escalation,
    },
    Check {
        id: "appArmorProfile",
        level: Baseline,
        control: control::APP_ARMOR,
        reason: "forbidden AppArmor profile(s)",
        asks_for: "profiles of type `RuntimeDefault` or `Localhost`, or none",
        judge: profiles::app_armor,
    },
    Check {
        id: "capabilities_baseline",
        level: Baseline,
        control: control::CAPABILITIES,
        reason: "non-default capabilities",
        asks_for: "added capabilities among AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, \
            SETFCAP, SETGID, SETPCAP, SETUID and SYS_CHROOT",
        judge: capabilities::baseline,
    },
    Check {
        id: "capabilities_restricted",
        level: Restricted,
        control: control::CAPABILITIES,
        reason: "unrestricted capabilities",
        asks_for: "containers that drop ALL, and add nothing but NET_BIND_SERVICE",
        judge: capabilities::restricted,
    },
    Check {
        id: "hostNamespaces",
        level: Baseline,
        control: control::HOST_NAMESPACES,
        reason: "host namespaces",
        asks_for: "namespaces of the Pod's own",
        judge: host::namespaces,
    },
    Check {
        id: "hostPathVolumes",
        level: Baseline,
        control: control::HOST_PATH_VOLUMES,
        reason: "hostPath volumes",
        asks_for: "volumes of other types",
        judge: volumes::host_path,
    },
    Check {
        id: "hostPorts",
        level: Baseline,
        control: control::HOST_PORTS,
        reason: "hostPort",
        asks_for: "containers without ports of the node",
        judge: host::ports,
    },
    Check {
        id: "hostProbesAndHostLifecycle",
        level: Baseline,
        control: "",
        reason: "probe or lifecycle host",
        asks_for: "probes and lifecycle hooks that name no host, and so turn to the Pod",
        judge: host::probes_and_lifecycle,
    },
    Check {
        id: "privileged",
        level: Baseline,
        control: control::PRIVILEGED_CONTAINERS,
        reason: "privileged",
        asks_for: "containers that are not privileged",
        judge: containers::privileged,
    },
    Check {
        id: "procMount",
        level: Baseline,
        control: control::PROC_MOUNT_TYPE,
        reason: "procMount",
        asks_for: "`Default`, or none",
        judge: containers::proc_mount,
    },
    Check {
        id: "restrictedVolumes",
        level: Restricted,
        control: control::VOLUME_TYPES,
        reason: "restricted volume types",
        asks_for: "volumes of types configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, \
            projected and secret",
        judge: volumes::restricted_types,
    },
    Check {
        id: "runAsNonRoot",
        level: Restricted,
        control: control::RUNNING_AS_NON_ROOT,
        reason: "runAsNonRoot != true",
        asks_for: "`runAsNonRoot: true` in the Pod or in every container, and `false` nowhere",
        judge: users::run_as_non_root,
    },
    Check {
        id: "runAsUser",
        level: Restricted,
        control: control::RUNNING_AS_NON_ROOT_USER,
        reason: "runAsUser=0",
        asks_for: "users other than 0",
        judge: users::run_as_user,
    },
    Check {
        id: "seLinuxOptions",
        level: Baseline,
        control: control::SE_LINUX,
        reason: "seLinuxOptions",
        asks_for: "types container_t, container_init_t, container_kvm_t and, since v1.31, container_engine_t; no user and no role",
        judge: profiles::se_linux,
    },
    Check {
        id: "seccompProfile_baseline",
        level: Baseline,
        control: control::SECCOMP,
        reason: "seccompProfile",
        asks_for: "profiles of type `RuntimeDefault` or `Localhost`, or none",
        judge: profiles::seccomp_baseline,
    },
    Check {
        id: "seccompProfile_restricted",
        level: Restricted,
        control: control::SECCOMP,
        reason: "seccompProfile",
        asks_for: "a profile of type `RuntimeDefault` or `Localhost` in the Pod or in every container",
        judge: profiles::seccomp_restricted,
    },
    Check {
        id: "sysctls",
        level: Baseline,
        control: control::SYSCTLS,
        reason: "forbidden sysctls",
        asks_for: "sysctls that the version of Kubernetes holds for safe",
        judge: host::sysctls,
    },
    Check {
        id: "windowsHostProcess",
        level: Baseline,
        control: control::HOST_PROCESS,
        reason: "hostProcess",
        asks_for: "containers that are no HostProcess of Windows",
        judge: host::windows_process,
    },
];
