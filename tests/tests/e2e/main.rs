//! The whole, end to end: real kernel, real TLS, unmodified drivers, an emulator that really executes, real Parquet.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod approvals_many;
#[cfg(test)]
mod approver;
#[cfg(test)]
mod asserts;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod budgets;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod chunks;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod clicks;
#[cfg(test)]
mod compared;
#[cfg(test)]
mod config;
#[cfg(test)]
mod connect;
#[cfg(test)]
mod containers;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod detached;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod doctor_faults;
mod doctor_forged;
#[cfg(test)]
mod doctor_world;
#[cfg(test)]
mod drivers;
#[cfg(test)]
mod encryption;
#[cfg(test)]
mod enrolled;
#[cfg(test)]
mod every_byte;
#[cfg(test)]
mod every_type;
#[cfg(test)]
mod evidence;
#[cfg(test)]
mod exported;
#[cfg(test)]
mod faces;
#[cfg(test)]
mod granted;
#[cfg(test)]
mod grants;
#[cfg(test)]
mod guarded;
#[cfg(test)]
mod hanging;
#[cfg(test)]
mod held;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod in_band;
#[cfg(test)]
mod issuers;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod login;
#[cfg(test)]
mod looks;
#[cfg(test)]
mod managed_mcp;
#[cfg(test)]
mod masked;
#[cfg(test)]
mod masked_stream;
#[cfg(test)]
mod notices;
#[cfg(test)]
mod observe;
#[cfg(test)]
mod operations;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod piece;
#[cfg(test)]
mod policy_replay;
#[cfg(test)]
mod quirks;
#[cfg(test)]
mod rare_types;
#[cfg(test)]
mod raw;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod reconciled;
#[cfg(test)]
mod red;
#[cfg(test)]
mod remote;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replaced;
#[cfg(test)]
mod request_ids;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod results;
mod rows;
#[cfg(test)]
mod saml;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod separation;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod sources;
#[cfg(test)]
mod spool;
#[cfg(test)]
mod stages;
#[cfg(test)]
mod stamped;
#[cfg(test)]
mod standing;
#[cfg(test)]
mod store;
#[cfg(test)]
mod storms;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod tap;
#[cfg(test)]
mod two_hosts;
#[cfg(test)]
mod uids;
#[cfg(test)]
mod unended;
#[cfg(test)]
mod unit;
#[cfg(test)]
mod upstream;
#[cfg(test)]
mod v2;
#[cfg(test)]
mod values;
#[cfg(test)]
mod ways_out;
#[cfg(test)]
mod withheld;
