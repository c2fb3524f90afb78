//! Stage 2: who is asking.
