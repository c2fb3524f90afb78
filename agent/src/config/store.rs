//! Where the record's store is, and how one that is not on this host is reached.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use serde::Serialize;
use toml::Value;

use super::section::Section;
use super::source::{self, REGION, SecretAt};
use super::typed::{ABSOLUTE_PATH, absolute_path};

/// What a store's URL looks like.
pub(crate) const STORE_URL: &str = "a URL such as `file:///var/lib/icecore/store`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix` or `abfss://container@account.dfs.core.windows.net/prefix`";

const DEFAULT: &str = "file:///var/lib/icecore/store";
const ENDPOINT: &str = "an address such as \"https://s3.example:9000\", without a path; a plain one of this host alone";
const ADDRESSING: &str = "\"path\" or \"virtual\"";
const ACCOUNT: &str = "a storage account's name, 3 to 24 lower case letters and digits";
const IDENTITY: &str = "\"host\" or \"environment\"";

/// A store's URL, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// A folder of this host.
    Local(PathBuf),
    /// A bucket of S3, or of what speaks its protocol.
    S3(Place),
    /// A bucket of Google Cloud Storage.
    Gcs(Place),
    /// A container of Azure Blob Storage, and its account where the URL names it.
    Azure(Place, Option<String>),
}

/// Where in a cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The bucket, or the container.
    pub(crate) bucket: String,
    /// What all keys begin with, without slashes around it; may be empty.
    pub(crate) prefix: String,
}

impl StoreUrl {
    /// Reads a URL, or an absolute path.
    pub(crate) fn read(url: &str) -> Option<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return folder(url);
        };
        match scheme {
            "file" => folder(&percent_decode_str(rest).decode_utf8().ok()?),
            "s3" => place(rest).map(Self::S3),
            "gs" => place(rest).map(Self::Gcs),
            "az" => place(rest).map(|place| Self::Azure(place, None)),
            "abfss" => {
                let (container, rest) = rest.split_once('@')?;
                let (host, prefix) = rest.split_once('/').unwrap_or((rest, ""));
                let account = host.strip_suffix(".dfs.core.windows.net")?;
                let place = place(&format!("{container}/{prefix}"))?;
                is_account(account).then(|| Self::Azure(place, Some(account.to_owned())))
            }
            _ => None,
        }
    }

    /// Gives the folder, if it is one of this host.
    pub(crate) fn local(&self) -> Option<&Path> {
        match self {
            Self::Local(path) => Some(path),
            Self::S3(_) | Self::Gcs(_) | Self::Azure(..) => None,
        }
    }
}

/// Shows it as DuckDB reads it, without a slash at its end.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, Place { bucket, prefix }) = match self {
            Self::Local(path) => return write!(f, "{}", path.display()),
            Self::S3(place) => ("s3", place),
            Self::Gcs(place) => ("gs", place),
            Self::Azure(place, None) => ("az", place),
            Self::Azure(place, Some(account)) => {
                write!(f, "abfss://{}@{account}.dfs.core.windows.net", place.bucket)?;
                let slash = if place.prefix.is_empty() { "" } else { "/" };
                return write!(f, "{slash}{}", place.prefix);
            }
        };
        let slash = if prefix.is_empty() { "" } else { "/" };
        write!(f, "{scheme}://{bucket}{slash}{prefix}")
    }
}

fn folder(path: &str) -> Option<StoreUrl> {
    let is_absolute = Path::new(path).is_absolute();
    is_absolute.then(|| StoreUrl::Local(path.into()))
}

