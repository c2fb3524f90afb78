//! How statements of Icecore's own are told from others in an account's query history. Pure.
//!
//! A comment says where they come from, and anybody can write one: a statement is Icecore's own only if all of it but its
//! names is what Icecore sends. Those read what an account says of itself and no table, so that whoever writes one gets
//! nothing by it.

use regex::Regex;

use super::catalogue;
use super::explained::EXPLAIN;
use super::mcp;
use super::place::{PARAMETERS, VARIABLES, WHERE};
use super::standing::{LOOK, SWITCH_OFF};
use super::tag::TAG;

/// Texts that are always the same.
const FIXED: [&str; 6] = [LOOK, SWITCH_OFF, TAG, WHERE, PARAMETERS, VARIABLES];

/// Tells whether a text is one that Icecore sends by itself, whatever names it asks for.
#[must_use]
pub fn is_own(sql: &str) -> bool {
    let sql = sql.trim();
    // A plan tells of no row; a second statement behind it would be one of somebody's.
    let is_plan = sql
        .strip_prefix(EXPLAIN)
        .is_some_and(|of| !of.contains(';'));
    if FIXED.contains(&sql) || is_plan {
        return true;
    }
    let own: Vec<String> = catalogue::samples()
        .iter()
        .chain([&mcp::sample()])
        .flat_map(|sql| parts(sql))
        .collect();
    let parts = parts(sql);
    !parts.is_empty() && parts.iter().all(|part| own.contains(part))
}

/// Gives the parts of a union, with `?` for literals and quoted names, and one pair for each list of pairs.
///
/// A text in which a quote does not end, or with a comment besides the first, has no own parts: it stays as it is.
fn parts(sql: &str) -> Vec<String> {
    // A literal as Icecore writes it: a backslash or a quote inside stands twice.
    let quoted = Regex::new(r#"'(?:[^'\\]|''|\\\\)*'|"(?:[^"]|"")*""#);
    let pairs = Regex::new(r"\(\?, \?\)(?:, \(\?, \?\))+");
    let (Ok(quoted), Ok(pairs)) = (quoted, pairs) else {
        return Vec::new();
    };
    let sql = quoted.replace_all(sql, "?");
    let sql = pairs.replace_all(&sql, "(?, ?)");
    sql.split(" union all ").map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_icecore_sends_is_its_own() {
        assert!(FIXED.into_iter().all(is_own));
        assert!(is_own(&format!("{EXPLAIN}delete from orders")));
        for sql in catalogue::samples() {
            assert!(is_own(&sql), "{sql}");
        }
        assert!(is_own(
            r#"/* icecore mcp */ describe mcp server "A"."b ""c"."D""#
        ));
    }

    #[test]
    fn what_only_looks_so_is_not() {
        let samples = catalogue::samples();
        for sql in [
            "/* icecore catalogue */ select * from customers".to_owned(),
            "/* icecore login check */ drop table orders".to_owned(),
            format!("{EXPLAIN}select 1; drop table orders"),
            format!(
                "{} union all select 'x', name, mail, null, null, 0 from customers",
                samples[0]
            ),
            samples[0].replace("information_schema.tables", "public.customers"),
            samples[0].replace("order by place", "order by place; drop table orders"),
            r#"/* icecore mcp */ describe mcp server "A"."B"."C"; drop table orders"#.to_owned(),
            r#"/* icecore mcp */ drop mcp server "A"."B"."C""#.to_owned(),
            String::new(),
        ] {
            assert!(!is_own(&sql), "{sql}");
        }
    }
}
