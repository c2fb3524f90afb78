//! The way of one execution, on one screen.
