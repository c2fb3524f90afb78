//! Where governed hosts are, and which addresses a session may therefore not be spliced to.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use super::UpstreamError;
use crate::web;

/// Finds a governed host's address and remembers every one it ever found.
#[derive(Debug)]
pub struct Resolver {
    fixed: BTreeMap<String, SocketAddr>,
    found: RwLock<BTreeSet<IpAddr>>,
}

/// How often governed hosts are looked up.
const LOOK_UP_EVERY: Duration = Duration::from_secs(60);

/// Port of Snowflake's hosts.
const HTTPS: u16 = 443;

impl Resolver {
    /// Makes a resolver that takes some hosts' addresses from the config.
    #[must_use]
    pub fn new(fixed: BTreeMap<String, SocketAddr>) -> Self {
        let found = fixed.values().map(SocketAddr::ip).collect();
        Self {
            fixed,
            found: RwLock::new(found),
        }
    }

    /// Gives the address that the config sets for a host.
    pub(super) fn fixed(&self, host: &str) -> Option<SocketAddr> {
        self.fixed.get(host).copied()
    }

    /// Gives a host's addresses, in the order in which they should be tried.
    ///
    /// # Errors
    /// The name has no address.
    pub async fn resolve(&self, host: &str) -> Result<Vec<SocketAddr>, UpstreamError> {
        if let Some(fixed) = self.fixed.get(host) {
            return Ok(vec![*fixed]);
        }
        let addresses = look_up(host).await?;
        self.found
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(addresses.iter().map(SocketAddr::ip));
        Ok(addresses)
    }

    /// Looks hosts up again and again, so that their addresses are known before and between requests.
    pub async fn keep(&self, hosts: impl Fn() -> Vec<String>) {
        loop {
            for host in hosts() {
                if let Err(error) = self.resolve(&host).await {
                    tracing::warn!(%error, "governed host could not be looked up");
                }
            }
            tokio::time::sleep(LOOK_UP_EVERY).await;
        }
    }

    /// Tells whether an address is, or was, that of a governed host.
    #[must_use]
    pub fn is_governed(&self, address: IpAddr) -> bool {
        self.found
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&address.to_canonical())
    }
}

/// Looks a name up; its addresses are not remembered as governed.
///
/// # Errors
/// The name has no address.
pub(super) async fn look_up(host: &str) -> Result<Vec<SocketAddr>, UpstreamError> {
    web::look_up(host, HTTPS)
        .await
        .map_err(|error| UpstreamError::Unresolved {
            host: host.to_owned(),
            cause: error.to_string(),
        })
}
