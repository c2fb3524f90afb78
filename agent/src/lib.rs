//! Icecore: a host agent that makes an AI agent's use of Snowflake visible, governed and provable.
