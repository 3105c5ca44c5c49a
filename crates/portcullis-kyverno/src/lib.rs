//! Kyverno's classic policies: ClusterPolicy and Policy.
