//! AWS Signature Version 4, as S3 checks it.
//!
//! Source: AWS, "Authenticating Requests: Using the Authorization Header".

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};

use super::ACCESS_KEY_ID;
use super::storage::Asked;

/// Tells whether a request is signed with a secret key: every `x-amz-` header, and the host.
pub(super) fn is_good(asked: Asked<'_>, secret: &str) -> bool {
    let shown = asked.header("authorization");
    let Some(rest) = shown.strip_prefix("AWS4-HMAC-SHA256 Credential=") else {
        return false;
    };
    let parts: Vec<&str> = rest.split(", ").collect();
    let [credential, names, shown] = parts.as_slice() else {
        return false;
    };
    let (Some((id, scope)), Some(names), Some(shown)) = (
        credential.split_once('/'),
        names.strip_prefix("SignedHeaders="),
        shown.strip_prefix("Signature="),
    ) else {
        return false;
    };
    let all_signed = asked
        .headers
        .keys()
        .filter(|name| name.as_str().starts_with("x-amz-"))
        .all(|name| names.split(';').any(|signed| signed == name.as_str()));
    let lines: String = names
        .split(';')
        .map(|name| match name {
            "host" => format!("host:{}\n", asked.host),
            name => format!("{name}:{}\n", asked.header(name)),
        })
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        asked.method,
        asked.uri.path(),
        asked.uri.query().unwrap_or_default(),
        asked.header("x-amz-content-sha256"),
    );
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        asked.header("x-amz-date"),
        hex(digest(&SHA256, canonical.as_bytes()).as_ref()),
    );
    let mut key = Key::new(HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    for part in scope.split('/') {
        key = Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref());
    }
    let is_named = names.split(';').any(|name| name == "host");
    let is_own = id == ACCESS_KEY_ID && scope.ends_with("/us-west-2/s3/aws4_request");
    let signature = hex(sign(&key, to_sign.as_bytes()).as_ref());
    is_own && is_named && all_signed && signature == *shown
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
