//! The cluster as the engine sees it: a client, watches into plain indexes, discovery, answers to questions.

pub mod discovery;
