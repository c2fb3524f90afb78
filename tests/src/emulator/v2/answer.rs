//! The bodies of the SQL API: result sets, partitions, and what is still running, failed or cancelled.

use serde_json::{Map, Value, json};

use super::super::Gate;
use super::super::answers::SqlError;
use super::super::results::{Booleans, Outcome};
use super::super::statements::{Ended, Statement};

/// How a null cell is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nulls {
    /// As JSON's null.
    Json,
    /// As the text `null`.
    Words,
}

/// One answer: status, body, and the header that leads to the partitions.
#[derive(Debug)]
pub(in super::super) struct Answer {
    /// HTTP status.
    pub(in super::super) status: u16,
    /// JSON body.
    pub(in super::super) body: Value,
    /// `Link`, for results.
    pub(in super::super) link: Option<String>,
    /// Whether it is compressed whatever the client takes: later partitions are (recorded).
    pub(in super::super) always_gzip: bool,
}

impl Answer {
    fn new(status: u16, body: Value) -> Self {
        Self {
            status,
            body,
            link: None,
            always_gzip: false,
        }
    }

    /// Makes an answer of v1, which has HTTP status 200 whatever it says.
    pub(in super::super) fn of_v1(body: Value) -> Self {
        Self::new(200, body)
    }

    /// Makes an answer that is about no statement.
    pub(super) fn plain(status: u16, code: &str, message: &str) -> Self {
        Self::new(status, json!({"code": code, "message": message}))
    }

    /// Tells that a statement has not ended: `QueryStatus`.
    pub(super) fn running(statement: &Statement) -> Self {
        let words = "Asynchronous execution in progress. Use provided query id to perform query monitoring and \
                     management.";
        Self::new(202, about(statement, "333334", None, words))
    }

    /// Tells that a statement is cancelled: `CancelStatus`.
    pub(super) fn cancelled(statement: &Statement) -> Self {
        let words = "SQL execution canceled";
        Self::new(200, about(statement, "000604", Some("57014"), words))
    }

    /// Tells how a statement failed: `QueryFailureStatus`.
    pub(super) fn failure(statement: &Statement, error: &SqlError) -> Self {
        let status = if error.code == "000630" { 408 } else { 422 };
        let body = about(
            statement,
            &error.code,
            Some(&error.sql_state),
            &error.message,
        );
        Self::new(status, body)
    }

    /// Gives a statement's end: its result set, or its error.
    pub(super) fn ended(gate: &Gate, statement: &Statement, ended: &Ended, nulls: &Nulls) -> Self {
        match ended {
            Ok(outcome) => Self::result(gate, statement, outcome, nulls),
            Err(error) => Self::failure(statement, error),
        }
    }

    /// Gives one partition; the first comes with its result set.
    pub(super) fn partition(
        gate: &Gate,
        statement: &Statement,
        outcome: &Outcome,
        partition: Option<usize>,
        nulls: &Nulls,
    ) -> Self {
        let ranges = ranges(gate, outcome);
        let range = partition.and_then(|n| ranges.get(n));
        match (partition, range) {
            (Some(0), _) => Self::result(gate, statement, outcome, nulls),
            (_, Some((start, rows))) => match rows_of(outcome, *start, *rows, nulls) {
                Ok(data) => Self {
                    always_gzip: true,
                    ..Self::new(200, json!({"data": data}))
                },
                Err(error) => Self::failure(statement, &error),
            },
            (_, None) => {
                let last = ranges.len() - 1;
                let words = format!("Invalid partition: expected a number from 0 to {last}.");
                Self::plain(400, "391922", &words)
            }
        }
    }

    /// Gives a result set with its first partition.
    fn result(gate: &Gate, statement: &Statement, outcome: &Outcome, nulls: &Nulls) -> Self {
        match result_set(gate, statement, outcome, nulls) {
            Ok(body) => Self {
                link: Some(link(statement, ranges(gate, outcome).len())),
                ..Self::new(200, body)
            },
            Err(error) => Self::failure(statement, &error),
        }
    }
}

