//! Whether a statement's answer came back to the model: T4 of the ladder.
//!
//! The agent writes the result of a tool's use, so that this lifts a link by the kernel's word and never stands alone. What
//! counts is what the use could have from that answer alone: not what it or its prompt said, not what any earlier result or
//! prompt of the session held, and not what another statement was answered as well.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use ring::digest::{SHA256, digest};

use super::open::truncate;
use crate::id::StatementId;

/// Fewest values that must have come back, and most that are looked for.
const VALUES_MIN: usize = 3;
const VALUES_MAX: usize = 64;

/// Shortest and longest value that tells one answer from another, in characters.
const VALUE_MIN: usize = 6;
const VALUE_MAX: usize = 256;

/// Least information of such a value, in bits a character: `000000` and `aaaaab` have less.
const ENTROPY_MIN: f64 = 1.5;

/// Shortest text of nothing but letters that does: shorter ones are words that many answers have, such as `pending`.
const LETTERS_MIN: usize = 12;

/// Shortest error text that tells one from another, in bytes.
const ERROR_MIN_BYTES: usize = 24;

/// Most bytes of a result that are looked at.
pub const RESULT_MAX_BYTES: usize = 64 << 10;

/// Most bytes of what models were told that are remembered, and most digests of what answers said.
const HEARD_MAX_BYTES: usize = 128 << 10;
const KNOWN_MAX: usize = 16_384;

/// Bytes of a text by which another is ruled out.
const GRAM_BYTES: usize = 6;

/// What was delivered for a statement, masked as it was.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Snowflake's id of the query.
    pub query_id: Option<String>,
    /// The message of an error.
    pub error: Option<String>,
    /// Values of the answer, as texts.
    pub values: Vec<String>,
}

/// Values of customers are in no log.
impl fmt::Debug for Delivered {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            query_id, values, ..
        } = self;
        write!(formatter, "{query_id:?} and {} values", values.len())
    }
}

impl Delivered {
    /// Tells whether there is nothing to know it by.
    pub(super) fn is_empty(&self) -> bool {
        self.query_id.is_none() && self.error.is_none() && self.values.is_empty()
    }

    /// Gives how much memory it takes, about.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.query_id.iter().chain(&self.error).chain(&self.values);
        texts.map(|text| text.len() + 24).sum()
    }
}

/// A result of a use of a tool, as far as it is looked at.
pub(super) struct Text {
    text: String,
    /// All that begins at any of its bytes, sorted, once anything is looked for in it.
    grams: OnceCell<Vec<u64>>,
}

impl Text {
    pub(super) fn of(text: &str) -> Self {
        let mut text = text.to_owned();
        truncate(&mut text, RESULT_MAX_BYTES);
        Self {
            text,
            grams: OnceCell::new(),
        }
    }

    fn grams(&self) -> &[u64] {
        self.grams.get_or_init(|| {
            let windows = self.text.as_bytes().windows(GRAM_BYTES);
            let mut grams: Vec<u64> = windows.map(gram).collect();
            grams.sort_unstable();
            grams.dedup();
            grams
        })
    }

    /// Tells whether a text stands there, not as a part of a longer word or number.
    fn has(&self, wanted: &str) -> bool {
        let first = wanted.as_bytes().get(..GRAM_BYTES);
        let may_have = first.is_some_and(|first| self.grams().binary_search(&gram(first)).is_ok());
        may_have && stands_in(wanted, &self.text)
    }
}

fn gram(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |gram, byte| gram << 8 | u64::from(*byte))
}

fn stands_in(wanted: &str, text: &str) -> bool {
    let joins = |one: Option<char>, other: Option<char>| {
        let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
        is_word(one) && is_word(other)
    };
    text.match_indices(wanted).any(|(at, _)| {
        let (before, after) = text.split_at(at);
        let after = after.strip_prefix(wanted).unwrap_or_default();
        !joins(before.chars().next_back(), wanted.chars().next())
            && !joins(wanted.chars().next_back(), after.chars().next())
    })
}

/// What answers said and models were told in a session.
#[derive(Default)]
pub(super) struct Echoes {
    /// By digest, the one statement whose answer says it; none where it tells nothing apart.
    known: BTreeMap<[u8; 16], Option<StatementId>>,
    order: VecDeque<[u8; 16]>,
    heard: VecDeque<String>,
    heard_bytes: usize,
}

/// What people and customers said is in no log.
impl fmt::Debug for Echoes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Echoes of {} values", self.known.len())
    }
}

impl Echoes {
    /// Keeps of an answer what may tell it from another.
    pub(super) fn take(&mut self, of: StatementId, delivered: &Delivered, sql: &str) -> Delivered {
        let mut own = |text: &String| !sql.contains(text.as_str()) && self.is_first(of, text);
        let query_id = delivered.query_id.clone();
        let error = delivered.error.clone();
        let mut seen = BTreeSet::new();
        let values = delivered
            .values
            .iter()
            .filter(|value| is_distinctive(value) && seen.insert(value.as_str()))
            .take(VALUES_MAX);
        Delivered {
            values: values.filter(|value| own(value)).cloned().collect(),
            query_id: query_id.filter(|id| id.len() >= VALUE_MIN && own(id)),
            error: error.filter(|error| error.len() >= ERROR_MIN_BYTES && own(error)),
        }
    }

