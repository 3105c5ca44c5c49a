//! Holds nothing: a package needs a library or a binary, and this one is there for its benchmark.
