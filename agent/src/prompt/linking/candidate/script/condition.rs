//! What tests come to, where that can be told.

use super::super::shell::{Body, Item, List, Word};
use super::expand::Text;
use super::{Shell, Status};

fn of(holds: bool) -> Status {
    if holds { Status::True } else { Status::False }
}

fn not(status: Status) -> Status {
    match status {
        Status::True => Status::False,
        Status::False => Status::True,
        Status::Likely | Status::Unknown => Status::Unknown,
    }
}

impl Shell<'_> {
    /// Tells what `[[ .. ]]` comes to.
    pub(super) fn is_true_words(&mut self, words: &[Word]) -> Status {
        let words: Vec<Text> = words.iter().map(|word| self.expand_one(word)).collect();
        for word in &words {
            self.offer_held(word);
        }
        test(&words)
    }

    /// Tells what `(( .. ))` comes to.
    pub(super) fn is_nonzero(&mut self, text: &str) -> Status {
        let value = |word: &str| -> Option<i64> {
            let word = word.trim().trim_start_matches('$');
            let known = self.variable(word, "0");
            let known = known.as_ref().and_then(Text::whole);
            word.parse().ok().or_else(|| known?.trim().parse().ok())
        };
        for (sign, holds) in COMPARED {
            if let Some((left, right)) = text.split_once(sign) {
                return match (value(left), value(right)) {
                    (Some(left), Some(right)) => of(holds(left, right)),
                    (_, _) => Status::Unknown,
                };
            }
        }
        value(text).map_or(Status::Unknown, |value| of(value != 0))
    }
}

/// How two numbers compare.
type Compares = fn(i64, i64) -> bool;

const COMPARED: [(&str, Compares); 6] = [
    ("==", |left, right| left == right),
    ("!=", |left, right| left != right),
    ("<=", |left, right| left <= right),
    (">=", |left, right| left >= right),
    ("<", |left, right| left < right),
    (">", |left, right| left > right),
];

/// Tells what a test comes to. Source: POSIX.1-2024, `test`.
pub(super) fn test(words: &[Text]) -> Status {
    let known: Vec<Option<&str>> = words.iter().map(Text::whole).collect();
    match known.as_slice() {
        [] => Status::False,
        [Some("!"), _, ..] => not(test(words.get(1..).unwrap_or_default())),
        [Some(word)] => of(!word.is_empty()),
        [Some("-n"), Some(word)] => of(!word.is_empty()),
        [Some("-z"), Some(word)] => of(word.is_empty()),
        [Some(left), Some("=" | "=="), Some(right)] => {
            matches(&Text::plain(left), &Text::plain(right))
        }
        [Some(left), Some("!="), Some(right)] => {
            not(matches(&Text::plain(left), &Text::plain(right)))
        }
        [Some(left), Some(sign), Some(right)] => {
            let signs = ["-eq", "-ne", "-le", "-ge", "-lt", "-gt"];
            let holds = signs.iter().zip(COMPARED).find(|(name, _)| *name == sign);
            match (left.trim().parse(), right.trim().parse(), holds) {
                (Ok(left), Ok(right), Some((_, (_, holds)))) => of(holds(left, right)),
                (_, _, _) => Status::Unknown,
            }
        }
        _ => Status::Unknown,
    }
}

/// Tells whether a text is as a pattern says, in which `*` stands for anything.
pub(super) fn matches(text: &Text, pattern: &Text) -> Status {
    if pattern.whole() == Some("*") {
        return Status::True;
    }
    let (Some(text), Some(pattern)) = (text.whole(), pattern.whole()) else {
        return Status::Unknown;
    };
    if pattern.contains(['?', '[']) {
        return Status::Unknown;
    }
    match pattern.split_once('*') {
        None => of(text == pattern),
        Some((_, rest)) if rest.contains('*') => Status::Unknown,
        Some((start, end)) => {
            let rest = text.strip_prefix(start);
            of(rest.is_some_and(|rest| rest.ends_with(end)))
        }
    }
}

/// Tells whether a command is one that looks whether something is there, and fails where it is not.
pub(super) fn may_fail(item: &Item) -> bool {
    let [(_, pipeline)] = item.chain.as_slice() else {
        return false;
    };
    let [part] = pipeline.parts.as_slice() else {
        return false;
    };
    let Body::Simple { words, .. } = &part.body else {
        return false;
    };
    let first = words.first().and_then(Word::plain);
    let looks = [
        "ls", "stat", "test", "[", "grep", "diff", "cmp", "readlink", "pgrep", "which",
    ];
    words.len() > 1
        && !item.is_background
        && !pipeline.is_negated
        && first.is_some_and(|name| looks.contains(&name))
}

/// Tells whether a loop's body may leave it.
pub(super) fn leaves(body: &List) -> bool {
    body.iter().any(|item| {
        let mut parts = item.chain.iter().flat_map(|(_, pipeline)| &pipeline.parts);
        parts.any(|part| match &part.body {
            Body::Simple { words, .. } => {
                let first = words.first().and_then(Word::plain);
                matches!(first, Some("break" | "exit" | "return" | "exec"))
            }
            Body::Group(list) | Body::Subshell(list) => leaves(list),
            Body::If(tests, rest) => {
                tests.iter().any(|(test, own)| leaves(test) || leaves(own)) || leaves(rest)
            }
            Body::Loop { body, .. } | Body::For { body, .. } => leaves(body),
            Body::Case(_, arms) => arms.iter().any(|(_, own)| leaves(own)),
            Body::Function(..) | Body::Test(_) | Body::Arithmetic(_) => false,
        })
    })
}
