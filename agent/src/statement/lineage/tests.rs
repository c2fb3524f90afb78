//! Lineage, statement by statement.
