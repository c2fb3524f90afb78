//! A place in a text, for the small readers of shell, Python and JavaScript.

/// What is left of a text that is being read.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'t> {
    rest: &'t str,
}

impl<'t> Cursor<'t> {
    /// Begins at the start of a text.
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text }
    }

    /// Gives the next character and leaves it there.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes the next character.
    pub(super) fn bump(&mut self) -> Option<char> {
        let mut letters = self.rest.chars();
        let next = letters.next();
        self.rest = letters.as_str();
        next
    }

    /// Takes a text if it stands here.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let left = self.rest.strip_prefix(text);
        self.rest = left.unwrap_or(self.rest);
        left.is_some()
    }

    /// Gives how many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    /// Tells whether a text stands here.
    pub(super) fn is_at(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    /// Takes all characters up to the first that is another.
    pub(super) fn take_while(&mut self, is_in: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|letter| !is_in(letter));
        let (taken, left) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = left;
        taken
    }

    /// Takes all up to a text, and the text itself; all that is left where it does not come.
    pub(super) fn until(&mut self, end: &str) -> &'t str {
        let (taken, left) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = left;
        taken
    }

    /// Takes a line, and gives it without its end; `None` at the end of the text.
    pub(super) fn line(&mut self) -> Option<&'t str> {
        (!self.rest.is_empty()).then(|| {
            let line = self.until("\n");
            line.strip_suffix('\r').unwrap_or(line)
        })
    }

    /// Takes up to `digits` digits of a base and gives the character they name.
    pub(super) fn code(&mut self, digits: usize, base: u32) -> Option<char> {
        let mut value = None;
        for _ in 0..digits {
            let Some(digit) = self.peek().and_then(|letter| letter.to_digit(base)) else {
                break;
            };
            self.bump();
            value = Some(value.unwrap_or(0) * base + digit);
        }
        value.and_then(char::from_u32)
    }
}
