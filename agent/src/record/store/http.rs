//! Requests to a cloud's store, carried by the project's own HTTPS client.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Response, StatusCode};
use md5::{Digest as _, Md5};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use object_store::{ClientConfigKey, ClientOptions};

use crate::web::{Client, Pool, WebError};

/// What S3 wants of each put where a bucket locks its objects, whatever other checksum there is; it need not be signed.
///
/// Source: Amazon S3 API, PutObject, "Content-MD5".
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// By which Google verifies what it took. Source: Cloud Storage, XML API, "x-goog-hash", a request header too.
const GOOGLE_HASH: HeaderName = HeaderName::from_static("x-goog-hash");

/// By which Azure says why it refused. Source: Blob service REST API, "Status and error codes".
const AZURE_ERROR: &str = "x-ms-error-code";

/// Who is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provider {
    S3,
    Gcs,
    Azure,
}

/// Makes clients for a store.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) provider: Provider,
    pub(super) web: Client,
}

impl HttpConnector for Connector {
    /// What may go in the open goes to the cloud's metadata service: the store's own client is never made so.
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allowed = options.get_config_value(&ClientConfigKey::AllowHttp);
        let web = if allowed.as_deref() == Some("true") {
            self.web.clone().of_host_identity()
        } else {
            self.web.clone()
        };
        Ok(HttpClient::new(Service {
            provider: self.provider,
            pool: web.pool(),
        }))
    }
}

struct Service {
    provider: Provider,
    pool: Pool,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Service({:?})", self.provider)
    }
}

impl HttpService for Service {
    fn call<'service, 'called>(
        &'service self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'called>>
    where
        'service: 'called,
        Self: 'called,
    {
        Box::pin(self.carry(request))
    }
}

impl Service {
    async fn carry(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (mut head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let is_put = head.method == Method::PUT;
        match self.provider {
            Provider::S3 if is_put => head.headers.insert(CONTENT_MD5, content_md5(&body)?),
            Provider::Gcs if is_put => head.headers.insert(GOOGLE_HASH, google_hash(&body)?),
            // Azure's signature is over what it verifies by, and is made already.
            Provider::S3 | Provider::Gcs | Provider::Azure => None,
        };
        let request = hyper::Request::from_parts(head, Full::new(body));
        let mut response = self.pool.send(request).await.map_err(again)?;
        if is_put && is_undecided(self.provider, &response) {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        Ok(response.map(Into::into))
    }
}

/// Says that a request may be sent once more, whatever became of it.
///
/// INVARIANT: what the store asks for is safe to repeat: it reads, deletes, or creates what must not be there yet.
fn again(error: WebError) -> HttpError {
    let kind = match error {
        WebError::Unreachable { .. } | WebError::Slow { .. } | WebError::Broke { .. } => {
            HttpErrorKind::Request
        }
        WebError::Url { .. }
        | WebError::Plain { .. }
        | WebError::Redirect { .. }
        | WebError::TooLarge { .. } => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}

/// Tells whether a store says that another is about to write the key, so that nobody knows yet whether it will be there.
///
/// The client would take each 409 for an object that is there. Source: Amazon S3 API, PutObject, `ConditionalRequestConflict`
/// ("retry the upload"); Azure answers 409 for many things.
fn is_undecided(provider: Provider, response: &Response<Bytes>) -> bool {
    if response.status() != StatusCode::CONFLICT {
        return false;
    }
    match provider {
        Provider::S3 | Provider::Gcs => true,
        Provider::Azure => {
            let said = response.headers().get(AZURE_ERROR);
            let said = said.map_or(&b""[..], HeaderValue::as_bytes);
            // An immutable blob is there.
            said != b"BlobAlreadyExists" && said != b"BlobImmutableDueToPolicy"
        }
    }
}

fn content_md5(body: &[u8]) -> Result<HeaderValue, HttpError> {
    let text = BASE64_STANDARD.encode(Md5::digest(body));
    HeaderValue::try_from(text).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))
}

fn google_hash(body: &[u8]) -> Result<HeaderValue, HttpError> {
    let sum = crc32c::crc32c(body).to_be_bytes();
    let text = format!("crc32c={}", BASE64_STANDARD.encode(sum));
    HeaderValue::try_from(text).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: Option<&str>) -> Response<Bytes> {
        let mut answer = Response::builder().status(status);
        if let Some(code) = code {
            answer = answer.header(AZURE_ERROR, code);
        }
        answer.body(Bytes::new()).unwrap()
    }

    #[test]
    fn a_conflict_is_no_object_that_is_there() {
        let is = |provider, answer| is_undecided(provider, &answer);
        assert!(is(Provider::S3, answer(409, None)));
        assert!(is(Provider::Gcs, answer(409, None)));
        assert!(is(Provider::Azure, answer(409, None)));
        assert!(is(
            Provider::Azure,
            answer(409, Some("ContainerBeingDeleted"))
        ));
        assert!(!is(Provider::Azure, answer(409, Some("BlobAlreadyExists"))));
        assert!(!is(
            Provider::Azure,
            answer(409, Some("BlobImmutableDueToPolicy"))
        ));
        assert!(!is(Provider::S3, answer(412, None)));
    }

    #[test]
    fn s3_gets_the_digest_of_rfc_1864() {
        // Source: RFC 1321, A.5, the digest of "abc".
        assert_eq!(content_md5(b"abc").unwrap(), "kAFQmDzST7DWlj99KOF/cg==");
    }

    #[test]
    fn google_gets_the_bytes_checksum() {
        // Source: RFC 3720 B.4, 32 bytes of zeroes.
        assert_eq!(google_hash(&[0; 32]).unwrap(), "crc32c=ipE2qg==");
    }
}
