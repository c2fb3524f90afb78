//! The last look at the bytes of a chunk: none leaves that has the form of a credential which Snowflake mints.
//!
//! What a result's answer itself holds of such values is hidden, and in its chunks too then. A chunk in which the first
//! one comes breaks off: its bytes pass as they are, and are not read as rows for that alone.

use super::detect::may_hold_minted;
use super::treatment::Uncertain;
use crate::policy::Detectors;

/// How much of what has left is looked at again with what follows: longer than any sign, and than most tokens.
const TAIL_BYTES: usize = 2048;

/// Looks at the bytes that leave.
#[derive(Debug, Default)]
pub(super) struct Guard {
    tail: Vec<u8>,
}

impl Guard {
    /// Looks at the next piece, together with the end of those before.
    ///
    /// # Errors
    /// They hold a credential.
    pub(super) fn pass(&mut self, piece: &[u8]) -> Result<(), Uncertain> {
        if may_hold_minted(piece) || self.is_cut(piece) {
            let all = [&self.tail, piece].concat();
            let text = String::from_utf8_lossy(&all);
            if Detectors::minted().hide(&text).is_some() {
                return Err(Uncertain::Credential);
            }
        }
        let kept = piece.len().min(TAIL_BYTES);
        let surplus = (self.tail.len() + kept).saturating_sub(TAIL_BYTES);
        self.tail.drain(..surplus.min(self.tail.len()));
        let (_, end) = piece.split_at(piece.len() - kept);
        self.tail.extend_from_slice(end);
        Ok(())
    }

    /// Tells whether a sign is in the end of what has left, or goes on into the piece.
    fn is_cut(&self, piece: &[u8]) -> bool {
        let (start, _) = piece.split_at(piece.len().min(TAIL_BYTES));
        may_hold_minted(&[&self.tail, start].concat())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = "ver:1-hint:1036-ETMsDgAAAXk";

    #[test]
    fn what_is_no_credential_passes() {
        let mut guard = Guard::default();
        for piece in ["[\"a\"],", &"x".repeat(10_000), "", "eyJ no token"] {
            assert_eq!(guard.pass(piece.as_bytes()), Ok(()));
        }
        assert!(guard.tail.len() <= TAIL_BYTES);
    }

    proptest! {
        /// Wherever it stands, and wherever it is cut.
        #[test]
        fn a_credential_does_not_pass_whole(before in 0_usize..5_000, cuts in prop::collection::vec(0_usize..6_000, 0..5)) {
            let text = format!("{}{TOKEN}\"],", "y".repeat(before));
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut % text.len()).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let mut guard = Guard::default();
            let pieces = places.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]);
            let passed: Vec<&[u8]> = pieces.take_while(|piece| guard.pass(piece).is_ok()).collect();
            let passed = String::from_utf8(passed.concat()).unwrap();
            prop_assert!(!passed.contains(TOKEN), "{}", passed.len());
        }
    }
}
