//! Log lines on standard error.
