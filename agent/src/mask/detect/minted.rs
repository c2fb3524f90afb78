//! Credentials that Snowflake mints, told by their form: looked for in every result, whatever policies say.
//!
//! What gives one is refused or hidden where the statement is read; this is for those that come by another way, such as
//! a function of somebody's own. So that every byte can be looked at, a first look is for signs that one of them must
//! have and other values seldom do. Each begins with letters that seldom stand together: that is what the search is fast
//! by (24 GB/s of JSON rows on a machine that inflates 0.4 GB/s; with `Signature` and `snowflake` it was 2 GB/s).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use regex::{Regex, bytes};

/// Signs of which one stands in each form, none of which JSON would escape.
const SIGNS: &str =
    r"(?-u)-hint:|eyJ|wflakecomputing\.|E KEY--|X-Amz-|X-Goog-|AWSAccessKeyId|\.windows\.net";

/// Forms: tokens of sessions, integrations and SCIM; programmatic access and identity tokens, which are JWTs; scoped
/// addresses of files, which have a query's id, where those of stages have names; addresses that S3, GCS and Azure take
/// for signed; private keys. None goes past the end of a text within JSON.
///
/// Source: protocol reference section 3; Snowflake's reference, "BUILD_SCOPED_FILE_URL"; RFC 7519, RFC 7468; the
/// providers' pages on signed addresses.
const FORMS: [&str; 4] = [
    r"ver:\d+-hint:\d+-[\w+/=-]+",
    r"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]*",
    r#"https://[\w.-]+\.snowflakecomputing\.(?:com|cn|mil)/api/files/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/[^\s"\\]*|https://[^\s"\\?]+\?(?:[^\s"\\]*&)?(?i:X-Amz-Signature|X-Goog-Signature|Signature)=[^\s"\\]*|https://[\w.-]+\.windows\.net/[^\s"\\?]*\?(?:[^\s"\\]*&)?sig=[^\s"\\]*"#,
    r#"-----BEGIN [A-Z ]*PRIVATE KEY-----[^"]*?(?:-----END [A-Z ]*PRIVATE KEY-----|"|\z)"#,
];

/// Tells whether bytes of a result, of any of its formats, may hold such a credential; those that do not need no second
/// look.
#[must_use]
pub(in crate::mask) fn may_hold_minted(bytes: &[u8]) -> bool {
    static SIGN: LazyLock<Option<bytes::Regex>> = LazyLock::new(|| bytes::Regex::new(SIGNS).ok());
    // What cannot be looked at may hold one.
    SIGN.as_ref().is_none_or(|sign| sign.is_match(bytes))
}

/// Finds such credentials in a text, which may be JSON: the first byte of each, and the one behind it; `None` if it cannot
/// be looked at.
pub(in crate::mask) fn found(text: &str) -> Option<Vec<(usize, usize)>> {
    static ALL: LazyLock<Option<Vec<Regex>>> =
        LazyLock::new(|| FORMS.iter().map(|form| Regex::new(form).ok()).collect());
    if !may_hold_minted(text.as_bytes()) {
        return Some(Vec::new());
    }
    let mut found = Vec::new();
    for form in ALL.as_ref()? {
        for one in form.captures_iter(text) {
            let claims = one.get(1);
            let is_one = claims.is_none_or(|claims| is_of_snowflake(claims.as_str()));
            if let Some(whole) = one.get(0).filter(|_| is_one) {
                found.push((whole.start(), whole.end()));
            }
        }
    }
    Some(found)
}

/// Tells whether a JWT's second part says that Snowflake issued it: `SF:` and a number, or an address of Snowflake's.
fn is_of_snowflake(claims: &str) -> bool {
    let claims = URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    let Ok(claims) = serde_json::from_slice::<serde_json::Value>(&claims) else {
        return false;
    };
    let issuer = claims.get("iss").and_then(serde_json::Value::as_str);
    issuer.is_some_and(|issuer| issuer.starts_with("SF:") || issuer.contains("snowflake"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::Detectors;

    fn hide_minted(text: &str) -> Option<String> {
        Detectors::minted().hide(text)
    }

    const SCOPED: &str = "https://acme.snowflakecomputing.com/api/files/019260c2-00c0-f2f2-0000-4383001cf046/bXlmaWxl";

    fn jwt(claims: &str) -> String {
        let claims = URL_SAFE_NO_PAD.encode(claims);
        format!("eyJraWQiOiIxIiwiYWxnIjoiRVMyNTYifQ.{claims}.c2ln")
    }

    fn credentials() -> Vec<String> {
        vec![
            "ver:1-hint:1036-ETMsDgAAAXk+/AbC==".to_owned(),
            jwt(r#"{"p":"1:2","iss":"SF:1049","exp":1}"#),
            jwt(r#"{"iss": "https://token.snowflake.example"}"#),
            SCOPED.to_owned(),
            "https://b.s3.eu-west-1.amazonaws.com/k/f?X-Amz-Date=1&X-Amz-Signature=ab12".to_owned(),
            "https://b.s3.amazonaws.com/k?AWSAccessKeyId=A&Signature=x%3D&Expires=1".to_owned(),
            "https://storage.googleapis.com/b/f?X-Goog-Date=1&X-Goog-Signature=ab".to_owned(),
            "https://a.blob.core.windows.net/c/f?sv=2021&sig=abc%3D".to_owned(),
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\nMIIE".to_owned(),
        ]
    }

    #[test]
    fn each_form_is_hidden_and_what_stands_around_it_is_not() {
        for one in credentials() {
            let hidden = hide_minted(&format!("a: {one}")).unwrap_or_else(|| panic!("{one}"));
            let stars = "*".repeat(one.chars().count());
            assert_eq!(hidden, format!("a: {stars}"), "{one}");
            let json = serde_json::json!({ "a": one, "b": "c" }).to_string();
            assert!(may_hold_minted(json.as_bytes()), "{json}");
            let hidden = hide_minted(&json).unwrap();
            assert!(
                hidden.starts_with(r#"{"a":"*"#) && hidden.ends_with('}'),
                "{hidden}"
            );
        }
    }

    #[test]
    fn what_is_no_credential_of_snowflakes_stays() {
        for text in [
            "https://acme.snowflakecomputing.com/api/files/DB/S/STAGE/f.csv",
            "https://example.com/?sig=1",
            "https://b.s3.amazonaws.com/k?X-Amz-Date=1",
            "-----BEGIN CERTIFICATE-----",
            "-----BEGIN PUBLIC KEY-----",
            &jwt(r#"{"iss":"https://accounts.example"}"#),
            "eyJ.eyJ.x",
            "version:1-hint: read on",
        ] {
            assert_eq!(hide_minted(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn one_is_found_wherever_it_stands(
            before in "[a-zA-Z0-9 ,:]{0,12}[ ,]",
            behind in "[ ,][a-zA-Z0-9 ,:]{0,12}",
            place in 0_usize..10,
        ) {
            let all = credentials();
            let text = format!("{before}{}{behind}", all[place]);
            let hidden = hide_minted(&text).unwrap_or_default();
            prop_assert_eq!(hidden.chars().count(), text.chars().count());
            let part: String = all[place].chars().take(12).collect();
            prop_assert!(!hidden.contains(&part), "{hidden}");
        }

        #[test]
        fn no_text_breaks_it(text in "[-a-zA-Z0-9@.:+/?&=\"\\\\ ü]{0,80}") {
            if let Some(hidden) = hide_minted(&text) {
                prop_assert_eq!(hidden.chars().count(), text.chars().count());
            }
        }
    }
}
