//! Takes a connection to a model API, if it is one that is read.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client};

use super::carry::{End, carry};
use super::copies::Side;
use super::counts::Outcome;
use super::models::{Models, repository};
use super::reading::{ModelConnection, Protocol};
use super::sink::{self, Sink};
use super::telling::{Unreached, of_tls, tell_unreached, untrusted};
use super::unread::{self, Why};
use super::{TapError, tunnel};
use crate::config::{ModelApi, OnUntrusted, PromptCapture};
use crate::connection::hello::{Opening, Rewound, TunnelAsked};
use crate::connection::peer::Peer;
use crate::connection::reset;
use crate::connection::splice;
use crate::proxy::core::Shared;
use crate::proxy::networks::onward;
use crate::proxy::sessions::Session;

/// How long a TLS handshake may take, with either end.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Ends a handshake that cannot be gone on with: a fatal `handshake_failure` (RFC 8446 sections 5.1 and 6).
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// Where a connection comes from and goes to.
pub(in crate::proxy) struct At<'a> {
    pub(in crate::proxy) session: &'a Arc<Session>,
    pub(in crate::proxy) peer: &'a Peer,
    pub(in crate::proxy) network: u64,
    pub(in crate::proxy) destination: SocketAddr,
}

/// A connection that is to be read.
pub(super) struct Wanted {
    pub(super) host: String,
    api: ModelApi,
    capture: PromptCapture,
    pub(super) models: Arc<Models>,
    /// TLS to its client; none where it is plain HTTP.
    tls: Option<Arc<ServerConfig>>,
}

/// Carries and reads a connection, if it is one that is read; else gives it back, to be carried unread.
///
/// The model API is connected first, and its certificate verified: its client is offered the protocol that it chose, so that
/// all that follows can be carried as it is.
pub(in crate::proxy) async fn take(
    shared: &Shared,
    at: At<'_>,
    opening: &Opening,
    stream: Rewound,
) -> Option<Rewound> {
    let tunnel = stream.tunnel_asked();
    let wanted = match wanted(shared, &at, opening, tunnel.as_ref()) {
        Ok(Some(wanted)) => wanted,
        Ok(None) => return Some(stream),
        Err(Unreadable { on_unread, error }) => {
            tracing::error!(session = %at.session.id(), %error, "model call is not read");
            shared.tap.counts().add(Outcome::Unread);
            sink::unread(shared, at.session);
            return match on_unread {
                OnUntrusted::Splice => Some(stream),
                OnUntrusted::Fail => {
                    reset(stream.into_stream());
                    None
                }
            };
        }
    };
    let standing = at.session.models();
    let is_spliced = wanted.models.on_untrusted() == OnUntrusted::Splice;
    if is_spliced && standing.is_unread(&wanted.host) {
        shared.tap.counts().add(Outcome::Unread);
        sink::unread(shared, at.session);
        return Some(stream);
    }
    if let Some(asked) = tunnel {
        if !asked.is_alone {
            let why = Why::Tunnel("tunnel not read: something stands behind its request");
            if unread(shared, &at, &wanted, why).await {
                return Some(stream);
            }
            reset(stream.into_stream());
            return None;
        }
        if let Err(error) = tunnel::take(shared, &at, &wanted, (asked, stream)).await {
            tracing::debug!(session = %at.session.id(), host = wanted.host, %error, "tunnel broke");
        }
        return None;
    }
    let server = reach(shared, &at).await;
    if wanted.tls.is_some() {
        return by_tls(shared, &at, &wanted, stream, server).await;
    }
    match server {
        Ok(server) => read(shared, &at, &wanted, Protocol::Http1, (stream, server)).await,
        Err(error) => unreached(shared, &at, &wanted, Unreached::Away(error), stream).await,
    }
    None
}

/// Carries and reads a connection of TLS, ended on both sides; gives it back where it is to be carried unread.
pub(super) async fn by_tls(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    stream: Rewound,
    server: io::Result<TcpStream>,
) -> Option<Rewound> {
    let standing = at.session.models();
    let is_spliced = wanted.models.on_untrusted() == OnUntrusted::Splice;
    let server = match tls_to(wanted, stream.protocols_offered(), server).await {
        Ok(server) => server,
        Err(why) if is_spliced && matches!(why, Unreached::Untrusted(_)) => {
            // Its client may trust what the host does not: it sees the certificate itself. What else TLS may have against
            // this connection says nothing of the next one.
            if why.is_of_certificate() {
                standing.set_unread(&wanted.host);
            }
            tell_unreached(shared, at, wanted, &why).await;
            sink::unread(shared, at.session);
            return Some(stream);
        }
        Err(why) => {
            unreached(shared, at, wanted, why, stream).await;
            return None;
        }
    };
    let chosen = server.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let protocol = match chosen.as_deref() {
        Some(b"h2") => Protocol::Http2,
        Some(_) | None => Protocol::Http1,
    };
    let mut offering = ServerConfig::clone(wanted.tls.as_deref()?);
    offering.alpn_protocols = chosen.into_iter().collect();
    let accepting = TlsAcceptor::from(Arc::new(offering)).accept(stream);
    match tokio::time::timeout(HANDSHAKE_WITHIN, accepting).await {
        Ok(Ok(client)) => {
            read(shared, at, wanted, protocol, (client, server)).await;
        }
        Ok(Err(error)) => untrusted(shared, at, wanted, Some(&error)).await,
        Err(_) => {
            tracing::debug!(session = %at.session.id(), host = wanted.host, "TLS handshake was not ended");
        }
    }
    None
}

/// A connection that is to be read and cannot be.
struct Unreadable {
    on_unread: OnUntrusted,
    error: TapError,
}

