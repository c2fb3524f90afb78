//! What a forbid asks for instead of a refusal.

use std::fmt;

use super::transform::Transform;

/// What has to be done for a forbidden statement to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Remedy {
    /// The column's values are changed on their way out, by this transform.
    Mask(Transform),
    /// Somebody of this group says yes first.
    Hold(String),
}

impl Remedy {
    /// Reads `mask:TRANSFORM` or `hold:GROUP`.
    ///
    /// # Errors
    /// What was expected, in words.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let expected = "a remedy `mask:TRANSFORM` or `hold:GROUP`";
        let (what, of) = text.split_once(':').ok_or(expected)?;
        let is_word = !of.is_empty() && of.chars().all(|letter| letter.is_ascii_graphic());
        match what {
            "mask" => Transform::read(of).map(Self::Mask),
            "hold" if is_word => Ok(Self::Hold(of.to_owned())),
            _ => Err(expected),
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(how) => write!(f, "it would be masked (`{how}`)"),
            Self::Hold(group) => write!(f, "it would wait for a yes of `{group}`"),
        }
    }
}
