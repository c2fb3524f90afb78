//! The section `[log]`: which log lines are printed, and how.

use serde::Serialize;
use toml::Value;

use super::section::Section;
use crate::log::{AREAS, Format, Levels};

/// Which log lines are printed, and how. What the environment says wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Log {
    /// The least level that is printed, as typed, such as `info,proxy=debug`.
    pub level: String,
    /// One text or one JSON object a line.
    pub format: Format,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Text,
        }
    }
}

/// Reads the section.
pub(super) fn log(mut section: Section<'_>) -> Log {
    let expected = format!(
        "error, warn, info, debug or trace, and behind commas AREA=LEVEL of the areas {}",
        AREAS.join(", ")
    );
    let level = section.optional("level", &expected, |value| {
        let text = value.as_str()?;
        Levels::read(text).map(|_| text.to_owned())
    });
    let format = section.optional("format", "\"text\" or \"json\"", |value: &Value| {
        Format::read(value.as_str()?)
    });
    section.finish();
    let default = Log::default();
    Log {
        level: level.unwrap_or(default.level),
        format: format.unwrap_or(default.format),
    }
}