fn result_set(
    gate: &Gate,
    statement: &Statement,
    outcome: &Outcome,
    nulls: &Nulls,
) -> Result<Value, SqlError> {
    let words = "Statement executed successfully.";
    let mut body = about(statement, "090001", Some("00000"), words);
    let mut partitions = Vec::new();
    let mut first = None;
    for (start, rows) in ranges(gate, outcome) {
        let data = rows_of(outcome, start, rows, nulls)?;
        let size = data.to_string().len();
        let mut partition = json!({"rowCount": rows, "uncompressedSize": size});
        if first.is_some() {
            // Later partitions alone are stored compressed (recorded); the size is announced, not promised.
            set(&mut partition, "compressedSize", json!(size / 2));
        }
        partitions.push(partition);
        first.get_or_insert(data);
    }
    let metadata = json!({
        "numRows": outcome.table.len(), "format": "jsonv2", "partitionInfo": partitions,
        "rowType": outcome.table.rowtype,
    });
    set(&mut body, "resultSetMetaData", metadata);
    set(&mut body, "data", json!(first));
    set(&mut body, "requestId", json!(statement.request_id));
    let children = statement.children();
    if !children.is_empty() {
        let handles = children.iter().map(|child| child.id.as_str());
        set(&mut body, "statementHandles", handles.collect());
    }
    if let Some(stats) = stats(outcome)? {
        set(&mut body, "stats", stats);
    }
    Ok(body)
}

/// Gives the members that every body about a statement has.
fn about(statement: &Statement, code: &str, sql_state: Option<&str>, message: &str) -> Value {
    let millis = u64::try_from(statement.created.as_millis()).unwrap_or(u64::MAX);
    let mut body = json!({
        "code": code, "message": message, "statementHandle": statement.id, "createdOn": millis,
        "statementStatusUrl": address(statement, ""),
    });
    if let Some(state) = sql_state {
        set(&mut body, "sqlState", json!(state));
    }
    body
}

fn address(statement: &Statement, rest: &str) -> String {
    let (id, request) = (&statement.id, &statement.request_id);
    if request.is_empty() && rest.is_empty() {
        return format!("/api/v2/statements/{id}");
    }
    format!("/api/v2/statements/{id}?requestId={request}{rest}")
}

fn link(statement: &Statement, partitions: usize) -> String {
    let to = |n: usize, relation: &str| {
        let address = address(statement, &format!("&partition={n}"));
        format!("<{address}>;rel=\"{relation}\"")
    };
    let mut links = vec![to(0, "first")];
    if partitions > 1 {
        links.push(to(1, "next"));
    }
    links.push(to(partitions.saturating_sub(1), "last"));
    links.join(",")
}

/// Cuts a result into partitions: start and number of rows; a result without rows has one without rows.
fn ranges(gate: &Gate, outcome: &Outcome) -> Vec<(usize, usize)> {
    let total = outcome.table.len();
    let rows = usize::try_from(gate.tuning().partition_rows).unwrap_or(usize::MAX);
    if rows == 0 || total <= rows {
        return vec![(0, total)];
    }
    (0..total)
        .step_by(rows)
        .map(|start| (start, rows.min(total - start)))
        .collect()
}

fn rows_of(outcome: &Outcome, start: usize, rows: usize, nulls: &Nulls) -> Result<Value, SqlError> {
    let mut data = outcome
        .table
        .json(start, rows, Booleans::Words)
        .map_err(|words| SqlError::internal(&words))?;
    if *nulls == Nulls::Words {
        let cells = data.as_array_mut().into_iter().flatten();
        for cell in cells.filter_map(Value::as_array_mut).flatten() {
            if cell.is_null() {
                *cell = json!("null");
            }
        }
    }
    Ok(data)
}

/// Gives the counts of a statement that changed rows, by its `statementTypeId` (reference protocol 4.2).
fn stats(outcome: &Outcome) -> Result<Option<Value>, SqlError> {
    let id = outcome.data.get("statementTypeId").and_then(Value::as_i64);
    let name = match id.unwrap_or_default() {
        0x3100 => "numRowsInserted",
        0x3200 => "numRowsUpdated",
        0x3300 => "numRowsDeleted",
        _ => return Ok(None),
    };
    let rows = rows_of(outcome, 0, 1, &Nulls::Json)?;
    let count = rows.pointer("/0/0").and_then(Value::as_str);
    let count: u64 = count.and_then(|text| text.parse().ok()).unwrap_or_default();
    let mut stats = Map::from_iter(
        [
            "numRowsInserted",
            "numRowsUpdated",
            "numRowsDeleted",
            "numDmlDuplicates",
        ]
        .map(|name| (name.to_owned(), json!(0))),
    );
    stats.insert(name.into(), json!(count));
    Ok((count > 0).then_some(Value::Object(stats)))
}

fn set(body: &mut Value, key: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(key.into(), value);
    }
}
