//! AWS Signature Version 4, for the few requests that Icecore makes itself.
//!
//! Source: AWS, "Create a signed AWS API request". ring has the HMAC; an SDK for two requests would bring a hundred crates.

use chrono::{DateTime, Utc};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};

use super::identity::Keys;

/// Says in place of a body's digest that the body is not signed. Source: AWS, "Signature Calculations for the
/// Authorization Header: Transferring Payload in a Single Chunk".
pub(in crate::upstream) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// What is asked, and of which service.
pub(in crate::upstream) struct Call<'a> {
    /// Its method.
    pub(in crate::upstream) method: &'a str,
    /// The host, as the `Host` header says it.
    pub(in crate::upstream) host: &'a str,
    /// The path.
    pub(in crate::upstream) path: &'a str,
    /// The query, its members sorted and escaped.
    pub(in crate::upstream) query: &'a str,
    /// The body; `None` for one that is streamed, which S3 takes unsigned.
    pub(in crate::upstream) body: Option<&'a [u8]>,
    /// The region.
    pub(in crate::upstream) region: &'a str,
    /// The service, such as `sts`.
    pub(in crate::upstream) service: &'a str,
}

/// Signs a call with these headers; gives them with those that prove it, but for `Host`, which the connection sets.
///
/// None if a value can be no header.
pub(in crate::upstream) fn signed(
    call: &Call<'_>,
    mut headers: HeaderMap,
    keys: &Keys,
    now: DateTime<Utc>,
) -> Option<HeaderMap> {
    let (day, moment) = (
        now.format("%Y%m%d").to_string(),
        now.format("%Y%m%dT%H%M%SZ").to_string(),
    );
    headers.insert(
        HeaderName::from_static("x-amz-date"),
        HeaderValue::try_from(&moment).ok()?,
    );
    if let Some(token) = &keys.session_token {
        let mut value = HeaderValue::try_from(token.reveal()).ok()?;
        value.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-amz-security-token"), value);
    }
    let mut named = vec![("host", call.host)];
    for (name, value) in &headers {
        named.push((name.as_str(), value.to_str().ok()?.trim()));
    }
    named.sort_unstable();
    let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = named
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{lines}\n{names}\n{}",
        call.method,
        call.path,
        call.query,
        call.body.map_or(UNSIGNED.to_owned(), |body| hex(
            digest(&SHA256, body).as_ref()
        ))
    );
    let scope = format!("{day}/{}/{}/aws4_request", call.region, call.service);
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{scope}\n{}",
        hex(digest(&SHA256, canonical.as_bytes()).as_ref())
    );
    let secret = zeroize::Zeroizing::new(format!("AWS4{}", keys.secret_access_key.reveal()));
    let mut key = Key::new(HMAC_SHA256, secret.as_bytes());
    for part in [day.as_str(), call.region, call.service, "aws4_request"] {
        key = Key::new(HMAC_SHA256, sign(&key, part.as_bytes()).as_ref());
    }
    let signature = hex(sign(&key, to_sign.as_bytes()).as_ref());
    let proof = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        keys.access_key_id
    );
    let mut proof = HeaderValue::try_from(proof).ok()?;
    proof.set_sensitive(true);
    headers.insert(hyper::header::AUTHORIZATION, proof);
    Some(headers)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snowflake::secret::Secret;

    /// The example of AWS's own test suite, `get-vanilla`.
    #[test]
    fn the_signature_is_the_one_of_the_vendors_example() {
        let keys = Keys {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned()),
            session_token: None,
            expires: None,
        };
        let call = Call {
            method: "GET",
            host: "example.amazonaws.com",
            path: "/",
            query: "",
            body: Some(b""),
            region: "us-east-1",
            service: "service",
        };
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let headers = signed(&call, HeaderMap::new(), &keys, now).unwrap();
        assert_eq!(
            headers["authorization"],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
