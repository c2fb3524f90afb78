//! The launcher and the supervisor as their users meet them: needs root and BPF, and fails where they are missing.
//!
//! Everything happens below a cgroup of the test's own, with pins on a BPF file system of its own. No statement is
//! sent, so that no emulator is needed.

#[cfg(test)]
mod containers;
#[cfg(test)]
mod contained;
#[cfg(test)]
mod containers_config;
#[cfg(test)]
mod contained_beside;
#[cfg(test)]
mod control;
#[cfg(test)]
mod doctored;
#[cfg(test)]
mod door;
#[cfg(test)]
mod entered;
#[cfg(test)]
mod held;
#[cfg(test)]
mod host;
#[cfg(test)]
mod life;
#[cfg(test)]
mod networks;
#[cfg(test)]
mod pass_through;
#[cfg(test)]
mod separation;
#[cfg(test)]
mod removed;
#[cfg(test)]
mod session;
#[cfg(test)]
mod setup;
#[cfg(test)]
mod unit;
#[cfg(test)]
mod systemd;
#[cfg(test)]
mod upgrade;
#[cfg(test)]
mod watched;
