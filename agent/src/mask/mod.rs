//! Stage 8: hides what may not be seen. Pure.
