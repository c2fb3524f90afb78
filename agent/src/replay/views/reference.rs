//! docs/tables.md: every table, view and column with its meaning, by the definitions that files and views are made from. Pure.

use super::chains;
use super::definition::{self, BESIDE, base_name};
use crate::record::schema::{
    COMMON, Column, FORMAT_VERSION, RESULT_ROWS, ROW_COLUMNS, TABLES, Tier, Type,
};

/// Gives the reference of tables and views as Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = format!(
        "# Tables and views\n\n\
         Made by `icecore duckdb --reference`; a test keeps it in step. Format version {FORMAT_VERSION}. Types are DuckDB's; in Parquet\n\
         `VARCHAR` is a string, `BLOB` a digest of 32 or a salt of 16 bytes, `TIMESTAMPTZ` microseconds in UTC. Tier `t0` is metadata\n\
         without literals, `t1` content, `t2` rows of results, `t3` prompts; each has a folder, a key and a retention of its own. A column that says\n\
         *always* has a value in each row.\n\n\
         ## Columns of every table\n\n"
    );
    table_of(&mut page, COMMON.iter());
    page.push_str("\nIn DuckDB each has these besides:\n\n");
    table_of(&mut page, BESIDE.iter());
    for table in TABLES {
        let (name, tier) = (table.name, table.tier.as_str());
        let shown = match base_name(table) {
            base if base == name => String::new(),
            base => format!(" As recorded in DuckDB: `{base}`."),
        };
        page.push_str(&format!(
            "\n## `{name}` ({tier})\n\n{}{shown}\n\n",
            table.doc
        ));
        table_of(&mut page, table.own.iter());
    }
    page.push_str(&format!(
        "\n## `{RESULT_ROWS}` ({})\n\n\
         Rows of results that policies or the config have kept, as they were delivered. Each file has its result's own columns\n\
         and these; the macro `rows_of('STATEMENT_ID')` reads those of one statement.\n\n",
        Tier::Rows.as_str()
    ));
    table_of(&mut page, ROW_COLUMNS.iter());
    page.push_str(
        "\n# Views\n\nWhat `icecore duckdb` defines over the tables. docs/analysts.md has queries.\n",
    );
    view_of(
        &mut page,
        "left_out",
        definition::LEFT_OUT_DOC,
        definition::LEFT_OUT,
    );
    let of_chains = chains::COLUMNS.map(|(name, _, doc)| (name, doc));
    view_of(&mut page, "chains", chains::DOC, of_chains);
    for view in definition::views() {
        if let Some(other) = view.same_as() {
            page.push_str(&format!(
                "\n## View `{}`\n\n{} Its columns are those of `{other}`.\n",
                view.name, view.doc
            ));
            continue;
        }
        let shown = view.shown();
        let columns = shown.iter().map(|column| (column.name, column.doc));
        view_of(&mut page, view.name, view.doc, columns);
    }
    page
}

fn table_of<'a>(page: &mut String, columns: impl Iterator<Item = &'a Column>) {
    page.push_str("| column | type | meaning |\n|---|---|---|\n");
    for column in columns {
        let always = if column.required { ", always" } else { "" };
        let kind = if matches!(&column.kind, Type::List(Type::Struct(_))) {
            "STRUCT[]".to_owned()
        } else {
            super::duckdb_type(column)
        };
        page.push_str(&format!(
            "| `{}` | {kind}{always} | {} |\n",
            column.name,
            cell(column.doc)
        ));
        members_of(page, column.name, &column.kind);
    }
}

/// Adds what the members of a column's values mean.
fn members_of(page: &mut String, path: &str, kind: &Type) {
    match kind {
        Type::List(inner) => members_of(page, &format!("{path}[]"), inner),
        Type::Struct(members) => {
            for member in *members {
                page.push_str(&format!(
                    "| `{path}.{}` | {} | {} |\n",
                    member.name,
                    super::kind(&member.kind),
                    cell(member.doc)
                ));
            }
        }
        Type::Bool
        | Type::I32
        | Type::I64
        | Type::F64
        | Type::Text
        | Type::Json
        | Type::Hash
        | Type::Salt
        | Type::Time => {}
    }
}

fn view_of<'a>(
    page: &mut String,
    name: &str,
    doc: &str,
    columns: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    page.push_str(&format!(
        "\n## View `{name}`\n\n{doc}\n\n| column | meaning |\n|---|---|\n"
    ));
    for (name, doc) in columns {
        page.push_str(&format!("| `{name}` | {} |\n", cell(doc)));
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_what_the_definitions_say() {
        let committed = include_str!("../../../../docs/tables.md");
        assert!(
            committed == reference(),
            "docs/tables.md is not in step: `cargo run -p icecore -- duckdb --reference > docs/tables.md`"
        );
    }
}
