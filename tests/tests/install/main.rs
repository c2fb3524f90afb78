//! What a release hands out, installed and used as its users would: needs root, BPF and a Debian host.
//!
//! Packages come out of `cargo xtask package`. Everything happens in a Debian of the test's own, whose cgroups are all
//! below one sub-cgroup.

#[cfg(test)]
mod deb;
#[cfg(test)]
mod fresh;
#[cfg(test)]
mod image;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod place;
#[cfg(test)]
mod pods;
#[cfg(test)]
mod runners;
