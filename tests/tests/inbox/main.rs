//! An approver's machine: a store, a trust file, an issuer, and the program as they run it; no daemon and no root.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod host;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod pages;
