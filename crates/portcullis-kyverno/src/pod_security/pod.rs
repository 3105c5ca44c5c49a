//! The fields of a Pod that the standards are about, read once and borrowed from the document.

use portcullis_value::{Object, Value};

use super::read::{WrongType, flag, integer, items, object, text, texts};

/// What the standards look at in a Pod, or in a template of Pods.
///
/// Lists hold what is there in few Pods alone, so that reading most Pods allocates the list of containers and no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Pod<'a> {
    pub(super) annotations: Object<'a>,
    pub(super) host_network: bool,
    pub(super) host_pid: bool,
    pub(super) host_ipc: bool,
    pub(super) is_windows: bool,
    pub(super) security: SecurityContext<'a>,
    pub(super) sysctls: Vec<&'a str>,
    /// The name and the source of each.
    pub(super) volumes: &'a [Value<'a>],
    /// In the order in which they are checked: init, regular, ephemeral.
    pub(super) containers: Vec<Container<'a>>,
}

/// What the standards look at in a container.
#[derive(Clone, Debug, Default)]
pub(super) struct Container<'a> {
    /// The list that it stands in.
    pub(super) list: &'static str,
    pub(super) index: usize,
    pub(super) name: &'a str,
    pub(super) image: &'a str,
    /// Ports of the node that it takes, each with its index among the container's ports.
    pub(super) host_ports: Vec<(usize, i64)>,
    /// Hosts that probes and lifecycle hooks name: the field, and the host.
    pub(super) hosts: Vec<(String, &'a str)>,
    pub(super) has_security_context: bool,
    pub(super) allow_privilege_escalation: Option<bool>,
    pub(super) privileged: bool,
    pub(super) proc_mount: Option<&'a str>,
    /// Capabilities, all of them text.
    pub(super) added: &'a [Value<'a>],
    pub(super) dropped: &'a [Value<'a>],
    pub(super) security: SecurityContext<'a>,
}

/// What the security contexts of Pods and containers have in common.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SecurityContext<'a> {
    pub(super) run_as_non_root: Option<bool>,
    pub(super) run_as_user: Option<i64>,
    /// The types of the profiles; empty for a profile without one.
    pub(super) seccomp: Option<&'a str>,
    pub(super) app_armor: Option<&'a str>,
    /// Of the SELinux options: type, user and role.
    pub(super) se_linux: [(&'static str, &'a str); 3],
    /// Whether it is a HostProcess of Windows.
    pub(super) host_process: bool,
}

impl<'a> Pod<'a> {
    /// Reads a Pod from its `metadata` and `spec`, as paths from there name them.
    ///
    /// # Errors
    /// A field that is looked at is not of the type that Kubernetes gives it.
    pub(super) fn read(metadata: Value<'a>, spec: Value<'a>) -> Result<Self, WrongType> {
        let mut pod = Pod::default();
        object(metadata, |key, value| match key {
            "annotations" => {
                object(value, |_, value| text(value).map(drop))?;
                pod.annotations = value.as_object().unwrap_or_default();
                Ok(())
            }
            _ => Ok(()),
        })
        .map_err(|error| error.below("metadata"))?;
        pod.read_spec(spec).map_err(|error| error.below("spec"))?;
        Ok(pod)
    }

    fn read_spec(&mut self, spec: Value<'a>) -> Result<(), WrongType> {
        let (mut init, mut regular, mut ephemeral) = Default::default();
        object(spec, |key, value| {
            match key {
                "initContainers" => init = items(value)?,
                "containers" => regular = items(value)?,
                "ephemeralContainers" => ephemeral = items(value)?,
                "hostNetwork" => self.host_network = flag(value)? == Some(true),
                "hostPID" => self.host_pid = flag(value)? == Some(true),
                "hostIPC" => self.host_ipc = flag(value)? == Some(true),
                "os" => object(value, |key, value| {
                    if key == "name" {
                        self.is_windows = text(value)? == Some("windows");
                    }
                    Ok(())
                })?,
                "securityContext" => self.read_security(value)?,
                "volumes" => self.volumes = read_volumes(value)?,
                _ => {}
            }
            Ok(())
        })?;
        self.containers.reserve_exact(init.len() + regular.len() + ephemeral.len());
        for (list, containers) in
            [("initContainers", init), ("containers", regular), ("ephemeralContainers", ephemeral)]
        {
            for (index, container) in containers.iter().enumerate() {
                let container =
                    Container::read(list, index, *container).map_err(|error| error.at(index).below(list))?;
                self.containers.push(container);
            }
        }
        Ok(())
    }

