//! A real control plane for tests: started on loopback, once per test binary.
