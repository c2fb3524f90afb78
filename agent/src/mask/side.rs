//! What leaves beside rows: messages, counts, statistics, places of errors.
//!
//! Of a statement that uses hidden values, members that tell of its shape or its login are carried, words are told as
//! `words` has them, counts of changed rows stay, and whatever else there is does not leave. Answers about other
//! statements pass as they are.
//!
//! Source of the members: protocol reference sections 4.2 and 4.4.

use super::words;
use crate::policy::Plan;
use crate::snowflake::answer::Answer;
use crate::snowflake::json::Object;
use crate::snowflake::v2;
use crate::upstream::Subject;

/// What of an answer's `data` is carried: ids, the shape of the result, what rows it has and how they come, where the
/// login is, and of an error what kind it is and where in the text.
const OF_DATA: [&str; 41] = [
    "parameters",
    "rowtype",
    "rowset",
    "rowsetBase64",
    "chunks",
    "chunkHeaders",
    "qrmk",
    "total",
    "returned",
    "totalTruncated",
    "queryId",
    "databaseProvider",
    "finalDatabaseName",
    "finalSchemaName",
    "finalWarehouseName",
    "finalRoleName",
    "numberOfBinds",
    "metaDataOfBinds",
    "arrayBindSupported",
    "statementTypeId",
    "version",
    "sendResultTime",
    "queryResultFormat",
    "queryContext",
    "getResultUrl",
    "progressDesc",
    "queryAbortsAfterSecs",
    "resultIds",
    "resultTypes",
    "stats",
    "stageInfo",
    "presignedUrls",
    "encryptionMaterial",
    "internalError",
    "errorCode",
    "errorMessage",
    "age",
    "sqlState",
    "line",
    "pos",
    "type",
];

/// The same of a body of the SQL API.
const OF_BODY: [&str; 11] = [
    "resultSetMetaData",
    "data",
    "code",
    "message",
    "sqlState",
    "statementHandle",
    "statementHandles",
    "createdOn",
    "statementStatusUrl",
    "requestId",
    "stats",
];

/// The same of a statement's state.
const OF_STATE: [&str; 13] = [
    "id",
    "sessionId",
    "status",
    "state",
    "startTime",
    "endTime",
    "totalDuration",
    "errorCode",
    "errorMessage",
    "warehouseId",
    "warehouseName",
    "warehouseExternalSize",
    "warehouseServerType",
];

/// Counts of changed rows.
const COUNTS: [&str; 4] = [
    "numRowsInserted",
    "numRowsUpdated",
    "numRowsDeleted",
    "numDmlDuplicates",
];

/// Takes out of a driver's answer what may tell of hidden values.
pub(super) fn quiet(answer: &mut Answer, subject: &Subject) {
    if !subject.hides_words() {
        return;
    }
    let text = subject.text();
    let Some(data) = envelope(answer, text) else {
        return;
    };
    data.keep(&OF_DATA);
    say(data, "errorMessage", text);
    data.blank("progressDesc");
    count(data);
}

/// Takes the same out of an answer of the SQL API.
pub(super) fn quiet_api(answer: &mut v2::Answer, subject: &Subject) {
    if subject.hides_words() {
        let body = answer.body_mut();
        body.keep(&OF_BODY);
        say(body, "message", subject.text());
        count(body);
    }
}

/// Takes out of a statement's state what may tell of hidden values; `plan` is what is made of its result, where that is
/// known.
pub fn quiet_state(answer: &mut Answer, plan: Option<&Plan>) {
    if plan.is_some_and(|plan| !plan.hides_words()) {
        return;
    }
    let Some(data) = envelope(answer, None) else {
        return;
    };
    data.keep(&["queries"]);
    let mut queries: Vec<Object> = data.read_as("queries").unwrap_or_default();
    for query in &mut queries {
        query.keep(&OF_STATE);
        say(query, "errorMessage", None);
    }
    if data.set("queries", &queries).is_err() {
        data.remove("queries");
    }
}

/// Takes the same out of a driver's envelope, and gives `data`, if it is an object.
fn envelope<'a>(answer: &'a mut Answer, text: Option<&str>) -> Option<&'a mut Object> {
    let (body, data) = answer.parts_mut();
    body.keep(&["data", "code", "message", "success"]);
    say(body, "message", text);
    if data.is_none() {
        body.blank("data");
    }
    data
}

/// Puts what may be told of a message in its place.
fn say(object: &mut Object, member: &str, text: Option<&str>) {
    if !object.has_content(member) {
        return;
    }
    // What is no text may hold one.
    let message: String = object.read_as(member).unwrap_or_default();
    if object.set(member, &words::quiet(&message, text)).is_err() {
        object.blank(member);
    }
}

/// Leaves of statistics the counts of changed rows.
fn count(object: &mut Object) {
    if !object.has_content("stats") {
        return;
    }
    let Some(mut stats) = object.read_as::<Object>("stats") else {
        return object.blank("stats");
    };
    stats.keep(&COUNTS);
    for name in COUNTS {
        if stats.read_as::<u64>(name).is_none() {
            stats.blank(name);
        }
    }
    if object.set("stats", &stats).is_err() {
        object.blank("stats");
    }
}

#[cfg(test)]
#[path = "side_tests.rs"]
mod tests;
