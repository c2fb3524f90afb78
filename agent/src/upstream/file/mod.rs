//! Files of stages: read from object storage and written to it, by what opens the stage, encrypted as drivers would.
//!
//! One plain request a file, the same for every cloud but for what opens it.

mod get;
mod put;

use chrono::Utc;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue,
};
use hyper::{Method, Request, Response};
use tokio::time::timeout;

use super::UpstreamError;
use super::chunk::{PIECE_WITHIN, StorageBody};
use super::client::{Upstream, unreachable};
use super::credential::{AwsCall, AwsKeys, UNSIGNED, aws_signed};
use crate::snowflake::stage::{Opens, StageFile, Storage};

pub use get::{UnmaskedFile, look_at_file, open_file};
pub use put::{Upload, UploadError, Uploaded, put_file};

/// What storage says of a file that is not fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// Its length, where its plain bytes are what storage keeps.
    pub plain_bytes: Option<u64>,
    /// The digest that stands beside it.
    pub digest: Option<String>,
}

/// Writes a request for a file, with what opens its stage.
fn request(
    method: Method,
    storage: &Storage,
    file: &StageFile,
    mut headers: HeaderMap,
    body: StorageBody,
) -> Result<Request<StorageBody>, UpstreamError> {
    // The words of a failure may quote an address or a header that is a key.
    let unwritable = || UpstreamError::Request("the file's address or a header".to_owned());
    let (host, path) = (storage.host(), storage.path(&file.name));
    let mut query = String::new();
    match storage.opens() {
        Opens::S3 {
            region,
            key_id,
            secret,
            token,
        } => {
            let name = HeaderName::from_static("x-amz-content-sha256");
            headers.insert(name, HeaderValue::from_static(UNSIGNED));
            let call = AwsCall {
                method: method.as_str(),
                host,
                path: &path,
                query: "",
                body: None,
                region,
                service: "s3",
            };
            let keys = AwsKeys {
                access_key_id: key_id.clone(),
                secret_access_key: secret.clone(),
                session_token: Some(token.clone()),
                expires: None,
            };
            headers = aws_signed(&call, headers, &keys, Utc::now()).ok_or_else(unwritable)?;
        }
        Opens::Azure(signature) => query = format!("?{}", signature.reveal()),
        Opens::Gcs(token) => {
            let value = HeaderValue::try_from(format!("Bearer {}", token.reveal()));
            let mut value = value.map_err(|_| unwritable())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
    }
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if method == Method::PUT {
        let kind = HeaderValue::from_static("application/octet-stream");
        headers.insert(CONTENT_TYPE, kind);
    }
    let request = Request::builder()
        .method(method)
        .uri(format!("https://{host}{path}{query}"))
        .body(body);
    let mut request = request.map_err(|_| unwritable())?;
    *request.headers_mut() = headers;
    Ok(request)
}

async fn answer(
    upstream: &Upstream,
    storage: &Storage,
    request: Request<StorageBody>,
) -> Result<Response<Incoming>, UpstreamError> {
    timeout(PIECE_WITHIN, upstream.storage().request(request))
        .await
        .map_err(|_| slow(storage.host()))?
        .map_err(|error| unreachable(storage.host(), &error))
}

fn looked(storage: &Storage, file: &StageFile, response: &Response<Incoming>) -> Looked {
    let text = |name: &str| response.headers().get(name)?.to_str().ok();
    let length = text(CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
    Looked {
        plain_bytes: length.filter(|_| file.material.is_none()),
        digest: text(storage.beside().digest()).map(str::to_owned),
    }
}

fn bad_status(storage: &Storage, response: &Response<Incoming>) -> UpstreamError {
    UpstreamError::Status {
        host: storage.host().to_owned(),
        status: response.status().as_u16(),
    }
}

fn slow(host: &str) -> UpstreamError {
    UpstreamError::Slow {
        host: host.to_owned(),
        within: PIECE_WITHIN,
    }
}
