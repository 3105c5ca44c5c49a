//! Controllers: webhook configurations derived from the policies in force, and the status of policies.
