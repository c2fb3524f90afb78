//! From a host's name to a connection whose other end has shown a certificate for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why there is no connection, causes joined by colons.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoConnection(String);

impl NoConnection {
    /// Takes the words of an error.
    pub(super) fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// Gives the addresses of a name, or the one that it is.
///
/// # Errors
/// The name has no address.
pub(crate) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, NoConnection> {
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> = found.map_err(NoConnection::new)?.collect();
    if addresses.is_empty() {
        return Err(NoConnection::new("the name has no address"));
    }
    Ok(addresses)
}

/// Connects to the first address that answers and verifies that it is the host; each gets `within`.
///
/// # Errors
/// The name can have no certificate, or no address shows one that is trusted.
pub(crate) async fn tls(
    settings: &Arc<rustls::ClientConfig>,
    host: &str,
    addresses: &[SocketAddr],
    within: Duration,
) -> Result<TlsStream<TcpStream>, NoConnection> {
    let name = ServerName::try_from(host.to_owned()).map_err(NoConnection::new)?;
    let mut failure = NoConnection::new("no address answered");
    for address in addresses {
        let connecting = async {
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(Arc::clone(settings))
                .connect(name.clone(), stream)
                .await
        };
        failure = match tokio::time::timeout(within, connecting).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => NoConnection(format!("{address}: {error}")),
            Err(_) => NoConnection(format!(
                "{address}: no connection within {} s",
                within.as_secs()
            )),
        };
    }
    Err(failure)
}
