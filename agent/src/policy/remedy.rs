//! What a forbid asks for instead of a refusal.

use std::fmt;

/// What would have to be done for a forbidden statement to run. Neither is carried out yet: such a statement is refused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Remedy {
    /// The column's values are changed on their way out, by this transform.
    Mask(String),
    /// Somebody of this group says yes first.
    Hold(String),
}

impl Remedy {
    /// Reads `mask:TRANSFORM` or `hold:GROUP`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (what, of) = text.split_once(':')?;
        let is_word = !of.is_empty() && of.chars().all(|letter| letter.is_ascii_graphic());
        match (what, is_word) {
            ("mask", true) => Some(Self::Mask(of.to_owned())),
            ("hold", true) => Some(Self::Hold(of.to_owned())),
            (_, _) => None,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mask(how) => write!(
                f,
                "masking (`{how}`) is not in this version, so it is refused"
            ),
            Self::Hold(group) => {
                write!(
                    f,
                    "approval by `{group}` is not in this version, so it is refused"
                )
            }
        }
    }
}
