//! Where a store is, and how it is reached: read and found good before anything is asked.

use std::fmt;
use std::path::Path;

use crate::config::{STORE_URL, StoreOptions, StoreUrl};
use crate::record::error::RecordError;
use crate::web;

use super::secret::StoreSecret;

/// Where a store is, and how it is reached; shown as its URL.
#[derive(Clone, Debug)]
pub struct StoreAt {
    text: String,
    pub(super) url: StoreUrl,
    pub(super) access: Access,
}

/// How a store is reached.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// As a folder of this host.
    Local,
    /// As the environment of this process says, which is a reader's.
    Environment(web::Client),
    /// As the config says.
    Config(Box<Settings>),
}

/// What the config says.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) web: web::Client,
    pub(super) options: StoreOptions,
    /// What opens the store, where the daemon's identity is a secret.
    pub(super) secret: Option<StoreSecret>,
}

impl StoreAt {
    /// Tells in which folder of this host it is, if it is in one.
    pub(crate) fn local(&self) -> Option<&Path> {
        self.url.local()
    }

    /// Takes the store that a reader names: credentials, region and endpoint of a cloud are those of the environment.
    ///
    /// # Errors
    /// It is no URL of a store, or the host's roots cannot be used.
    pub fn read(url: &str) -> Result<Self, RecordError> {
        let read = parsed(url)?;
        let access = match read {
            StoreUrl::Local(_) => Access::Local,
            StoreUrl::S3(_) | StoreUrl::Gcs(_) | StoreUrl::Azure(..) => {
                Access::Environment(client(url, &StoreOptions::default())?)
            }
        };
        Ok(Self {
            text: url.to_owned(),
            url: read,
            access,
        })
    }

    /// Takes the store that the config names.
    ///
    /// # Errors
    /// It is no URL of a store, or what it is trusted by cannot be read.
    pub fn configured(
        url: &str,
        options: &StoreOptions,
        secret: Option<StoreSecret>,
    ) -> Result<Self, RecordError> {
        let read = parsed(url)?;
        let access = match read {
            StoreUrl::Local(_) => Access::Local,
            StoreUrl::S3(_) | StoreUrl::Gcs(_) | StoreUrl::Azure(..) => {
                Access::Config(Box::new(Settings {
                    web: client(url, options)?,
                    options: options.clone(),
                    secret,
                }))
            }
        };
        Ok(Self {
            text: url.to_owned(),
            url: read,
            access,
        })
    }
}

impl fmt::Display for StoreAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn parsed(url: &str) -> Result<StoreUrl, RecordError> {
    StoreUrl::read(url).ok_or_else(|| RecordError::Setting {
        setting: "store",
        expected: STORE_URL,
        found: url.to_owned(),
    })
}

fn client(url: &str, options: &StoreOptions) -> Result<web::Client, RecordError> {
    let trusted = web::trust(options.ca_file.as_deref());
    trusted
        .map(web::Client::new)
        .map_err(|error| RecordError::Unreachable {
            store: url.to_owned(),
            cause: error.to_string(),
        })
}
