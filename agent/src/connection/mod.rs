//! Stage 1: a process connects; its socket, session, original destination and server name.

pub mod redirect;
pub mod sys;
