//! What keeps a Job from being touched.

use std::fmt;

/// A reason why a Job is never planned.
///
/// In the order in which they are told: where several hold, the first says most about who looks after the Job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protection {
    /// It has a deletionTimestamp.
    Going,
    Running,
    /// `spec.suspend` is set, whether it has finished or not.
    Suspended,
    /// An ownerReference, controller or not.
    Owned,
    /// `spec.managedBy` names another controller than Kubernetes' own.
    ManagedBy,
    /// A label or annotation of Kueue or MultiKueue.
    Kueue,
    ArgoCd,
    Flux,
    HelmHook,
    HelmRelease,
    /// `objectset.rio.cattle.io/`, `helmcharts.helm.cattle.io/`, `upgrade.cattle.io/`.
    Rancher,
    /// The label or annotation `portcullis.dev/keep`.
    Keep,
    /// A finalizer that is not Kubernetes' own.
    Finalizer,
    /// `spec.ttlSecondsAfterFinished` is set: Kubernetes deletes it.
    Ttl,
    /// A Pod of it is not gone or done yet.
    PodsLeft,
    /// The condition that ends it has no time, or none that can be read.
    NoFinishTime,
    /// It finishes in the future: a clock is wrong.
    FutureFinish,
    /// Its namespace is one of Kubernetes' own, or ours.
    Namespace,
    NamespaceTerminating,
    /// It finished less than the floor ago.
    Young,
    /// It owns what would go with it: a volume claim, or another workload.
    Dependents,
}

impl Protection {
    /// All of them, in order.
    pub const ALL: [Protection; 21] = {
        use Protection::{
            ArgoCd, Dependents, Finalizer, Flux, FutureFinish, Going, HelmHook, HelmRelease, Keep, Kueue,
            ManagedBy, Namespace, NamespaceTerminating, NoFinishTime, Owned, PodsLeft, Rancher, Running,
            Suspended, Ttl, Young,
        };
        [
            Going,
            Running,
            Suspended,
            Owned,
            ManagedBy,
            Kueue,
            ArgoCd,
            Flux,
            HelmHook,
            HelmRelease,
            Rancher,
            Keep,
            Finalizer,
            Ttl,
            PodsLeft,
            NoFinishTime,
            FutureFinish,
            Namespace,
            NamespaceTerminating,
            Young,
            Dependents,
        ]
    };

    /// The name for programs.
    pub fn name(self) -> &'static str {
        match self {
            Protection::Going => "going",
            Protection::Running => "running",
            Protection::Suspended => "suspended",
            Protection::Owned => "owned",
            Protection::ManagedBy => "managed-by",
            Protection::Kueue => "kueue",
            Protection::ArgoCd => "argo-cd",
            Protection::Flux => "flux",
            Protection::HelmHook => "helm-hook",
            Protection::HelmRelease => "helm-release",
            Protection::Rancher => "rancher",
            Protection::Keep => "keep",
            Protection::Finalizer => "finalizer",
            Protection::Ttl => "ttl",
            Protection::PodsLeft => "pods-left",
            Protection::NoFinishTime => "no-finish-time",
            Protection::FutureFinish => "future-finish",
            Protection::Namespace => "namespace",
            Protection::NamespaceTerminating => "namespace-terminating",
            Protection::Young => "young",
            Protection::Dependents => "dependents",
        }
    }

    /// The reason for people; `detail` is the word that it is about, where there is one: of the Job, or the floor.
    pub fn reason(self, detail: Option<&str>) -> String {
        match (self, detail) {
            (Protection::Going, _) => "is being deleted already".to_owned(),
            (Protection::Running, _) => "has not finished".to_owned(),
            (Protection::Suspended, _) => "is suspended".to_owned(),
            (Protection::Owned, Some(kind)) => format!("owned by a {kind}"),
            (Protection::Owned, None) => "has an owner".to_owned(),
            (Protection::ManagedBy, Some(controller)) => format!("managed by `{controller}`"),
            (Protection::ManagedBy, None) => "managed by another controller".to_owned(),
            (Protection::Kueue, _) => "queued by Kueue".to_owned(),
            (Protection::ArgoCd, _) => "Argo CD would create it again".to_owned(),
            (Protection::Flux, _) => "Flux would create it again".to_owned(),
            (Protection::HelmHook, _) => "is a hook of Helm".to_owned(),
            (Protection::HelmRelease, _) => "belongs to a Helm release".to_owned(),
            (Protection::Rancher, _) => "belongs to Rancher".to_owned(),
            (Protection::Keep, _) => "`portcullis.dev/keep` is set".to_owned(),
            (Protection::Finalizer, Some(name)) => format!("finalizer `{name}`"),
            (Protection::Finalizer, None) => "has a finalizer".to_owned(),
            (Protection::Ttl, _) => "has a TTL already".to_owned(),
            (Protection::PodsLeft, _) => "Pods are still terminating".to_owned(),
            (Protection::NoFinishTime, _) => "does not say when it finished".to_owned(),
            (Protection::FutureFinish, _) => "finished in the future".to_owned(),
            (Protection::Namespace, _) => "in a namespace that is left alone".to_owned(),
            (Protection::NamespaceTerminating, _) => "its namespace is terminating".to_owned(),
            (Protection::Young, Some(floor)) => format!("younger than the floor of {floor}"),
            (Protection::Young, None) => "younger than the floor".to_owned(),
            (Protection::Dependents, Some(kind)) => format!("owns a {kind}"),
            (Protection::Dependents, None) => "owns other objects".to_owned(),
        }
    }

    fn bit(self) -> u32 {
        1 << (self as u8)
    }
}

/// A set of protections.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Protections(u32);

impl Protections {
    pub fn insert(&mut self, protection: Protection) {
        self.0 |= protection.bit();
    }

    pub fn with(mut self, protection: Protection) -> Self {
        self.insert(protection);
        self
    }

    pub fn without(self, protection: Protection) -> Self {
        Self(self.0 & !protection.bit())
    }

    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn contains(self, protection: Protection) -> bool {
        self.0 & protection.bit() != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that hold, in order.
    pub fn iter(self) -> impl Iterator<Item = Protection> {
        Protection::ALL.into_iter().filter(move |protection| self.contains(*protection))
    }

    /// The one that is told.
    pub fn first(self) -> Option<Protection> {
        self.iter().next()
    }
}

impl fmt::Debug for Protections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_protections_are_listed_each_once_and_in_order() {
        assert!(Protection::ALL.iter().enumerate().all(|(index, one)| *one as usize == index));
        let all = Protection::ALL.into_iter().fold(Protections::default(), Protections::with);
        assert_eq!(all.iter().count(), Protection::ALL.len());
    }
}
