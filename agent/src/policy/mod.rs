//! Stage 4: may they. Pure.
