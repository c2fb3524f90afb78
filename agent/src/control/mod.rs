//! How the launcher, the supervisor and the proxy talk to each other.