    /// Notes what a model is told: from here on nobody needs an answer for it.
    pub(super) fn hear(&mut self, text: &str) {
        let mut text = text.to_owned();
        truncate(&mut text, RESULT_MAX_BYTES);
        self.heard_bytes += text.len();
        self.heard.push_back(text);
        while self.heard_bytes > HEARD_MAX_BYTES {
            let Some(oldest) = self.heard.pop_front() else {
                return;
            };
            self.heard_bytes = self.heard_bytes.saturating_sub(oldest.len());
        }
    }

    /// Tells whether a result holds what was delivered for a statement alone; `told` is what the use and its prompt said,
    /// `others` what other results say that come at the same time.
    pub(super) fn is_echo(
        &mut self,
        of: (StatementId, &Delivered),
        result: &Text,
        others: &[&Text],
        told: &str,
    ) -> bool {
        let (statement, delivered) = of;
        let mut came_back = |text: &String| {
            if !result.has(text) || self.known.get(&name(text)) != Some(&Some(statement)) {
                return false;
            }
            let is_told = told.contains(text.as_str())
                || others.iter().any(|other| other.has(text))
                || self.heard.iter().any(|heard| heard.contains(text.as_str()));
            if is_told {
                // Found once, it is not looked for again.
                self.known.insert(name(text), None);
            }
            !is_told
        };
        let mut whole = delivered.query_id.iter().chain(&delivered.error);
        if whole.any(&mut came_back) {
            return true;
        }
        let values = delivered.values.iter().filter(|text| came_back(text));
        values.take(VALUES_MIN).count() == VALUES_MIN
    }

    /// Tells whether a text is of this statement's answer and of no other's; from here on it is of none where it is not.
    fn is_first(&mut self, of: StatementId, text: &str) -> bool {
        let name = name(text);
        match self.known.get_mut(&name) {
            Some(known) => {
                if *known != Some(of) {
                    *known = None;
                }
                known.is_some()
            }
            None => {
                self.known.insert(name, Some(of));
                self.order.push_back(name);
                if self.order.len() > KNOWN_MAX
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.known.remove(&oldest);
                }
                true
            }
        }
    }
}

/// Names a text by the front of its SHA-256: no value is kept for longer than its answer may come back.
fn name(text: &str) -> [u8; 16] {
    let mut name = [0; 16];
    let whole = digest(&SHA256, text.as_bytes());
    for (to, from) in name.iter_mut().zip(whole.as_ref()) {
        *to = *from;
    }
    name
}

/// Tells whether a value is of few answers: no date, no round or short number, no single word, nothing of few letters.
fn is_distinctive(value: &str) -> bool {
    let mut counts: BTreeMap<char, u32> = BTreeMap::new();
    let mut length = 0_u32;
    for letter in value.chars() {
        length += 1;
        *counts.entry(letter).or_default() += 1;
        if usize::try_from(length).is_ok_and(|length| length > VALUE_MAX) {
            return false;
        }
    }
    let letters = usize::try_from(length).unwrap_or(usize::MAX);
    // Shannon's: the sum of -p log2 p.
    let entropy: f64 = counts
        .values()
        .map(|count| f64::from(*count) / f64::from(length))
        .map(|share| -share * share.log2())
        .sum();
    let is_long = letters >= VALUE_MIN && entropy >= ENTROPY_MIN;
    let is_word = value
        .chars()
        .all(|letter| letter.is_alphabetic() || "_- ".contains(letter));
    let is_common_word = is_word && letters < LETTERS_MIN;
    is_long && !is_common_word && !is_time(value) && !is_common_number(value)
}

/// Tells whether a value is written as a day or a time: `2026-01-31`, `31.01.2026 12:00`, `20260131`, `12:00:00.000`.
fn is_time(value: &str) -> bool {
    let is_of_time = |letter: char| letter.is_ascii_digit() || "-/.:+TZ ".contains(letter);
    if !value.chars().all(is_of_time) {
        return false;
    }
    let signs = value.chars().filter(|letter| "-/:".contains(*letter));
    let digits: Vec<&str> = value
        .split(|letter: char| !letter.is_ascii_digit())
        .collect();
    let is_day = |text: &str| {
        let of =
            |from: usize, to: usize| text.get(from..to).and_then(|part| part.parse::<u32>().ok());
        let (year, month, day) = (of(0, 4), of(4, 6), of(6, 8));
        text.len() >= 8
            && year.is_some_and(|year| (1900..2100).contains(&year))
            && month.is_some_and(|month| (1..=12).contains(&month))
            && day.is_some_and(|day| (1..=31).contains(&day))
    };
    // A phone number, `555-0100`, has parts of other lengths.
    let is_parted = digits.len() >= 3
        && digits
            .iter()
            .take(2)
            .all(|part| [0, 2, 4].contains(&part.len()));
    (signs.count() >= 2 && is_parted)
        || (digits.len() == 1 && is_day(value))
        || is_dotted_day(&digits)
}

/// Tells whether numbers between signs are a day and its month before its year: `31.01.2026`.
fn is_dotted_day(digits: &[&str]) -> bool {
    matches!(digits, [day, month, year, ..] if day.len() <= 2 && month.len() <= 2 && year.len() == 4)
}

/// Tells whether a value is a number that many answers may have: of fewer than six digits but for zeros behind.
fn is_common_number(value: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let is_number = digits
        .chars()
        .all(|letter| letter.is_ascii_digit() || letter == '.')
        && digits.matches('.').count() <= 1;
    let telling: String = digits.chars().filter(char::is_ascii_digit).collect();
    let telling = telling.trim_start_matches('0').trim_end_matches('0');
    is_number && telling.len() < VALUE_MIN
}

#[cfg(test)]
#[path = "echo_tests.rs"]
mod tests;
