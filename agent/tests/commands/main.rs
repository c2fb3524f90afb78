//! The commands as their callers meet them.

#[cfg(test)]
mod told;