fn place(rest: &str) -> Option<Place> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_part = |part: &str| part.bytes().all(is_name) && part.bytes().any(|byte| byte != b'.');
    let is_bucket = (3..=222).contains(&bucket.len()) && is_part(bucket);
    let is_prefix = prefix.is_empty() || prefix.split('/').all(is_part);
    (is_bucket && is_prefix && prefix.len() <= 255).then(|| Place {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

fn is_account(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=24).contains(&name.len()) && name.bytes().all(is_plain)
}

/// How a store that is not on this host is reached.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct StoreOptions {
    /// The region of an S3 bucket.
    pub region: Option<String>,
    /// Where the service is, if not at its public address.
    pub endpoint: Option<String>,
    /// How S3's requests name the bucket.
    pub addressing: Addressing,
    /// The storage account of an Azure container.
    pub account: Option<String>,
    /// What the service's certificate is trusted by beside the host's roots.
    pub ca_file: Option<PathBuf>,
    /// By what the daemon proves itself.
    pub identity: StoreIdentity,
}

/// How S3's requests name the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
pub enum Addressing {
    /// In the path, which every store understands.
    #[default]
    Path,
    /// In the host's name.
    Virtual,
}

/// By what the daemon proves itself to its store.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub enum StoreIdentity {
    /// By what the cloud's metadata service says of this host.
    #[default]
    Host,
    /// By `AWS_*`, `GOOGLE_*` or `AZURE_*` of the daemon's own environment.
    Environment,
    /// By a secret in the provider's own form.
    Secret(SecretAt),
}

/// Reads the store's URL.
pub(super) fn url(section: &mut Section<'_>) -> String {
    let read = section.optional("store", STORE_URL, good_url);
    read.unwrap_or_else(|| DEFAULT.to_owned())
}

/// Reads where wrapped keys are, if not in the store itself.
pub(super) fn key_store(section: &mut Section<'_>) -> Option<String> {
    section.optional("key_store", STORE_URL, good_url)
}

fn good_url(value: &Value) -> Option<String> {
    let url = value.as_str()?;
    let is_good = match StoreUrl::read(url)? {
        // One spelling of a folder, whose rights are looked at before it is used.
        StoreUrl::Local(_) => {
            let path = url.strip_prefix("file://")?;
            let is_plain = path.len() > 1 && !path.contains(['%', '?', '#']);
            is_plain && absolute_path(&Value::from(path)).is_some()
        }
        StoreUrl::S3(_) | StoreUrl::Gcs(_) | StoreUrl::Azure(..) => true,
    };
    is_good.then(|| url.to_owned())
}

