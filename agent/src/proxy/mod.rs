//! The proxy process: builds the stages and serves the sessions' connections.
