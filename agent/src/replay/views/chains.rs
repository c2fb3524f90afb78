//! The view `chains`: how far the signed documents of each chain have come.

use std::io::{self, Write};

use super::text;
use crate::replay::chains::Chains;

/// What the view says.
pub(super) const DOC: &str = "One row a chain that has signed documents: how far they have come, and whether they may be believed.";

/// Its columns: name, type, meaning.
#[rustfmt::skip]
pub(super) const COLUMNS: [(&str, &str, &str); 9] = [
    ("chain_id", "VARCHAR", "Chain."),
    ("host_id", "VARCHAR", "Host that recorded; null where its genesis cannot be believed."),
    ("began_at", "TIMESTAMPTZ", "When its genesis was signed."),
    ("manifests", "BIGINT", "Manifests that may be believed."),
    ("last_manifest_at", "TIMESTAMPTZ", "When the last of them was signed: one a minute at least as long as the chain runs."),
    ("tree_size", "BIGINT", "Rows that they vouch for."),
    ("spool_backlog", "BIGINT", "Bytes that waited on the host when the last of them was signed."),
    ("is_closed", "BOOLEAN", "Whether the last of them ends the chain."),
    ("problems", "VARCHAR[]", "What is wrong with its documents; what follows the first is not believed."),
];

/// Writes it.
pub(super) fn chains_view(chains: &Chains, sql: &mut impl Write) -> io::Result<()> {
    let typed: Vec<String> = COLUMNS
        .iter()
        .map(|(name, kind, _)| format!("NULL::{kind} AS {name}"))
        .collect();
    writeln!(
        sql,
        "CREATE OR REPLACE VIEW chains AS SELECT * FROM (SELECT {} WHERE false",
        typed.join(", ")
    )?;
    for ((_, id), chain) in &chains.chains {
        let read = &chain.read;
        let genesis = read.genesis.as_ref();
        let last = read.manifests.last().map(|believed| &believed.manifest);
        let or_null = |value: Option<String>| value.unwrap_or_else(|| "NULL".to_owned());
        let problems = read
            .problems
            .iter()
            .map(|problem| text(&problem.to_string()));
        let values = [
            text(id),
            or_null(genesis.map(|genesis| text(&genesis.host_id))),
            or_null(genesis.map(|genesis| text(&genesis.created_at.to_rfc3339()))),
            read.manifests.len().to_string(),
            or_null(last.map(|last| text(&last.created_at.to_rfc3339()))),
            or_null(last.map(|last| bigint(last.tree_size))),
            or_null(last.map(|last| bigint(last.spool_backlog))),
            read.is_closed().to_string(),
            format!("[{}]", problems.collect::<Vec<_>>().join(", ")),
        ];
        let typed = values.iter().zip(COLUMNS);
        let typed = typed.map(|(value, (_, kind, _))| format!("{value}::{kind}"));
        writeln!(
            sql,
            "  UNION ALL SELECT {}",
            typed.collect::<Vec<_>>().join(", ")
        )?;
    }
    writeln!(sql, ");")?;
    let meanings = COLUMNS.map(|(name, _, doc)| (name, doc));
    super::comments(sql, "chains", DOC, meanings)
}

/// Writes a number that a manifest claims, as large as the column's type takes: a forged one must not break the view.
fn bigint(number: u64) -> String {
    i64::try_from(number).unwrap_or(i64::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_claimed_number_is_too_large_for_its_column() {
        assert_eq!(bigint(7), "7");
        assert_eq!(bigint(u64::MAX), "9223372036854775807");
    }
}