    fn read_security(&mut self, context: Value<'a>) -> Result<(), WrongType> {
        object(context, |key, value| match key {
            "sysctls" => {
                for (index, sysctl) in items(value)?.iter().enumerate() {
                    let mut name = "";
                    object(*sysctl, |key, value| {
                        if key == "name" {
                            name = text(value)?.unwrap_or_default();
                        }
                        Ok(())
                    })
                    .map_err(|error| error.at(index))?;
                    self.sysctls.push(name);
                }
                Ok(())
            }
            _ => self.security.read(key, value),
        })
    }
}

/// The volumes, of which each source is found to be a map.
fn read_volumes(volumes: Value<'_>) -> Result<&[Value<'_>], WrongType> {
    let volumes = items(volumes)?;
    for (index, volume) in volumes.iter().enumerate() {
        object(*volume, |key, source| match key {
            "name" => text(source).map(drop),
            "hostPath" => object(source, |key, value| match key {
                "path" => text(value).map(drop),
                _ => Ok(()),
            }),
            _ => object(source, |_, _| Ok(())),
        })
        .map_err(|error| error.at(index))?;
    }
    Ok(volumes)
}

impl<'a> Container<'a> {
    fn read(list: &'static str, index: usize, value: Value<'a>) -> Result<Self, WrongType> {
        let mut container = Container { list, index, ..Container::default() };
        object(value, |key, value| {
            match key {
                "name" => container.name = text(value)?.unwrap_or_default(),
                "image" => container.image = text(value)?.unwrap_or_default(),
                "ports" => container.read_ports(value)?,
                "livenessProbe" | "readinessProbe" | "startupProbe" => container.read_handler(key, value)?,
                "lifecycle" => object(value, |hook, value| match hook {
                    "postStart" | "preStop" => container.read_handler(&format!("lifecycle.{hook}"), value),
                    _ => Ok(()),
                })?,
                "securityContext" => container.read_security(value)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(container)
    }

    fn read_ports(&mut self, ports: Value<'a>) -> Result<(), WrongType> {
        for (index, port) in items(ports)?.iter().enumerate() {
            object(*port, |key, value| {
                if key == "hostPort"
                    && let Some(port) = integer(value)?
                    && port != 0
                {
                    self.host_ports.push((index, port));
                }
                Ok(())
            })
            .map_err(|error| error.at(index))?;
        }
        Ok(())
    }

    /// Reads the probe or hook at `field`.
    fn read_handler(&mut self, field: &str, handler: Value<'a>) -> Result<(), WrongType> {
        object(handler, |action, value| match action {
            "httpGet" | "tcpSocket" => object(value, |key, value| {
                if key == "host"
                    && let Some(host) = text(value)?
                    && !host.is_empty()
                {
                    self.hosts.push((format!("{field}.{action}.host"), host));
                }
                Ok(())
            }),
            _ => Ok(()),
        })
    }

    fn read_security(&mut self, context: Value<'a>) -> Result<(), WrongType> {
        self.has_security_context = !context.is_null();
        object(context, |key, value| {
            match key {
                "allowPrivilegeEscalation" => self.allow_privilege_escalation = flag(value)?,
                "privileged" => self.privileged = flag(value)? == Some(true),
                "procMount" => self.proc_mount = text(value)?,
                "capabilities" => object(value, |key, value| {
                    match key {
                        "add" => self.added = texts(value)?,
                        "drop" => self.dropped = texts(value)?,
                        _ => {}
                    }
                    Ok(())
                })?,
                _ => self.security.read(key, value)?,
            }
            Ok(())
        })
    }
}

impl<'a> SecurityContext<'a> {
    /// Reads the field `key` of a security context, if it is one that Pods and containers have.
    fn read(&mut self, key: &'a str, value: Value<'a>) -> Result<(), WrongType> {
        match key {
            "runAsNonRoot" => self.run_as_non_root = flag(value)?,
            "runAsUser" => self.run_as_user = integer(value)?,
            "seccompProfile" => self.seccomp = profile(value)?,
            "appArmorProfile" => self.app_armor = profile(value)?,
            "seLinuxOptions" => {
                let [mut r#type, mut user, mut role] = [""; 3];
                object(value, |key, value| {
                    match key {
                        "type" => r#type = text(value)?.unwrap_or_default(),
                        "user" => user = text(value)?.unwrap_or_default(),
                        "role" => role = text(value)?.unwrap_or_default(),
                        _ => {}
                    }
                    Ok(())
                })?;
                self.se_linux = [("type", r#type), ("user", user), ("role", role)];
            }
            "windowsOptions" => object(value, |key, value| {
                if key == "hostProcess" {
                    self.host_process = flag(value)? == Some(true);
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    }
}

/// The type of a profile, if there is a profile.
fn profile(value: Value<'_>) -> Result<Option<&str>, WrongType> {
    let mut r#type = "";
    object(value, |key, value| {
        if key == "type" {
            r#type = text(value)?.unwrap_or_default();
        }
        Ok(())
    })?;
    Ok((!value.is_null()).then_some(r#type))
}
