//! Workload identity: the host proves to Snowflake what it is by an attestation of its cloud or its issuer.
//!
//! The attestation is the daemon's own. One that a job could have minted for itself would open Snowflake from anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::source::aws::identity::Keys;
use super::source::aws::sign::{Call, signed};
use crate::snowflake::secret::Secret;

/// Whom the attestation is for: without it a signed request for Snowflake would be one for anybody.
const AUDIENCE: &str = "snowflakecomputing.com";

/// Signs STS's `GetCallerIdentity` and does not send it: Snowflake does. Source: protocol reference 2.1.
///
/// None if a value can be no header.
pub(super) fn attestation(keys: &Keys, region: &str, now: DateTime<Utc>) -> Option<Secret> {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    let host = format!("sts.{region}.{domain}");
    let query = "Action=GetCallerIdentity&Version=2011-06-15";
    let call = Call {
        method: "POST",
        host: &host,
        path: "/",
        query,
        body: Some(b""),
        region,
        service: "sts",
    };
    let mut headers = HeaderMap::new();
    let audience = HeaderName::from_static("x-snowflake-audience");
    headers.insert(audience, HeaderValue::from_static(AUDIENCE));
    let headers = signed(&call, headers, keys, now)?;
    let mut named = Map::from_iter([("Host".to_owned(), json!(host))]);
    for (name, value) in &headers {
        named.insert(spelled(name.as_str()), json!(value.to_str().ok()?));
    }
    let whole = json!({
        "url": format!("https://{host}/?{query}"),
        "method": "POST",
        "headers": Value::Object(named),
    });
    Some(Secret::new(STANDARD.encode(whole.to_string())))
}

/// Spells a header as AWS's own signers do.
fn spelled(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attestation_is_a_signed_request_for_snowflake_alone() {
        let keys = Keys {
            access_key_id: "ASIAEXAMPLE".to_owned(),
            secret_access_key: Secret::new("hunter2".to_owned()),
            session_token: Some(Secret::new("session".to_owned())),
            expires: None,
        };
        let now = "2026-11-26T12:00:00Z".parse().unwrap();
        let shown = attestation(&keys, "eu-central-1", now).unwrap();
        let text = STANDARD.decode(shown.reveal()).unwrap();
        let found: Value = serde_json::from_slice(&text).unwrap();
        let host = "sts.eu-central-1.amazonaws.com";
        assert_eq!(
            found["url"],
            format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15")
        );
        assert_eq!(found["method"], "POST");
        let headers = &found["headers"];
        assert_eq!(headers["Host"], host);
        assert_eq!(headers["X-Snowflake-Audience"], "snowflakecomputing.com");
        assert_eq!(headers["X-Amz-Date"], "20261126T120000Z");
        assert_eq!(headers["X-Amz-Security-Token"], "session");
        let proof = headers["Authorization"].as_str().unwrap();
        let signs = "SignedHeaders=host;x-amz-date;x-amz-security-token;x-snowflake-audience, ";
        assert!(proof.contains(signs), "{proof}");
        assert!(!String::from_utf8(text).unwrap().contains("hunter2"));
    }
}
