//! What a terminal shows in colour. Pure.

/// How words are marked; without colours they are as they are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    colours: bool,
}

impl Paint {
    /// Marks words by colour (ECMA-48, SGR).
    #[must_use]
    pub fn coloured() -> Self {
        Self { colours: true }
    }

    /// Shows what a reader looks for first.
    pub(crate) fn strong(self, text: &str) -> String {
        self.put("1", text)
    }

    /// Shows what stands beside.
    pub(crate) fn faint(self, text: &str) -> String {
        self.put("2", text)
    }

    /// Shows an error.
    pub(crate) fn error(self, text: &str) -> String {
        self.put("31", text)
    }

    /// Shows a verdict: green ran, yellow ran with less or marked, red was refused.
    pub(super) fn verdict(self, word: &str) -> String {
        let colour = match word.trim_end() {
            "allow" => "1;32",
            "mask" | "flag" | "approve" => "1;33",
            "block" | "error" => "1;31",
            _ => "1",
        };
        self.put(colour, word)
    }

    fn put(self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("\u{1b}[{colour}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}
