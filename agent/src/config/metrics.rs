//! The section `[metrics]`: where Prometheus asks.

use std::net::SocketAddr;

use serde::Serialize;

use super::section::Section;

/// Where Prometheus asks. Nobody is answered where no address is named.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// An address of this host alone.
    pub listen: Option<SocketAddr>,
}

/// Others could ask at any other address, and nothing there tells them from sessions.
const LISTEN: &str = "an address and port of this host alone, such as \"127.0.0.1:9861\"";

/// Reads the section; `proxy_port` is the proxy's own.
pub(super) fn metrics(mut section: Section<'_>, proxy_port: u16) -> Metrics {
    let listen = section.optional("listen", LISTEN, |value| {
        let address: SocketAddr = value.as_str()?.parse().ok()?;
        (address.ip().is_loopback() && address.port() != 0).then_some(address)
    });
    if listen.is_some_and(|address| address.port() == proxy_port) {
        section.tell(
            "listen",
            "another port than `capture.port`",
            proxy_port.to_string(),
        );
    }
    section.finish();
    Metrics { listen }
}
