//! The answers: made once, with a place for the id that tells one from the next.

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::json;

/// The longest path that names an endpoint here; queries are cut off before.
const RENEWED: &[u8] = br#"{"data":{"sessionToken":"canned-session-2","masterToken":"canned-master-2","validityInSecondsST":3600,"validityInSecondsMT":14400,"sessionId":1},"code":null,"message":null,"success":true}"#;

/// What a session that is closed, and anything that needs no content, is told.
const DONE: &[u8] = br#"{"data":null,"code":null,"message":null,"success":true}"#;

/// How a proxy's look at what its login may do begins; no driver's statement does.
const LOOK: &[u8] = br#"{"sqlText":"/* icecore login check */"#;

/// What it is told.
const STANDING: &[u8] = br#"{"data":{"rowset":[["ICECORE_SVC","ANALYST","{\"roles\":\"\",\"value\":\"\"}","WH"]]},"code":null,"message":null,"success":true}"#;

/// What stands where an id goes.
const BLANK: &str = "01c0ffee-0000-4000-8000-000000000000";

/// Digits of that id that count.
const COUNTED: usize = 12;

/// All answers, each a whole body.
#[derive(Debug)]
pub struct Answers {
    rows: Blank,
    heartbeat: Bytes,
    login: Blank,
    counted: AtomicU64,
}

/// A body with an id in it that is filled in for each answer.
#[derive(Debug)]
struct Blank {
    body: Vec<u8>,
    digits_at: usize,
}

impl Blank {
    fn new(body: String) -> Self {
        let id_at = body.find(BLANK).unwrap_or_default();
        Self {
            digits_at: id_at + BLANK.len() - COUNTED,
            body: body.into_bytes(),
        }
    }

    fn fill(&self, number: u64) -> Bytes {
        let mut body = self.body.clone();
        let digits = format!("{number:0COUNTED$x}");
        if let Some(place) = body.get_mut(self.digits_at..self.digits_at + COUNTED) {
            place.copy_from_slice(digits.as_bytes());
        }
        body.into()
    }
}

impl Answers {
    /// Makes answers; that of a statement is about `answer_bytes` long, as is that of a heartbeat.
    #[must_use]
    pub fn new(answer_bytes: usize) -> Self {
        Self {
            rows: Blank::new(rows(answer_bytes)),
            heartbeat: heartbeat(answer_bytes).into(),
            login: Blank::new(login()),
            counted: AtomicU64::new(1),
        }
    }

    /// Gives the answer to a path and a body.
    #[must_use]
    pub fn of(&self, path: &str, body: &[u8]) -> Bytes {
        let number = || self.counted.fetch_add(1, Ordering::Relaxed);
        match path.split('?').next().unwrap_or_default() {
            "/queries/v1/query-request" if body.starts_with(LOOK) => Bytes::from_static(STANDING),
            "/queries/v1/query-request" => self.rows.fill(number()),
            "/session/heartbeat" => self.heartbeat.clone(),
            "/session/v1/login-request" => self.login.fill(number()),
            "/session/token-request" => Bytes::from_static(RENEWED),
            _ => Bytes::from_static(DONE),
        }
    }
}

/// A result of as many rows as fit, in the form of fakesnow's and Snowflake's JSON answers to a SELECT.
fn rows(answer_bytes: usize) -> String {
    let column = |name: &str, kind: &str| {
        json!({
            "name": name, "database": "ACME_DB", "schema": "PUBLIC", "table": "ORDERS", "nullable": true,
            "type": kind, "length": null, "byteLength": null, "precision": null, "scale": null, "collation": null,
        })
    };
    let mut rowset = Vec::new();
    let body = |rowset: &Vec<serde_json::Value>| {
        json!({
            "data": {
                "parameters": [{"name": "TIMEZONE", "value": "America/Los_Angeles"}],
                "rowtype": [column("DAY", "date"), column("REGION", "text"), column("REVENUE", "fixed")],
                "rowset": rowset, "total": rowset.len(), "returned": rowset.len(),
                "queryId": BLANK, "queryResultFormat": "json", "statementTypeId": 4096, "version": 1,
                "databaseProvider": null, "finalDatabaseName": "ACME_DB", "finalSchemaName": "PUBLIC",
                "finalWarehouseName": "WH", "finalRoleName": "ANALYST", "numberOfBinds": 0,
                "arrayBindSupported": false, "sendResultTime": 1_760_000_000_000_u64, "queryContext": null,
            },
            "code": null, "message": null, "success": true,
        })
        .to_string()
    };
    let mut text = body(&rowset);
    while text.len() < answer_bytes {
        let day = 20_000 + rowset.len();
        let region = ["north", "south", "east", "west"]
            .get(rowset.len() % 4)
            .copied();
        rowset.push(json!([day.to_string(), region, format!("{}.25", day * 7)]));
        text = body(&rowset);
    }
    text
}

/// A heartbeat's answer, filled up to the length of a statement's: the same bytes go down in both comparisons.
fn heartbeat(answer_bytes: usize) -> String {
    let body = |filler: &str| {
        json!({"data": {"filler": filler}, "code": null, "message": null, "success": true})
            .to_string()
    };
    let filler = answer_bytes.saturating_sub(body("").len());
    body(&"ice ".repeat(filler.div_ceil(4)))
}

fn login() -> String {
    json!({
        "data": {
            "token": format!("canned-session-{BLANK}"), "validityInSeconds": 3600,
            "masterToken": "canned-master", "masterValidityInSeconds": 14_400,
            "displayUserName": "ICECORE_SVC", "serverVersion": "9.30.0", "firstLogin": false, "remMeToken": null,
            "remMeValidityInSeconds": 0, "healthCheckInterval": 45, "newClientForUpgrade": null, "sessionId": 1,
            "parameters": [{"name": "CLIENT_SESSION_KEEP_ALIVE", "value": false}],
            "sessionInfo": {
                "databaseName": "ACME_DB", "schemaName": "PUBLIC", "warehouseName": "WH", "roleName": "ANALYST",
            },
        },
        "code": null, "message": null, "success": true,
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_json_of_the_length_asked_for_and_tell_queries_apart() {
        let answers = Answers::new(2048);
        let mut ids = Vec::new();
        for _ in 0..2 {
            let body = answers.of("/queries/v1/query-request?requestId=1", b"{}");
            assert!((2048..2148).contains(&body.len()), "{}", body.len());
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            ids.push(body["data"]["queryId"].clone());
        }
        assert_ne!(ids[0], ids[1]);
        for path in [
            "/session/heartbeat",
            "/session/v1/login-request",
            "/session/token-request",
            "/session?delete=true",
        ] {
            let body: serde_json::Value = serde_json::from_slice(&answers.of(path, b"{}")).unwrap();
            assert_eq!(body["success"], true, "{path}");
        }
        assert!((2048..2060).contains(&answers.of("/session/heartbeat", b"{}").len()));
    }
}
