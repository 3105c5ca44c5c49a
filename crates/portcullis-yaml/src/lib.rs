//! YAML as Kubernetes reads it (`sigs.k8s.io/yaml`), with the place of every node, and back.
