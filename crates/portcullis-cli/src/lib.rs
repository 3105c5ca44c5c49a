//! The command line: `apply`.
