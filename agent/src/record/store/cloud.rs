//! Clients of the clouds' stores: made from what the config or a reader's environment says.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum, S3ConditionalPut};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientOptions, Error, ObjectStore, RetryConfig};
use tokio::runtime::Runtime;

use crate::config::{Addressing, Place, StoreIdentity};
use crate::web;

use super::at::{Access, Settings};
use super::http::{Connector, Provider};
use super::secret::{self, Given, StoreSecret, unusable};

/// After this long no request is tried again; the last try may take as long as `web::Pool` gives it.
const RETRY_WITHIN: Duration = Duration::from_secs(20);

/// How often a request is tried again at most.
const RETRIES: usize = 8;

type Objects = Arc<dyn ObjectStore>;

/// Makes the client of an S3 bucket.
pub(super) fn s3(place: &Place, access: &Access) -> Result<Objects, Error> {
    Ok(below(&place.prefix, s3_bucket(place, access)?))
}

/// Makes the client of a whole S3 bucket.
pub(super) fn s3_bucket(place: &Place, access: &Access) -> Result<AmazonS3, Error> {
    let mut builder = match settings(access) {
        None => AmazonS3Builder::from_env(),
        Some(settings) => {
            let options = &settings.options;
            let mut builder = match options.identity {
                StoreIdentity::Environment => AmazonS3Builder::from_env(),
                StoreIdentity::Host | StoreIdentity::Secret(_) => AmazonS3Builder::new(),
            };
            if let Some(secret) = given(settings) {
                let meant = secret::aws;
                builder = builder.with_credentials(Arc::new(Given { secret, meant }));
            }
            if let Some(region) = &options.region {
                builder = builder.with_region(region);
            }
            let is_virtual = options.addressing == Addressing::Virtual;
            builder = builder.with_virtual_hosted_style_request(is_virtual);
            match &options.endpoint {
                Some(endpoint) if is_virtual => {
                    builder.with_endpoint(of_bucket(endpoint, &place.bucket))
                }
                Some(endpoint) => builder.with_endpoint(endpoint),
                None => builder,
            }
        }
    };
    builder = builder
        .with_bucket_name(&place.bucket)
        // The environment has no say in what makes the record one: no key is written twice, and bytes arrive whole.
        .with_conditional_put(S3ConditionalPut::ETagMatch)
        .with_checksum_algorithm(Checksum::SHA256)
        .with_client_options(ClientOptions::new())
        .with_retry(retries())
        .with_http_connector(connector(Provider::S3, access)?);
    builder.build()
}

/// Makes the client of a bucket of Google's.
pub(super) fn gcs(place: &Place, access: &Access, runtime: &Runtime) -> Result<Objects, Error> {
    let mut builder = match settings(access) {
        None => GoogleCloudStorageBuilder::from_env(),
        Some(settings) => {
            let mut builder = match settings.options.identity {
                StoreIdentity::Environment => GoogleCloudStorageBuilder::from_env(),
                StoreIdentity::Host | StoreIdentity::Secret(_) => GoogleCloudStorageBuilder::new(),
            };
            if let Some(secret) = given(settings) {
                let key = runtime.block_on(secret.read()).map_err(unusable)?;
                let key = std::str::from_utf8(&key)
                    .map_err(|_| unusable("expected a service account's key in JSON"))?;
                builder = builder.with_service_account_key(key);
            }
            match &settings.options.endpoint {
                Some(endpoint) => builder.with_base_url(endpoint),
                None => builder,
            }
        }
    };
    builder = builder
        .with_bucket_name(&place.bucket)
        .with_client_options(ClientOptions::new())
        .with_retry(retries())
        .with_http_connector(connector(Provider::Gcs, access)?);
    Ok(below(&place.prefix, builder.build()?))
}

/// Makes the client of a container of Azure's.
pub(super) fn azure(
    place: &Place,
    account: Option<&String>,
    access: &Access,
) -> Result<Objects, Error> {
    let mut builder = match settings(access) {
        None => MicrosoftAzureBuilder::from_env(),
        Some(settings) => {
            let mut builder = match settings.options.identity {
                StoreIdentity::Environment => MicrosoftAzureBuilder::from_env(),
                StoreIdentity::Host | StoreIdentity::Secret(_) => MicrosoftAzureBuilder::new(),
            };
            if let Some(secret) = given(settings) {
                let meant = secret::azure;
                builder = builder.with_credentials(Arc::new(Given { secret, meant }));
            }
            if let Some(account) = &settings.options.account {
                builder = builder.with_account(account);
            }
            match &settings.options.endpoint {
                Some(endpoint) => builder.with_endpoint(endpoint.clone()),
                None => builder,
            }
        }
    };
    if let Some(account) = account {
        builder = builder.with_account(account);
    }
    builder = builder
        .with_container_name(&place.bucket)
        .with_client_options(ClientOptions::new())
        .with_retry(retries())
        .with_http_connector(connector(Provider::Azure, access)?);
    Ok(below(&place.prefix, builder.build()?))
}

fn settings(access: &Access) -> Option<&Settings> {
    match access {
        Access::Config(settings) => Some(settings),
        Access::Environment(_) | Access::Local => None,
    }
}

fn given(settings: &Settings) -> Option<StoreSecret> {
    settings.secret.clone()
}

pub(super) fn connector(provider: Provider, access: &Access) -> Result<Connector, Error> {
    let web: &web::Client = match access {
        Access::Config(settings) => &settings.web,
        Access::Environment(web) => web,
        Access::Local => return Err(unusable("a local store is asked by no client")),
    };
    let web = web.clone();
    Ok(Connector { provider, web })
}

fn below(prefix: &str, store: impl ObjectStore) -> Objects {
    if prefix.is_empty() {
        return Arc::new(store);
    }
    Arc::new(PrefixStore::new(store, ObjectPath::from(prefix)))
}

/// Puts the bucket before an endpoint's host.
fn of_bucket(endpoint: &str, bucket: &str) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) => format!("{scheme}://{bucket}.{host}"),
        None => endpoint.to_owned(),
    }
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: RETRIES,
        retry_timeout: RETRY_WITHIN,
    }
}