/// Reads `[record.store_options]`, each of which belongs to some kinds of stores only.
pub(super) fn options(mut section: Section<'_>, url: &str) -> StoreOptions {
    let kind = StoreUrl::read(url);
    let is = |scheme: &[&str]| {
        let found = url.split_once("://").map_or("file", |(found, _)| found);
        scheme.contains(&found)
    };
    let fits: [(&'static str, &str, bool); 6] = [
        ("region", "`s3://`", is(&["s3"])),
        ("addressing", "`s3://`", is(&["s3"])),
        ("account", "`az://`", is(&["az"])),
        ("endpoint", "stores that are not `file://`", !is(&["file"])),
        ("ca_file", "stores that are not `file://`", !is(&["file"])),
        ("identity", "stores that are not `file://`", !is(&["file"])),
    ];
    for (key, of, is_fit) in fits {
        if section.has(key) && !is_fit {
            section.tell(key, format!("it only for {of}"), format!("it for {url:?}"));
        }
    }
    let account = section.optional("account", ACCOUNT, |value| {
        value
            .as_str()
            .filter(|name| is_account(name))
            .map(str::to_owned)
    });
    let mut options = StoreOptions {
        region: section.optional("region", REGION, source::region),
        endpoint: section.optional("endpoint", ENDPOINT, source::address),
        addressing: section
            .optional("addressing", ADDRESSING, |value| match value.as_str()? {
                "path" => Some(Addressing::Path),
                "virtual" => Some(Addressing::Virtual),
                _ => None,
            })
            .unwrap_or_default(),
        account,
        ca_file: section.optional("ca_file", ABSOLUTE_PATH, absolute_path),
        identity: identity(&mut section),
    };
    match kind {
        Some(StoreUrl::S3(_)) if options.region.is_none() && !section.has_within("region") => {
            match options.endpoint {
                // What is no Amazon's has one region, which its clients call so.
                Some(_) => options.region = Some("us-east-1".to_owned()),
                None => section.tell_missing("region", REGION, "\"eu-central-1\""),
            }
        }
        Some(StoreUrl::Azure(_, None))
            if options.account.is_none() && !section.has_within("account") =>
        {
            section.tell_missing("account", ACCOUNT, "\"acmeaudit\"");
        }
        Some(StoreUrl::Azure(_, Some(account))) => options.account = Some(account),
        Some(
            StoreUrl::Local(_) | StoreUrl::S3(_) | StoreUrl::Gcs(_) | StoreUrl::Azure(_, None),
        )
        | None => {}
    }
    section.finish();
    options
}

fn identity(section: &mut Section<'_>) -> StoreIdentity {
    let named = section.optional("identity", IDENTITY, |value| match value.as_str()? {
        "host" => Some(StoreIdentity::Host),
        "environment" => Some(StoreIdentity::Environment),
        _ => None,
    });
    let secret = source::optional(section, "credential", "credential_file");
    match (named, secret) {
        (Some(_), Some(secret)) => {
            let expected = format!("one of `identity` and `{}`", secret.setting);
            section.tell("identity", expected, "both");
            StoreIdentity::Host
        }
        (None, Some(secret)) => StoreIdentity::Secret(secret),
        (named, None) => named.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::typed::tests::check_section;

    #[track_caller]
    fn reads(url: &str, shown: &str) {
        assert_eq!(StoreUrl::read(url).unwrap().to_string(), shown);
    }

    #[test]
    fn urls_of_each_kind_are_read_and_shown_without_a_slash_at_their_end() {
        reads("file:///var/lib/a%20b", "/var/lib/a b");
        reads("/var/lib/store", "/var/lib/store");
        reads("s3://acme-audit", "s3://acme-audit");
        reads("s3://acme-audit/ice/core/", "s3://acme-audit/ice/core");
        reads("gs://acme.audit/ice", "gs://acme.audit/ice");
        reads("az://records/ice", "az://records/ice");
        let abfss = "abfss://records@acme.dfs.core.windows.net/ice";
        reads(abfss, abfss);
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for url in [
            "store",
            "file://store",
            "s3://",
            "s3://ab/x",
            "s3://user@bucket/x",
            "s3://bucket/../x",
            "s3://bucket//x",
            "s3://bucket/x?y",
            "s3://bucket/x%2f",
            "http://bucket/x",
            "abfss://records/x",
            "abfss://records@acme.evil.example/x",
        ] {
            assert_eq!(StoreUrl::read(url), None, "{url}");
        }
    }

    #[test]
    fn stores_that_are_none_are_refused() {
        for store in [
            "ftp://bucket/x",
            "s3://bucket/../x",
            "/var/lib",
            "file://host/x",
            "file://",
            "file:///a/../b",
        ] {
            check_section(
                &format!("[record]\nstore = {store:?}"),
                &format!("record.store: expected {}, found {store:?}", STORE_URL),
            );
        }
    }

    #[test]
    fn what_a_store_does_not_have_or_lacks_is_told() {
        let options = "record.store_options";
        check_section(
            "[record]\nstore = \"s3://bucket\"",
            &format!(
                "{options}.region: expected a region such as \"eu-central-1\"; it is required, such as `region = \"eu-central-1\"`, found nothing"
            ),
        );
        check_section(
            "[record]\nstore = \"gs://bucket\"\n[record.store_options]\nregion = \"eu-central-1\"",
            &format!(
                "{options}.region: expected it only for `s3://`, found it for \"gs://bucket\""
            ),
        );
        check_section(
            "[record]\nstore = \"gs://bucket\"\n[record.store_options]\nidentity = \"host\"\ncredential_file = \"/k\"",
            &format!(
                "{options}.identity: expected one of `identity` and `credential_file`, found both"
            ),
        );
    }
}
