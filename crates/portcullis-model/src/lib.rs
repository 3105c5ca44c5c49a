//! What policy languages and the engine share: resources, admission input, questions and answers, outcomes.
