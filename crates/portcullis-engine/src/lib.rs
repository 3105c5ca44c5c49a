//! The engine: the set of policies in force, the pipeline of one request, the mutation record.
