//! The recorder on real disks: killed while it commits, full, read-only, gone.

#[cfg(test)]
mod analysts;
#[cfg(test)]
mod child;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod failed;
#[cfg(test)]
mod private;
#[cfg(test)]
mod seal;
