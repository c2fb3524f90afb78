//! Stage 7: asks Snowflake; takes an `Intent`, gives `Unmasked`.
