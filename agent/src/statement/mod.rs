//! Stage 3: what they ask. Pure.
