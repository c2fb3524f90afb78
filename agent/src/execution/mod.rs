//! The life of one statement, and the registry that finds it again.
