//! What Go's libraries do, to the letter.
