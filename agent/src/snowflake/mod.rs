//! Words of the wire, shared by the stages. Pure.
