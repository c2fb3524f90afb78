//! A text with holes: what a tool's arguments say of a text before the tool has filled in its variables.

/// Stands for a hole where a text must be one text: a name that no SQL has, so that it is lexed as one word.
pub(in crate::prompt) const HOLE: &str = "zq7hole7qz";

/// One part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Hole,
}

/// A text in parts, of which some are not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::prompt) struct Template(Vec<Piece>);

impl Template {
    /// Reads a text in which [`HOLE`] stands for each hole.
    pub(in crate::prompt) fn of(marked: &str) -> Self {
        let mut template = Self::default();
        for (index, part) in marked.split(HOLE).enumerate() {
            if index > 0 {
                template.hole();
            }
            template.push_str(part);
        }
        template
    }

    /// Adds a text.
    pub(super) fn push_str(&mut self, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.push_str(text),
            Some(Piece::Hole) | None => self.0.push(Piece::Text(text.to_owned())),
        }
    }

    /// Adds a character.
    pub(super) fn push(&mut self, letter: char) {
        self.push_str(letter.encode_utf8(&mut [0; 4]));
    }

    /// Adds what is not known; two in a row are one.
    pub(super) fn hole(&mut self) {
        if self.0.last() != Some(&Piece::Hole) {
            self.0.push(Piece::Hole);
        }
    }

    /// Adds another.
    pub(super) fn extend(&mut self, other: &Self) {
        for piece in &other.0 {
            match piece {
                Piece::Text(text) => self.push_str(text),
                Piece::Hole => self.hole(),
            }
        }
    }

    /// Tells whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives how long it is, marks of holes included.
    pub(super) fn bytes(&self) -> usize {
        let bytes = |piece: &Piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Hole => HOLE.len(),
        };
        self.0.iter().map(bytes).sum()
    }

    /// Gives the text, if it has no holes.
    pub(in crate::prompt) fn whole(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes it as one text with [`HOLE`] for each hole.
    pub(in crate::prompt) fn marked(&self) -> String {
        let parts = self.0.iter().map(|piece| match piece {
            Piece::Text(text) => text.as_str(),
            Piece::Hole => HOLE,
        });
        parts.collect()
    }
}

/// Gives a text with holes for what a tool fills in later; `None` where there is nothing of the kind.
///
/// Known are `%s`, `%d` and `%(name)s` (PEP 249, `paramstyle`), `{}` and `{name}` (`str.format`), `{{ name }}` and `{% .. %}`
/// (Jinja, dbt), `&{name}` (SnowSQL) and `<% name %>` (Snowflake CLI).
pub(super) fn filled_later(text: &str) -> Option<Template> {
    let mut template = Template::default();
    let mut has_holes = false;
    let mut rest = text;
    while let Some(at) = rest.find(['%', '{', '&', '<']) {
        let (before, here) = rest.split_at(at);
        template.push_str(before);
        let length = placeholder(here);
        if let Some(after) = length.and_then(|length| here.get(length..)) {
            template.hole();
            has_holes = true;
            rest = after;
        } else {
            let mut letters = here.chars();
            letters
                .next()
                .into_iter()
                .for_each(|letter| template.push(letter));
            rest = letters.as_str();
        }
    }
    template.push_str(rest);
    has_holes.then_some(template)
}

/// Gives how many bytes a placeholder takes that stands at the beginning of a text.
fn placeholder(text: &str) -> Option<usize> {
    for (open, close) in [("{{", "}}"), ("{%", "%}"), ("<%", "%>"), ("&{", "}")] {
        if let Some(inner) = text.strip_prefix(open) {
            return inner.find(close).map(|at| open.len() + at + close.len());
        }
    }
    if let Some(inner) = text.strip_prefix("%(") {
        let at = inner.find(')').filter(|at| is_name(inner.get(..*at)))?;
        return inner
            .get(at + 1..)?
            .starts_with(['s', 'd', 'f'])
            .then_some(at + 4);
    }
    if text.starts_with("%s") || text.starts_with("%d") {
        return Some(2);
    }
    let inner = text.strip_prefix('{')?;
    let at = inner.find('}')?;
    let name = inner.get(..at)?.split([':', '!', '.']).next();
    (at == 0 || is_name(name)).then_some(at + 2)
}

fn is_name(text: Option<&str>) -> bool {
    let is_in = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.is_some_and(|text| !text.is_empty() && text.len() <= 64 && text.chars().all(is_in))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_holes_and_other_signs_are_text() {
        for (text, marked) in [
            ("select %s, %(a)s, 5 % b", "select H, H, 5 % b"),
            ("from {} where {name} and {x:>5}", "from H where H and H"),
            ("from {{ ref('a') }} {% if x %}", "from H H"),
            ("from &{t} <% t %> a <b & c", "from H H a <b & c"),
        ] {
            let found = filled_later(text).map(|template| template.marked().replace(HOLE, "H"));
            assert_eq!(found.as_deref(), Some(marked), "{text}");
        }
        for text in [
            "select like '%a%'",
            "select {'a': 1}",
            "a & b < c",
            "{ not closed",
        ] {
            assert_eq!(filled_later(text), None, "{text}");
        }
    }

    #[test]
    fn a_marked_text_reads_as_its_template() {
        let mut template = Template::default();
        template.push_str("a ");
        template.hole();
        template.hole();
        template.push('b');
        assert_eq!(Template::of(&template.marked()), template);
        assert_eq!(template.whole(), None);
        assert_eq!(Template::of("ab").whole(), Some("ab"));
    }
}
