//! Stages 6 and 9: what is written down, before forwarding and before the last byte.
