//! Stores of other makers, for the recorder to write to: each checks what it can, and none of them is the cloud itself.

mod azurite;
mod google;
mod moto;
mod s3s;

use std::sync::Arc;

use anyhow::Result;

pub use azurite::Azurite;
pub use google::Google;
pub use moto::{MotoS3, Rights};
pub use s3s::S3s;

use crate::{install, node, python};

/// How a store is reached, by a writer and by a reader.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    /// Its URL.
    pub url: String,
    /// Where it is.
    pub endpoint: String,
    /// The region of S3.
    pub region: Option<String>,
    /// The account of Azure.
    pub account: Option<String>,
    /// What opens it for a writer, in its provider's own form.
    pub secret: Arc<str>,
    /// What a reader has in its environment.
    pub environment: Vec<(&'static str, String)>,
}

/// Installs what the stores are made of.
pub fn prepare() -> Result<()> {
    python::environment("moto")?;
    azurite::folder()?;
    s3s::program().map(drop)
}

/// Writes keys of AWS's as its own tools print them.
fn aws_keys(id: &str, secret: &str) -> Arc<str> {
    serde_json::json!({ "Version": 1, "AccessKeyId": id, "SecretAccessKey": secret })
        .to_string()
        .into()
}

/// Gives the variables by which a reader of S3 proves who it is.
fn aws_environment(endpoint: &str, id: &str, secret: &str) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_ACCESS_KEY_ID", id.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ("AWS_REGION", "eu-central-1".to_owned()),
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
    ]
}
