//! Whether a bucket of S3 locks what is written to it: asked of the bucket itself, by a request that the store's own client signs.

use std::time::Duration;

use hyper::{Method, StatusCode};
use object_store::ClientOptions;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpConnector as _, HttpRequestBody};
use object_store::path::Path as ObjectPath;
use object_store::signer::Signer as _;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::config::{Place, StoreUrl};

use super::at::Access;
use super::http::Provider;
use super::probe::meant;
use super::told::element;
use super::{ProbeError, StoreAt, cloud};

/// How long the bucket may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How long what was signed is good.
const SIGNED_FOR: Duration = Duration::from_secs(60);

/// The part of a bucket that is asked for. Source: Amazon S3 API, `GetObjectLockConfiguration`.
const PART: &str = "object-lock";

/// How S3 says that a bucket has no lock. Source: Amazon S3 API, "Error responses".
const NO_LOCK: &str = "ObjectLockConfigurationNotFoundError";

/// Most of a code that is repeated; the longest of S3's has 50 letters.
const CODE_MAX_BYTES: usize = 100;

/// Whether a store locks what is written to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BucketLock {
    /// Each object is kept for a time by default.
    Default(Retention),
    /// Objects may be locked, and none is unless it is asked for, which Icecore does not.
    NoDefault,
    /// None can be.
    Absent,
    /// It is a folder of a host, which has no such thing.
    Folder,
    /// It is a cloud's whose client has no such question.
    NotAsked,
}

/// For how long, and against whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Whether nobody can shorten it, the account's owner neither (`COMPLIANCE`); whoever has the right can else (`GOVERNANCE`).
    pub binds_all: bool,
    /// Such as `30 days`.
    pub lasts: String,
}

impl StoreAt {
    /// Asks whether the store locks what is written to it. Blocks.
    ///
    /// # Errors
    /// See `ProbeError`; the bucket may not let this identity ask.
    pub fn lock(&self) -> Result<BucketLock, ProbeError> {
        let place = match &self.url {
            StoreUrl::Local(_) => return Ok(BucketLock::Folder),
            StoreUrl::Gcs(_) | StoreUrl::Azure(..) => return Ok(BucketLock::NotAsked),
            StoreUrl::S3(place) => place,
        };
        let unreachable = |cause: String| ProbeError::Unreachable(cause);
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| unreachable(error.to_string()))?;
        let asked = async { timeout(ANSWER_WITHIN, ask(place, &self.access)).await };
        runtime.block_on(asked).unwrap_or_else(|_| {
            let seconds = ANSWER_WITHIN.as_secs();
            Err(unreachable(format!("no answer within {seconds} s")))
        })
    }
}

async fn ask(place: &Place, access: &Access) -> Result<BucketLock, ProbeError> {
    let unreachable = |error: &dyn std::error::Error| {
        let told = error.to_string();
        // What was signed stands behind the mark, should any error name the address.
        let told = told.split('?').next().unwrap_or_default();
        ProbeError::Unreachable(told.to_owned())
    };
    let bucket = cloud::s3_bucket(place, access).map_err(|error| meant(&error))?;
    // Its form tells where the bucket is and in which region; it is not sent itself. Signatures in headers are what all that
    // speak as S3 does know.
    let url = bucket
        .signed_url(Method::GET, &ObjectPath::default(), SIGNED_FOR)
        .await
        .map_err(|error| meant(&error))?;
    let region = region(url.as_str()).ok_or_else(|| {
        ProbeError::Unreachable("the store's client signs in another form than is known".to_owned())
    })?;
    let credential = bucket.credentials().get_credential().await;
    let credential = credential.map_err(|error| meant(&error))?;
    let address = url.as_str().split('?').next().unwrap_or_default();
    let mut request = hyper::Request::get(format!("{address}?{PART}="))
        .body(HttpRequestBody::empty())
        .map_err(|_| ProbeError::Unreachable("the bucket's address is no URL".to_owned()))?;
    AwsAuthorizer::new(&credential, "s3", &region)
        .try_authorize(&mut request, None)
        .map_err(|error| meant(&error))?;
    let client = cloud::connector(Provider::S3, access)
        .and_then(|connector| connector.connect(&ClientOptions::new()))
        .map_err(|error| meant(&error))?;
    let answer = client.execute(request).await;
    let answer = answer.map_err(|error| unreachable(&error))?;
    let status = answer.status();
    let body = answer.into_body().bytes().await;
    let body = body.map_err(|error| unreachable(&error))?;
    read(status, &String::from_utf8_lossy(&body))
}

