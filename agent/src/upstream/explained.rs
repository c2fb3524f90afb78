//! What Snowflake would read for a statement, told without running it: `EXPLAIN` compiles and no more.
//!
//! It is asked in the agent's own login, where names and temporary objects mean what they will mean.

use std::sync::Arc;

use serde::Deserialize;

use super::standing::ask;
use super::{Login, Upstream, UpstreamError};
use crate::approval::Plan;
use crate::snowflake::answer::Answer;

/// What leads the text; the rest is the statement, as it was judged.
pub(super) const EXPLAIN: &str = "/* icecore hold */ explain using json ";

/// What an answer's one cell says of the whole statement. Source: docs.snowflake.com, "EXPLAIN", output as JSON.
#[derive(Deserialize)]
struct Explained {
    #[serde(rename = "GlobalStats")]
    stats: Stats,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    bytes_assigned: Option<u64>,
    partitions_assigned: Option<u64>,
    partitions_total: Option<u64>,
}

/// Asks what a statement would read.
///
/// # Errors
/// No usable answer, also where Snowflake does not explain such a statement.
pub async fn explain(
    upstream: &Upstream,
    login: &Arc<Login>,
    sql: &str,
) -> Result<Plan, UpstreamError> {
    let answered = ask(upstream, login, &format!("{EXPLAIN}{sql}")).await?;
    plan(answered.answer()).ok_or_else(|| UpstreamError::Broke {
        host: login.host().to_owned(),
        cause: "expected the statistics of a plan, found something else".to_owned(),
    })
}

fn plan(answer: &Answer) -> Option<Plan> {
    let rows: Vec<[String; 1]> = answer.data()?.read_as("rowset")?;
    let [[text]] = <[_; 1]>::try_from(rows).ok()?;
    let Explained { stats } = serde_json::from_str(&text).ok()?;
    Some(Plan {
        bytes: stats.bytes_assigned,
        partitions: stats.partitions_assigned,
        partitions_total: stats.partitions_total,
        unknown: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_is_the_statistics_of_one_text_or_none() {
        let read = |cell: &str| {
            let body = json!({ "success": true, "data": { "rowset": [[cell]] } }).to_string();
            plan(&Answer::read(body.as_bytes()).unwrap())
        };
        let stats = r#"{"GlobalStats":{"partitionsTotal":9,"partitionsAssigned":2,"bytesAssigned":1024},"Operations":[]}"#;
        let told = read(stats).unwrap();
        let numbers = (told.bytes, told.partitions, told.partitions_total);
        assert_eq!(numbers, (Some(1024), Some(2), Some(9)));
        for cell in ["", "{}", r#"{"GlobalStats":{"bytesAssigned":"all"}}"#] {
            assert_eq!(read(cell), None, "{cell}");
        }
    }
}
