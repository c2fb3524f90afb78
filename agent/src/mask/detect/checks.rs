//! Check digits of cards and accounts, and addresses of hosts.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Gives the digits of a text, whatever stands between them.
pub(super) fn digits(text: &str) -> Vec<u32> {
    text.chars().filter_map(|sign| sign.to_digit(10)).collect()
}

/// Luhn's check (ISO/IEC 7812-1, annex B).
pub(super) fn luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, _) => *digit,
            (_, twice) if twice > 9 => twice - 9,
            (_, twice) => twice,
        })
        .sum();
    sum.is_multiple_of(10)
}

/// A card has 13 to 19 digits that fit.
pub(super) fn is_card(text: &str) -> bool {
    let digits = digits(text);
    (13..=19).contains(&digits.len()) && luhn(&digits) && digits.iter().any(|digit| *digit != 0)
}

/// An account's number leaves 1 of 97 once its first four signs stand at its end (ISO 13616).
pub(super) fn is_iban(text: &str) -> bool {
    let signs: Vec<char> = text.chars().filter(|sign| *sign != ' ').collect();
    if !(15..=34).contains(&signs.len()) {
        return false;
    }
    let moved = signs.iter().skip(4).chain(signs.iter().take(4));
    let rest = moved
        .filter_map(|sign| sign.to_digit(36))
        .fold(0, |rest, value| {
            let width = if value > 9 { 100 } else { 10 };
            (rest * width + value) % 97
        });
    rest == 1
}

/// An address has dots and four numbers, or colons; a bare `::` or a time of day is none.
pub(super) fn is_address(text: &str) -> bool {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address != Ipv4Addr::UNSPECIFIED,
        Ok(IpAddr::V6(address)) => address != Ipv6Addr::UNSPECIFIED,
        // A sentence's full stop, or a port behind it.
        Err(_) => text
            .trim_end_matches(['.', ':'])
            .split(':')
            .next()
            .is_some_and(|front| front.parse::<Ipv4Addr>().is_ok()),
    }
}
