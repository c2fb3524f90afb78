//! The recorder on real disks: killed while it commits, full, read-only, gone.

mod child;
mod crash;
mod disk;
mod seal;
