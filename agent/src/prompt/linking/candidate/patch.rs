//! What an `apply_patch` leaves in files: each hunk as it reads behind it.
//!
//! Source: openai/codex, `codex-rs/apply-patch/apply_patch_tool_instructions.md`.

/// A file and what a hunk leaves in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hunk {
    pub(super) path: String,
    pub(super) text: String,
    /// Whether the file was not there before.
    pub(super) is_new: bool,
}

/// Tells whether a text is such a patch.
pub(super) fn is_patch(text: &str) -> bool {
    text.trim_start().starts_with("*** Begin Patch")
}

/// Lists the hunks of a patch.
pub(super) fn hunks(text: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    for line in text.lines() {
        let path = |mark: &str| line.strip_prefix(mark).map(|path| path.trim().to_owned());
        let begun = match (
            path("*** Add File:"),
            path("*** Update File:"),
            path("*** Move to:"),
        ) {
            (Some(path), _, _) => Some((path, true)),
            (None, Some(path), _) | (None, None, Some(path)) => Some((path, false)),
            (None, None, None) => None,
        };
        if let Some((path, is_new)) = begun {
            hunks.push(Hunk {
                path,
                text: String::new(),
                is_new,
            });
        } else if line.starts_with("*** ") {
            // A deleted file has none, and neither has the end.
        } else if line.starts_with("@@") {
            if let Some(last) = hunks.last().filter(|last| !last.text.is_empty()) {
                let path = last.path.clone();
                hunks.push(Hunk {
                    path,
                    text: String::new(),
                    is_new: false,
                });
            }
        } else if let (Some(kept), Some(last)) = (line.strip_prefix(['+', ' ']), hunks.last_mut()) {
            last.text.push_str(kept);
            last.text.push('\n');
        }
    }
    hunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hunks_read_as_they_do_behind_the_patch() {
        let patch = "*** Begin Patch\n*** Add File: q.sql\n+select 1\n+from t\n*** Update File: r.py\n@@ def f():\n a\n-b\n+c\n@@\n+d\n*** End Patch\n";
        assert!(is_patch(patch));
        let hunk = |path: &str, text: &str, is_new| Hunk {
            path: path.to_owned(),
            text: text.to_owned(),
            is_new,
        };
        let expected = [
            hunk("q.sql", "select 1\nfrom t\n", true),
            hunk("r.py", "a\nc\n", false),
            hunk("r.py", "d\n", false),
        ];
        assert_eq!(hunks(patch), expected);
    }
}
