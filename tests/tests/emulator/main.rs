//! The emulator is true: unmodified drivers work against it, and it refuses what Snowflake refuses.
//!
//! No proxy stands between: each driver brings the registered key itself.

#[cfg(test)]
mod batches;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod logins;
#[cfg(test)]
mod results;
#[cfg(test)]
mod sql_api;
#[cfg(test)]
mod straight;
