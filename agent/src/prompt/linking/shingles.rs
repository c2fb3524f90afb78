//! How many runs of words two texts share, whatever their literals are.
//!
//! Source: A. Broder, "On the resemblance and containment of documents" (1997): resemblance is |A ∩ B| / |A ∪ B| of the
//! sets of runs, containment |A ∩ B| / |A|.

use std::cmp::Ordering;

/// Words of a run.
const RUN: usize = 3;

/// Fewest runs of a text that may resemble another, and of one that may stand in another: any `select ? from t` would.
const RESEMBLES_MIN: usize = 4;
const CONTAINED_MIN: usize = 6;

/// From how many times as many runs on they are looked up: a list of 2^16 is halved as often.
const LOOK_UP: usize = 16;

/// A text's runs of words, as the digests of each, sorted.
#[derive(Debug)]
pub(super) struct Shingles(Vec<u64>);

/// What two texts share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shared {
    /// Whether it is four of five runs, or all of the shorter text's.
    pub(super) is_much: bool,
    /// Share of the other's runs that are in this one.
    pub(super) share: f64,
}

impl Shingles {
    /// Reads words, in which `?` stands for each literal; a list of these counts as one.
    pub(super) fn of(words: impl Iterator<Item = String>) -> Self {
        let mut kept: Vec<String> = Vec::new();
        for word in words {
            let is_listed = matches!(kept.as_slice(), [.., literal, comma] if word == "?" && literal == "?" && comma == ",");
            if is_listed {
                kept.pop();
            } else {
                kept.push(word);
            }
        }
        let mut runs: Vec<u64> = if kept.len() < RUN {
            vec![hash(&kept)]
        } else {
            kept.windows(RUN).map(hash).collect()
        };
        runs.sort_unstable();
        runs.dedup();
        Self(runs)
    }

    /// Compares another's with these.
    pub(super) fn compare(&self, other: &Self) -> Shared {
        let both = self.shared(other);
        let (own, others) = (self.0.len(), other.0.len());
        let least = own.min(others);
        let resembles = least >= RESEMBLES_MIN && 5 * both >= 4 * (own + others - both);
        // What holds it and as much again is another statement around it.
        let contains = least >= CONTAINED_MIN && both == least && 2 * both >= others;
        Shared {
            is_much: resembles || contains,
            share: ratio(both, others),
        }
    }

    /// Counts what is in both: by looking each of the fewer up where the others are many more, so that a long statement costs
    /// little beside many short texts.
    fn shared(&self, other: &Self) -> usize {
        let (few, many) = if self.0.len() <= other.0.len() {
            (&self.0, &other.0)
        } else {
            (&other.0, &self.0)
        };
        if few.len().saturating_mul(LOOK_UP) < many.len() {
            let is_there = |run: &&u64| many.binary_search(run).is_ok();
            return few.iter().filter(is_there).count();
        }
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut both = 0;
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            match a.cmp(b) {
                Ordering::Less => {
                    left.next();
                }
                Ordering::Greater => {
                    right.next();
                }
                Ordering::Equal => {
                    both += 1;
                    left.next();
                    right.next();
                }
            }
        }
        both
    }
}

/// Divides two numbers of words; a text has fewer than 2^32.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if whole == 0 {
        0.0
    } else {
        number(part) / number(whole)
    }
}

/// FNV-1a with 64 bits. Two runs of one digest make two texts seem closer by one run, which gives no grade above C.
/// Source: draft-eastlake-fnv, section 2.
fn hash(words: &[String]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in words.iter().flat_map(|word| word.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Shingles {
        Shingles::of(text.split(' ').map(str::to_owned))
    }

    #[test]
    fn lists_of_literals_count_as_one() {
        assert_eq!(of("a in ( ? , ? , ? )").0, of("a in ( ? )").0);
        assert_ne!(of("a in ( b , ? )").0, of("a in ( ? )").0);
    }

    #[test]
    fn much_is_four_of_five_or_all_of_the_shorter() {
        let long = of("select a , b , c from t where d = ? and e = ? order by a");
        let limited = of("select a , b , c from t where d = ? and e = ? order by a limit ?");
        assert!(long.compare(&limited).is_much && limited.compare(&long).is_much);
        let inner = of("select a , b , c from t where d = ?");
        let outer = of("select * from ( select a , b , c from t where d = ? ) q limit ?");
        assert!(inner.compare(&outer).is_much);
        let around = of(
            "select ssn from people where exists ( select a , b , c from t where d = ? ) and id in ( select id from v )",
        );
        assert!(!inner.compare(&around).is_much);
        let other = of("select a , b , c from u where f = ? and g = ? order by a");
        assert!(!long.compare(&other).is_much);
        assert!(!of("select ?").compare(&of("select ?")).is_much);
    }

    #[test]
    fn what_is_looked_up_is_what_is_found_side_by_side() {
        let many = Shingles((0..4096).map(|one| one * 3).collect());
        for few in [0..40, 4000..4100, 12_200..12_400_u64] {
            let expected = few.clone().filter(|one| one % 3 == 0 && *one < 3 * 4096);
            let expected = expected.count();
            let few = Shingles(few.collect());
            assert_eq!((many.shared(&few), few.shared(&many)), (expected, expected));
        }
    }
}
