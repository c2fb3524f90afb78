//! Where a stage lies and what opens it, as each cloud's answer says.
//!
//! Source: protocol reference 4.5; Python connector 4, `s3_storage_client.py`, `azure_storage_client.py`,
//! `gcs_storage_client.py`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::cipher::{Envelope, Material};
use crate::snowflake::json::Object;
use crate::snowflake::secret::Secret;

/// What of a path is written as it is: AWS signs a path so escaped ("Create a canonical request").
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/');

/// A cloud's object storage, with what opens one stage in it.
#[derive(Clone, Debug)]
pub struct Storage {
    host: String,
    /// The path of the stage in it, from the root, with a slash at both ends.
    folder: String,
    opens: Opens,
}

/// What opens a stage.
#[derive(Clone, Debug)]
pub(crate) enum Opens {
    /// Temporary keys that sign requests.
    S3 {
        /// The bucket's region.
        region: String,
        /// Names the key.
        key_id: String,
        /// Signs.
        secret: Secret,
        /// Goes with the key.
        token: Secret,
    },
    /// A signature that goes into the address.
    Azure(Secret),
    /// A token that goes into a header.
    Gcs(Secret),
}

/// How a cloud calls what it keeps beside a file.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    digest: &'static str,
    description: &'static str,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// Key and vector have headers of their own.
    Headers,
    /// Both are in one JSON text; the algorithm is called so.
    Json(&'static str, &'static str),
}

impl Storage {
    /// Reads an answer's `stageInfo`; says what is missing.
    pub(super) fn read(info: &Object) -> Result<Self, &'static str> {
        let text = |key: &str| info.read_as::<String>(key).filter(|text| !text.is_empty());
        let is = |key: &str| info.read_as::<bool>(key) == Some(true);
        let location = text("location").ok_or("location")?;
        let (bucket, path) = location.split_once('/').unwrap_or((&location, ""));
        let slash = if path.is_empty() || path.ends_with('/') {
            ""
        } else {
            "/"
        };
        let creds: Object = info.read_as("creds").ok_or("creds")?;
        let secret = |key: &str| {
            let found = creds.read_as::<String>(key).filter(|text| !text.is_empty());
            found.map(Secret::new)
        };
        let region = text("region").unwrap_or_default();
        let end_point = text("endPoint").map(|end| {
            let end = end.strip_prefix("https://").unwrap_or(&end).to_owned();
            end.trim_end_matches('/').to_owned()
        });
        let in_bucket = format!("/{bucket}/{path}{slash}");
        let (host, folder, opens) = match text("locationType").as_deref() {
            Some("S3") => {
                let opens = Opens::S3 {
                    key_id: creds.read_as("AWS_KEY_ID").ok_or("AWS_KEY_ID")?,
                    secret: secret("AWS_SECRET_KEY").ok_or("AWS_SECRET_KEY")?,
                    token: secret("AWS_TOKEN").ok_or("AWS_TOKEN")?,
                    region: Some(region.clone())
                        .filter(|region| !region.is_empty())
                        .ok_or("region")?,
                };
                let end = if region.starts_with("cn-") { ".cn" } else { "" };
                let own = format!("s3.{region}.amazonaws.com{end}");
                let host = format!("{bucket}.{}", end_point.unwrap_or(own));
                (host, format!("/{path}{slash}"), opens)
            }
            Some("AZURE") => {
                let sas: String = creds.read_as("AZURE_SAS_TOKEN").ok_or("AZURE_SAS_TOKEN")?;
                let sas = sas.strip_prefix('?').unwrap_or(&sas).to_owned();
                let end = end_point.ok_or("endPoint")?;
                let end = end.strip_prefix("blob.").unwrap_or(&end);
                let account = text("storageAccount").ok_or("storageAccount")?;
                let host = format!("{account}.blob.{end}");
                (host, in_bucket, Opens::Azure(Secret::new(sas)))
            }
            Some("GCS") => {
                let opens = Opens::Gcs(secret("GCS_ACCESS_TOKEN").ok_or("GCS_ACCESS_TOKEN")?);
                let is_virtual = is("useVirtualUrl");
                let is_regional =
                    is("useRegionalUrl") || region.eq_ignore_ascii_case("me-central2");
                let host = match end_point {
                    Some(end) => end,
                    None if is_virtual => format!("{bucket}.storage.googleapis.com"),
                    None if is_regional => {
                        format!("storage.{}.rep.googleapis.com", region.to_ascii_lowercase())
                    }
                    None => "storage.googleapis.com".to_owned(),
                };
                let folder = if is_virtual {
                    format!("/{path}{slash}")
                } else {
                    in_bucket
                };
                (host, folder, opens)
            }
            Some(_) | None => return Err("locationType"),
        };
        let host =
            crate::snowflake::chunks::host_of(&format!("https://{host}/")).ok_or("endPoint")?;
        Ok(Self {
            host,
            folder,
            opens,
        })
    }

    /// Names the host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Gives what opens the stage.
    pub(crate) fn opens(&self) -> &Opens {
        &self.opens
    }

    /// Gives the path of a file, escaped.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        let name = name.trim_start_matches('/');
        utf8_percent_encode(&format!("{}{name}", self.folder), ESCAPED).to_string()
    }

    /// Tells how the cloud calls what is kept beside a file.
    #[must_use]
    pub fn beside(&self) -> Beside {
        match self.opens {
            Opens::S3 { .. } => Beside {
                digest: "x-amz-meta-sfc-digest",
                description: "x-amz-meta-x-amz-matdesc",
                form: Form::Headers,
            },
            Opens::Azure(_) => Beside {
                digest: "x-ms-meta-sfcdigest",
                description: "x-ms-meta-matdesc",
                form: Form::Json("x-ms-meta-encryptiondata", "AES_CBC_128"),
            },
            Opens::Gcs(_) => Beside {
                digest: "x-goog-meta-sfc-digest",
                description: "x-goog-meta-matdesc",
                form: Form::Json("x-goog-meta-encryptiondata", "AES_CBC_256"),
            },
        }
    }
}