/// Finds the region in the scope of a signature: `KEY/DATE/REGION/s3/aws4_request`.
///
/// Source: AWS, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
fn region(signed: &str) -> Option<String> {
    let (_, scope) = signed.split_once("X-Amz-Credential=")?;
    let scope = scope.split('&').next()?.replace("%2F", "/");
    let mut parts = scope.rsplit('/');
    let (end, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    (end == "aws4_request" && service == "s3").then(|| region.to_owned())
}

/// Reads what the bucket said. What is not understood is no lock that is known.
fn read(status: StatusCode, body: &str) -> Result<BucketLock, ProbeError> {
    let code = element(body, "Code").unwrap_or_default();
    let code = code
        .get(..CODE_MAX_BYTES.min(code.len()))
        .unwrap_or_default();
    if status != StatusCode::OK {
        let cause = format!("{status}: {code}");
        return match status {
            StatusCode::NOT_FOUND if code == NO_LOCK => Ok(BucketLock::Absent),
            StatusCode::NOT_FOUND => Err(ProbeError::Absent(cause)),
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Err(ProbeError::Denied(cause)),
            _ => Err(ProbeError::Unreachable(cause)),
        };
    }
    let unread = || ProbeError::Unreachable("an answer that is no object lock's".to_owned());
    if element(body, "ObjectLockEnabled").ok_or_else(unread)? != "Enabled" {
        return Err(unread());
    }
    if element(body, "DefaultRetention").is_none() {
        return Ok(BucketLock::NoDefault);
    }
    let binds_all = match element(body, "Mode").ok_or_else(unread)? {
        "COMPLIANCE" => true,
        "GOVERNANCE" => false,
        _ => return Err(unread()),
    };
    // Of the two S3 gives one; others give 0 for the one that is none.
    let count = |name: &str| {
        let count = element(body, name)?.trim().parse::<u32>().ok();
        count.filter(|count| *count > 0)
    };
    let lasts = match (count("Days"), count("Years")) {
        (Some(1), None) => "1 day".to_owned(),
        (Some(days), None) => format!("{days} days"),
        (None, Some(1)) => "1 year".to_owned(),
        (None, Some(years)) => format!("{years} years"),
        _ => return Err(unread()),
    };
    Ok(BucketLock::Default(Retention { binds_all, lasts }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: Amazon S3 API, `GetObjectLockConfiguration`, "Response syntax".
    fn answer(rule: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ObjectLockConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}</ObjectLockConfiguration>"
        )
    }

    fn rule(mode: &str, lasts: &str) -> String {
        answer(&format!(
            "<Rule><DefaultRetention><Mode>{mode}</Mode>{lasts}</DefaultRetention></Rule>"
        ))
    }

    #[test]
    fn the_region_is_that_of_the_signatures_scope() {
        let signed = "https://b.s3.eu-west-1.amazonaws.com/?X-Amz-Algorithm=A&X-Amz-Credential=AKID%2F20261127%2Feu-west-1%2Fs3%2Faws4_request&X-Amz-Date=1";
        assert_eq!(region(signed).as_deref(), Some("eu-west-1"));
        assert_eq!(region("https://b/?X-Amz-Credential=AKID%2Fx"), None);
        assert_eq!(region("https://b/"), None);
    }

    #[test]
    fn a_locks_mode_and_time_are_read() {
        let of = |binds_all, lasts: &str| {
            let lasts = lasts.to_owned();
            BucketLock::Default(Retention { binds_all, lasts })
        };
        let read = |body: &str| read(StatusCode::OK, body).unwrap();
        let found = read(&rule("COMPLIANCE", "<Days>30</Days>"));
        assert_eq!(found, of(true, "30 days"));
        let found = read(&rule("GOVERNANCE", "<Years>1</Years>"));
        assert_eq!(found, of(false, "1 year"));
        let found = read(&rule("COMPLIANCE", "<Days>30</Days><Years>0</Years>"));
        assert_eq!(found, of(true, "30 days"));
        assert_eq!(read(&answer("")), BucketLock::NoDefault);
    }

    #[test]
    fn what_is_not_understood_is_no_lock() {
        let ok = StatusCode::OK;
        for body in [
            "",
            "<html>captive portal</html>",
            &rule("OTHER", "<Days>30</Days>"),
            &rule("COMPLIANCE", ""),
            &rule("COMPLIANCE", "<Days>-1</Days>"),
            &answer("").replace("Enabled<", "Disabled<"),
        ] {
            assert!(
                matches!(read(ok, body), Err(ProbeError::Unreachable(_))),
                "{body}"
            );
        }
        let error = |code: &str| format!("<Error><Code>{code}</Code></Error>");
        let found = read(StatusCode::NOT_FOUND, &error(NO_LOCK)).unwrap();
        assert_eq!(found, BucketLock::Absent);
        let found = read(StatusCode::NOT_FOUND, &error("NoSuchBucket"));
        assert!(matches!(found, Err(ProbeError::Absent(_))));
        let found = read(StatusCode::FORBIDDEN, &error("AccessDenied"));
        assert!(matches!(found, Err(ProbeError::Denied(_))));
        let found = read(StatusCode::NOT_IMPLEMENTED, &error("NotImplemented"));
        assert!(matches!(found, Err(ProbeError::Unreachable(_))));
    }
}
