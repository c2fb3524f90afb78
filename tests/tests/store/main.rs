//! The real recorder writes to stores of other makers, and the real reader reads them back.

#[cfg(test)]
mod chain;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod rights;
