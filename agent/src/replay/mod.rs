//! Reads what `record` wrote.
