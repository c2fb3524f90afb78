//! A secret that opens the store, read each time that it is needed: what stands there may have been renewed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use object_store::aws::AwsCredential;
use object_store::azure::{AzureAccessKey, AzureCredential};
use object_store::{CredentialProvider, Error};
use serde::Deserialize;
use zeroize::Zeroizing;

/// What reading a secret comes to, at some time.
pub type ReadingSecret =
    Pin<Box<dyn Future<Output = Result<Arc<Zeroizing<Vec<u8>>>, String>> + Send>>;

/// Reads the secret that opens the store, from wherever the config says that it is.
#[derive(Clone)]
pub struct StoreSecret(Arc<dyn Fn() -> ReadingSecret + Send + Sync>);

impl StoreSecret {
    /// Takes how it is read.
    pub fn new(read: impl Fn() -> ReadingSecret + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Reads it as it is at this moment.
    pub(crate) fn read(&self) -> ReadingSecret {
        (self.0)()
    }
}

impl fmt::Debug for StoreSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreSecret")
    }
}

/// Gives what a secret says as the store's client wants it.
#[derive(Debug)]
pub(super) struct Given<T> {
    pub(super) secret: StoreSecret,
    /// Says why a text is no such credential, and nothing of the text.
    pub(super) meant: fn(&str) -> Result<T, &'static str>,
}

impl<T: fmt::Debug + Send + Sync + 'static> CredentialProvider for Given<T> {
    type Credential = T;

    fn get_credential<'provider, 'given>(
        &'provider self,
    ) -> Pin<Box<dyn Future<Output = Result<Arc<T>, Error>> + Send + 'given>>
    where
        'provider: 'given,
        Self: 'given,
    {
        Box::pin(async move {
            let bytes = self.secret.read().await.map_err(unusable)?;
            let text = std::str::from_utf8(&bytes).map_err(|_| unusable("it is no UTF-8 text"))?;
            (self.meant)(text.trim()).map(Arc::new).map_err(unusable)
        })
    }
}

/// Says that a credential cannot be used.
pub(super) fn unusable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: "credential",
        source: cause.into(),
    }
}

/// Keys as AWS's own tools print them. Source: AWS CLI, "Sourcing credentials with an external process".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AwsKeys {
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Reads keys of AWS's.
pub(super) fn aws(text: &str) -> Result<AwsCredential, &'static str> {
    let keys: AwsKeys = serde_json::from_str(text).map_err(
        |_| "expected JSON with `AccessKeyId`, `SecretAccessKey` and, for temporary keys, `SessionToken`",
    )?;
    // Each becomes part of a header.
    let parts = [Some(&keys.access_key_id), keys.session_token.as_ref()];
    if !parts.into_iter().flatten().all(|part| is_visible(part)) {
        return Err("expected keys of visible ASCII characters");
    }
    Ok(AwsCredential {
        key_id: keys.access_key_id,
        secret_key: keys.secret_access_key,
        token: keys.session_token,
    })
}

/// Reads a shared access signature, whose form only such have, or an account's key.
pub(super) fn azure(text: &str) -> Result<AzureCredential, &'static str> {
    if !is_visible(text) {
        return Err("expected visible ASCII characters");
    }
    if !text.contains("sig=") {
        let key = AzureAccessKey::try_new(text);
        return key
            .map(AzureCredential::AccessKey)
            .map_err(|_| "expected a shared access signature, or an account's key in base64");
    }
    let pairs = text.trim_start_matches('?').split('&').map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value)
            .decode_utf8()
            .ok()?;
        Some((name.to_owned(), value.into_owned()))
    });
    let pairs: Option<Vec<_>> = pairs.collect();
    pairs
        .map(AzureCredential::SASToken)
        .ok_or("expected a shared access signature of `name=value` joined by `&`")
}

fn is_visible(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_their_providers_own_form_and_no_other() {
        let keys = aws(
            r#"{"Version":1,"AccessKeyId":"ASIA1","SecretAccessKey":"s","SessionToken":"t","Expiration":"x"}"#,
        );
        let expected = AwsCredential {
            key_id: "ASIA1".to_owned(),
            secret_key: "s".to_owned(),
            token: Some("t".to_owned()),
        };
        assert_eq!(keys.unwrap(), expected);
        for text in [
            "",
            "AKIA:s",
            r#"{"AccessKeyId":"a\nb","SecretAccessKey":"s"}"#,
        ] {
            assert!(aws(text).is_err(), "{text}");
        }
        let signed = azure("?sv=2024&sig=a%2Fb%3D").unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![pair("sv", "2024"), pair("sig", "a/b=")];
        assert!(matches!(signed, AzureCredential::SASToken(pairs) if pairs == expected));
        assert!(matches!(
            azure("a2V5").unwrap(),
            AzureCredential::AccessKey(_)
        ));
        assert!(azure("no key!").is_err());
    }
}
