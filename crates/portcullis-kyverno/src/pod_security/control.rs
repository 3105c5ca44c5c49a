//! The controls of the standards, by the names that exclusions have for them.

/// A control.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Control {
    pub(crate) name: &'static str,
    pub(crate) images: Images,
    /// The fields that it is about, below the Pod's `spec`, a container, or both, as `images` says.
    fields: &'static [&'static str],
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

    /// The fields that an exclusion can name, with or without images; `<type>` stands for any.
    ///
    /// Annotations are not among them: see [`Control::finds`].
    pub(crate) fn fields(&self, has_images: bool) -> Vec<String> {
        let places: &[&str] = match (self.images, has_images) {
            (Images::Forbidden, _) => &["spec."],
            (Images::Optional, false) => &["spec.", "spec.containers[*]."],
            _ => &["spec.containers[*].", "spec.initContainers[*].", "spec.ephemeralContainers[*]."],
        };
        let in_place = |place| self.fields.iter().map(move |field| format!("{place}{field}"));
        places.iter().copied().flat_map(in_place).collect()
    }

    /// Whether an exclusion that names `field` can be of any use.
    pub(crate) fn finds(&self, field: &str, has_images: bool) -> bool {
        let is_so = |known: &String| match known.strip_suffix("<type>") {
            Some(any) => field.starts_with(any),
            None => field == known,
        };
        let is_annotation =
            matches!(self.name, APP_ARMOR | SECCOMP) && field.starts_with("metadata.annotations[");
        self.fields(has_images).iter().any(is_so) || is_annotation
    }

    const fn baseline(name: &'static str, images: Images, fields: &'static [&'static str]) -> Self {
        Control { name, images, fields, is_restricted: false }
    }

    const fn restricted(name: &'static str, images: Images, fields: &'static [&'static str]) -> Self {
        Control { name, images, fields, is_restricted: true }
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
    Control::baseline(HOST_PROCESS, Images::Optional, &["securityContext.windowsOptions.hostProcess"]),
    Control::baseline(HOST_NAMESPACES, Images::Forbidden, &["hostNetwork", "hostPID", "hostIPC"]),
    Control::baseline(PRIVILEGED_CONTAINERS, Images::Required, &["securityContext.privileged"]),
    Control::baseline(
        CAPABILITIES,
        Images::Required,
        &["securityContext.capabilities.add", "securityContext.capabilities.drop"],
    ),
    Control::baseline(HOST_PATH_VOLUMES, Images::Forbidden, &["volumes[*].hostPath"]),
    Control::baseline(HOST_PORTS, Images::Required, &["ports[*].hostPort"]),
    Control::baseline(APP_ARMOR, Images::Optional, &["securityContext.appArmorProfile.type"]),
    Control::baseline(
        SE_LINUX,
        Images::Optional,
        &[
            "securityContext.seLinuxOptions.type",
            "securityContext.seLinuxOptions.user",
            "securityContext.seLinuxOptions.role",
        ],
    ),
    Control::baseline(PROC_MOUNT_TYPE, Images::Required, &["securityContext.procMount"]),
    Control::baseline(SECCOMP, Images::Optional, &["securityContext.seccompProfile.type"]),
    Control::baseline(SYSCTLS, Images::Forbidden, &["securityContext.sysctls[*].name"]),
    Control::restricted(VOLUME_TYPES, Images::Forbidden, &["volumes[*].<type>"]),
    Control::restricted(
        PRIVILEGE_ESCALATION,
        Images::Required,
        &["securityContext.allowPrivilegeEscalation"],
    ),
    Control::restricted(RUNNING_AS_NON_ROOT, Images::Optional, &["securityContext.runAsNonRoot"]),
    Control::restricted(RUNNING_AS_NON_ROOT_USER, Images::Optional, &["securityContext.runAsUser"]),
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
