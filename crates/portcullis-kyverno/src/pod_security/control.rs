//! The controls of the standards, by the names that exclusions have for them.

/// A control.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) name: &'static str,
    pub(crate) images: Images,
    /// Whether it is a control of the level `restricted` alone.
    pub(crate) is_restricted: bool,
}

/// Whether an exclusion of a control names images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Images {
    /// The control is about containers.
    Required,
    /// It is about containers and the Pod: with images the exclusion is for containers, without for the Pod.
    Optional,
    /// It is about the Pod.
    Forbidden,
}

impl Control {
    /// The control of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Control> {
        CONTROLS.iter().find(|control| control.name == name)
    }

    const fn baseline(name: &'static str, images: Images) -> Self {
        Control { name, images, is_restricted: false }
    }

    const fn restricted(name: &'static str, images: Images) -> Self {
        Control { name, images, is_restricted: true }
    }
}

pub(super) const HOST_PROCESS: &str = "HostProcess";
pub(super) const HOST_NAMESPACES: &str = "Host Namespaces";
pub(super) const PRIVILEGED_CONTAINERS: &str = "Privileged Containers";
pub(super) const CAPABILITIES: &str = "Capabilities";
pub(super) const HOST_PATH_VOLUMES: &str = "HostPath Volumes";
pub(super) const HOST_PORTS: &str = "Host Ports";
pub(super) const APP_ARMOR: &str = "AppArmor";
pub(super) const SE_LINUX: &str = "SELinux";
pub(super) const PROC_MOUNT_TYPE: &str = "/proc Mount Type";
pub(super) const SECCOMP: &str = "Seccomp";
pub(super) const SYSCTLS: &str = "Sysctls";
pub(super) const VOLUME_TYPES: &str = "Volume Types";
pub(super) const PRIVILEGE_ESCALATION: &str = "Privilege Escalation";
pub(super) const RUNNING_AS_NON_ROOT: &str = "Running as Non-root";
pub(super) const RUNNING_AS_NON_ROOT_USER: &str = "Running as Non-root user";

/// Every control, in the order of the schema.
pub(crate) static CONTROLS: [Control; 15] = [
    Control::baseline(HOST_PROCESS, Images::Optional),
    Control::baseline(HOST_NAMESPACES, Images::Forbidden),
    Control::baseline(PRIVILEGED_CONTAINERS, Images::Required),
    Control::baseline(CAPABILITIES, Images::Required),
    Control::baseline(HOST_PATH_VOLUMES, Images::Forbidden),
    Control::baseline(HOST_PORTS, Images::Required),
    Control::baseline(APP_ARMOR, Images::Optional),
    Control::baseline(SE_LINUX, Images::Optional),
    Control::baseline(PROC_MOUNT_TYPE, Images::Required),
    Control::baseline(SECCOMP, Images::Optional),
    Control::baseline(SYSCTLS, Images::Forbidden),
    Control::restricted(VOLUME_TYPES, Images::Forbidden),
    Control::restricted(PRIVILEGE_ESCALATION, Images::Required),
    Control::restricted(RUNNING_AS_NON_ROOT, Images::Optional),
    Control::restricted(RUNNING_AS_NON_ROOT_USER, Images::Optional),
];

/// The names of all controls.
#[expect(clippy::indexing_slicing, reason = "out of range would be an error of the build")]
pub(crate) static CONTROL_NAMES: [&str; CONTROLS.len()] = {
    let mut names = [""; CONTROLS.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = CONTROLS[index].name;
        index += 1;
    }
    names
};
