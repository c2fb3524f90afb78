//! Numbers of persons: those that have check digits.

use super::checks::{digits, luhn};

/// Letters of Spain's numbers, by the remainder of 23.
const SPAIN: &[u8; 23] = b"TRWAGMYFPDXBNJZSQVHLCKE";

/// Signs of Finland's numbers, by the remainder of 31.
const FINLAND: &[u8; 31] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";

/// What a sign at an odd place counts in Italy's numbers, from `A` on; a digit counts as the letter of its place.
const ITALY: [u32; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// Tells whether a text is a number of some country whose check digits fit.
pub(super) fn is_one(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    let count = digits(&text).len();
    match text.len() {
        9 if count >= 7 => spain(&text),
        10 | 11 if text.contains(['-', '+', 'A']) && count >= 9 => {
            (count == 10 && luhn(&digits(&text))) || finland(&text)
        }
        11 => poland(&digits(&text)) || germany(&digits(&text)) || brazil(&digits(&text)),
        14 if text.contains('.') => brazil(&digits(&text)),
        16 if count < 13 => italy(&text),
        _ => france(&text),
    }
}

/// DNI and NIE: a letter for the remainder of 23.
fn spain(text: &str) -> bool {
    let (front, letter) = text.split_at(8);
    let front = front.replace('X', "0").replace('Y', "1").replace('Z', "2");
    let expected = front
        .parse()
        .ok()
        .and_then(|number: usize| SPAIN.get(number % 23));
    expected.is_some_and(|expected| letter.as_bytes().first() == Some(expected))
}

/// Personal identity code: a sign for the remainder of 31.
fn finland(text: &str) -> bool {
    let number: String = text.chars().take(10).filter(char::is_ascii_digit).collect();
    let expected = number
        .parse()
        .ok()
        .and_then(|number: usize| FINLAND.get(number % 31));
    number.len() == 9 && expected.is_some_and(|expected| text.as_bytes().last() == Some(expected))
}

/// PESEL: weights 1, 3, 7, 9.
fn poland(digits: &[u32]) -> bool {
    let weights = [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1];
    let sum: u32 = digits
        .iter()
        .zip(weights)
        .map(|(digit, weight)| digit * weight)
        .sum();
    let month = match digits {
        [_, _, tens, ones, ..] => (tens * 10 + ones) % 20,
        _ => 0,
    };
    sum.is_multiple_of(10) && (1..=12).contains(&month)
}

/// Tax identification number: ISO 7064 MOD 11,10; one digit stands twice or three times among the first ten.
fn germany(digits: &[u32]) -> bool {
    let Some((check, front)) = digits.split_last() else {
        return false;
    };
    let different: std::collections::BTreeSet<_> = front.iter().collect();
    let product = front.iter().fold(10, |product, digit| {
        let sum = match (digit + product) % 10 {
            0 => 10,
            sum => sum,
        };
        sum * 2 % 11
    });
    front.first() != Some(&0) && matches!(different.len(), 8 | 9) && (11 - product) % 10 == *check
}

/// CPF: two digits, each a remainder of 11.
fn brazil(digits: &[u32]) -> bool {
    let check = |count: usize| {
        let weights = (2..=u32::try_from(count).unwrap_or(0) + 1).rev();
        let sum: u32 = digits
            .iter()
            .zip(weights)
            .map(|(digit, weight)| digit * weight)
            .sum();
        let expected = match sum % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        };
        digits.get(count) == Some(&expected)
    };
    let is_one_digit = digits.iter().all(|digit| digits.first() == Some(digit));
    digits.len() == 11 && !is_one_digit && check(9) && check(10)
}

/// Codice fiscale: a letter for the remainder of 26.
fn italy(text: &str) -> bool {
    let value = |sign: u8| match sign {
        b'0'..=b'9' => Some(u32::from(sign - b'0')),
        b'A'..=b'Z' => Some(u32::from(sign - b'A')),
        _ => None,
    };
    let mut sum = 0;
    for (place, sign) in text.bytes().take(15).enumerate() {
        let Some(value) = value(sign) else {
            return false;
        };
        let odd = usize::try_from(value)
            .ok()
            .and_then(|value| ITALY.get(value).copied());
        sum += if place % 2 == 0 {
            odd.unwrap_or_default()
        } else {
            value
        };
    }
    text.bytes().next_back().and_then(value) == Some(sum % 26)
        && text
            .bytes()
            .next_back()
            .is_some_and(|last| last.is_ascii_alphabetic())
}

/// NIR: 97 less the remainder of 97; Corsica's letters count as 19 and 18.
fn france(text: &str) -> bool {
    let text: String = text.chars().filter(|sign| *sign != ' ').collect();
    let text = text.replace("2A", "19").replace("2B", "18");
    let (Some(front), Some(check)) = (text.get(..13), text.get(13..)) else {
        return false;
    };
    match (front.parse::<u64>(), check.parse::<u64>()) {
        (Ok(front), Ok(check)) if text.len() == 15 => 97 - front % 97 == check,
        (_, _) => false,
    }
}