/// Finds out whether a connection is to be read.
fn wanted(
    shared: &Shared,
    at: &At<'_>,
    opening: &Opening,
    tunnel: Option<&TunnelAsked>,
) -> Result<Option<Wanted>, Unreadable> {
    let Some(told) = at.session.facts().models.as_ref() else {
        return Ok(None);
    };
    let here = at.destination.port();
    let (name, port, plain) = match (opening, tunnel) {
        (_, Some(tunnel)) => (&tunnel.host, tunnel.port, false),
        (Opening::Tls { name: Some(name) }, None) => (name, here, false),
        (Opening::Http { host: Some(name) }, None) => (name, here, true),
        (
            Opening::Tls { name: None }
            | Opening::Http { host: None }
            | Opening::Other
            | Opening::Silent,
            None,
        ) => return Ok(None),
    };
    let models = Arc::clone(&shared.current().models);
    let Some(host) = models.host(name, port, plain, told) else {
        return Ok(None);
    };
    let principal = at.session.principal();
    let repository = repository(at.session.facts(), Some(&principal));
    // One that was kept out since the session began.
    if models.keeps_out(repository) {
        return Ok(None);
    }
    let tls = match told.ca.as_deref() {
        _ if plain => None,
        // Its hosts are those of plain HTTP alone.
        None => return Ok(None),
        Some(ca) => {
            let failed = |error| Unreadable {
                on_unread: models.on_untrusted(),
                error,
            };
            Some(shared.tap.config(ca).map_err(failed)?)
        }
    };
    Ok(Some(Wanted {
        host: name.clone(),
        api: host.api,
        capture: models.capture(told, repository),
        tls,
        models,
    }))
}

/// Connects to where the client wanted to go.
pub(super) async fn reach(shared: &Shared, at: &At<'_>) -> io::Result<TcpStream> {
    splice::dial(onward(shared, at.session, at.network, at.destination).await?).await
}

/// Shakes hands with a model API that was reached.
async fn tls_to(
    wanted: &Wanted,
    offered: Vec<Vec<u8>>,
    server: io::Result<TcpStream>,
) -> Result<client::TlsStream<TcpStream>, Unreached> {
    let name = ServerName::try_from(wanted.host.clone())
        .map_err(|error| Unreached::Away(io::Error::other(error)))?;
    let tls = wanted.models.tls(offered).ok_or_else(|| {
        let text = "expected roots to judge its certificate by, found none";
        Unreached::Away(io::Error::other(text))
    })?;
    let server = server.map_err(Unreached::Away)?;
    let connecting = TlsConnector::from(tls).connect(name, server);
    match tokio::time::timeout(HANDSHAKE_WITHIN, connecting).await {
        Ok(Ok(server)) => Ok(server),
        Ok(Err(error)) if of_tls(&error).is_some() => Err(Unreached::Untrusted(error)),
        Ok(Err(error)) => Err(Unreached::Away(error)),
        Err(_) => Err(Unreached::Away(io::ErrorKind::TimedOut.into())),
    }
}

/// Says of a connection what is known before it is read.
fn connection(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    protocol: Protocol,
) -> ModelConnection {
    let environment = (shared.looks).environment(at.session.arrivals(), at.peer);
    ModelConnection {
        number: shared.tap.number(),
        session: at.session.id(),
        peer: at.peer.clone(),
        environment,
        host: wanted.host.clone(),
        destination: at.destination,
        api: wanted.api,
        protocol,
        is_verified: wanted.tls.is_some(),
        capture: wanted.capture,
        on_unread: wanted.models.on_untrusted(),
    }
}

/// Records that a connection to a model API is not read; tells whether it may pass so.
pub(super) async fn unread(shared: &Shared, at: &At<'_>, wanted: &Wanted, why: Why) -> bool {
    shared.tap.counts().add(Outcome::Unread);
    sink::unread(shared, at.session);
    let connection = connection(shared, at, wanted, Protocol::Http1);
    let recorder = &shared.stages.recorder;
    unread::tell(recorder, &connection, at.session, (why, shared.tap.clock)).await;
    connection.on_unread == OnUntrusted::Splice
}

/// Carries both ways, and has the copies read.
async fn read(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    protocol: Protocol,
    (mut client, mut server): (impl End, impl End),
) {
    let tap = &shared.tap;
    let connection = connection(shared, at, wanted, protocol);
    let Some(sink) = Sink::of(shared, at.session) else {
        // Only sessions whose calls are read come here.
        return client.break_off();
    };
    let Some(copies) = tap.read(connection, sink, at.session.models().waiting()) else {
        client.break_off();
        server.break_off();
        return;
    };
    if let Err(error) = carry(&mut client, &mut server, &copies).await {
        tracing::debug!(session = %at.session.id(), host = wanted.host, %error, "model connection broke");
        client.break_off();
        server.break_off();
    }
    if copies.has_sent(Side::Client) {
        at.session.models().note_trusted(&wanted.host, at.peer.pid);
    } else if wanted.tls.is_some() {
        untrusted(shared, at, wanted, None).await;
    }
}

/// Ends a connection whose model API is not reached, as it would have ended without us.
async fn unreached(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    why: Unreached,
    mut stream: Rewound,
) {
    tell_unreached(shared, at, wanted, &why).await;
    match why {
        Unreached::Away(_) => reset(stream.into_stream()),
        Unreached::Untrusted(_) => {
            let ended = async {
                stream.write_all(&HANDSHAKE_FAILURE).await?;
                stream.shutdown().await
            };
            if let Err(error) = ended.await {
                tracing::debug!(%error, "alert was not taken");
            }
        }
    }
}