/// The headers in which S3 keeps a file's key and vector.
const KEY: &str = "x-amz-meta-x-amz-key";
const IV: &str = "x-amz-meta-x-amz-iv";

impl Beside {
    /// Names the header that holds the digest of a file's plain bytes.
    #[must_use]
    pub fn digest(self) -> &'static str {
        self.digest
    }

    /// Writes how a file is encrypted, as headers.
    #[must_use]
    pub fn write(self, material: &Material, envelope: &Envelope) -> Vec<(&'static str, String)> {
        let mut headers = vec![(self.description, material.description())];
        match self.form {
            Form::Headers => {
                headers.push((KEY, envelope.key.clone()));
                headers.push((IV, envelope.iv.clone()));
            }
            Form::Json(name, algorithm) => {
                let value = serde_json::json!({
                    "EncryptionMode": "FullBlob",
                    "WrappedContentKey": {
                        "KeyId": "symmKey1", "EncryptedKey": envelope.key, "Algorithm": "AES_CBC_256",
                    },
                    "EncryptionAgent": { "Protocol": "1.0", "EncryptionAlgorithm": algorithm },
                    "ContentEncryptionIV": envelope.iv,
                    "KeyWrappingMetadata": { "EncryptionLibrary": "Java 5.3.0" },
                });
                headers.push((name, value.to_string()));
            }
        }
        headers
    }

    /// Reads how a file is encrypted from its headers; `None` where they do not say.
    #[must_use]
    pub fn read<'h>(self, header: impl Fn(&'static str) -> Option<&'h str>) -> Option<Envelope> {
        match self.form {
            Form::Headers => Some(Envelope {
                key: header(KEY)?.to_owned(),
                iv: header(IV)?.to_owned(),
            }),
            Form::Json(name, _) => {
                let value: serde_json::Value = serde_json::from_str(header(name)?).ok()?;
                let text = |at: &str| Some(value.pointer(at)?.as_str()?.to_owned());
                Some(Envelope {
                    key: text("/WrappedContentKey/EncryptedKey")?,
                    iv: text("/ContentEncryptionIV")?,
                })
            }
        }
    }
}
