//! Small files beside the config, in its language.

use serde::de::DeserializeOwned;

/// Reads a text of tables and values.
///
/// # Errors
/// What was expected and found, and where.
pub(crate) fn read_text<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}
