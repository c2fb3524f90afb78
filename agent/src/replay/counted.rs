//! Numbers of things, as people say them. Pure.

use std::fmt::Display;

/// Says how many there are of what is one `thing`: `1 row`, `2 rows`, `0 queries`.
#[must_use]
pub fn counted<N: Display + PartialEq + From<u8>>(count: N, thing: &str) -> String {
    if count == N::from(1) {
        return format!("{count} {thing}");
    }
    match thing.strip_suffix('y') {
        Some(stem) => format!("{count} {stem}ies"),
        None => format!("{count} {thing}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_and_all_others_are_several() {
        assert_eq!(counted(1_u64, "row"), "1 row");
        assert_eq!(counted(0_usize, "row"), "0 rows");
        assert_eq!(counted(-1_i64, "row"), "-1 rows");
        assert_eq!(counted(2_u64, "query"), "2 queries");
        assert_eq!(counted(1_u64, "query"), "1 query");
    }
}
