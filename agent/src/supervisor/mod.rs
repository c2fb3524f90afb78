//! The supervisor process: BPF, cgroups, listeners, and the proxy's life.
