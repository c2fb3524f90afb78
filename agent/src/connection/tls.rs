//! Terminates TLS with leaves of the host's own CAs: for Snowflake's names, and for model APIs that are read.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::ca::{Ca, leaf_end};
use super::name::{canonical, is_snowflake};
use crate::clock::Clock;

/// How long before its end a leaf is made anew.
const RENEW_BEFORE: TimeDelta = TimeDelta::days(3);

/// Most leaves that are kept; each needs a name under a Snowflake domain, which a client may invent.
const LEAVES_MAX: usize = 1024;

/// Makes the server side: HTTP/2 and HTTP/1.1 by ALPN, a leaf for each name.
///
/// # Errors
/// The crypto provider lacks TLS 1.2 or 1.3.
pub fn server_config(ca: Ca, clock: Clock) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = terminating(ca, clock, is_snowflake)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes the server side for model APIs, with a leaf for each name; whoever uses it says the protocol that is offered.
///
/// # Errors
/// The crypto provider lacks TLS 1.2 or 1.3.
pub fn models_config(ca: Ca, clock: Clock) -> Result<Arc<ServerConfig>, rustls::Error> {
    // Which names are read is decided before; the CA's own constraints hold besides.
    terminating(ca, clock, |name| !is_snowflake(name)).map(Arc::new)
}

fn terminating(
    ca: Ca,
    clock: Clock,
    has_leaf: fn(&str) -> bool,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let leaves = Leaves {
        ca,
        clock,
        has_leaf,
        cache: Mutex::new(HashMap::new()),
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(leaves));
    Ok(config)
}

/// A leaf, and when it is made anew.
struct Leaf {
    key: Arc<CertifiedKey>,
    renew_at: DateTime<Utc>,
}

/// Leaves by name, made when a name is first asked for.
struct Leaves {
    ca: Ca,
    clock: Clock,
    /// Which names have one.
    has_leaf: fn(&str) -> bool,
    cache: Mutex<HashMap<String, Leaf>>,
}

impl fmt::Debug for Leaves {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Leaves")
    }
}

impl ResolvesServerCert for Leaves {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = canonical(hello.server_name()?);
        if !(self.has_leaf)(&name) {
            return None;
        }
        let now = self.clock.now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = cache.get(&name)
            && now < leaf.renew_at
        {
            return Some(Arc::clone(&leaf.key));
        }
        let leaf = match self.ca.leaf(&name, now) {
            Ok(leaf) => Arc::new(leaf),
            Err(error) => {
                tracing::error!(%error, "leaf could not be made");
                return None;
            }
        };
        if cache.len() >= LEAVES_MAX {
            cache.clear();
        }
        cache.insert(
            name,
            Leaf {
                key: Arc::clone(&leaf),
                renew_at: leaf_end(now) - RENEW_BEFORE,
            },
        );
        Some(leaf)
    }
}
