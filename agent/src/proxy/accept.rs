//! The accept loop of a core, and what becomes of each connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::arrivals::with_words;
use super::core::{Core, Shared};
use super::door::Door;
use super::heartbeat::Ticker;
use super::intake::{Begun, Takes};
use super::networks::onward;
use super::refusals::{Refusal, WayAround};
use super::sessions::Session;
use super::tap;
use crate::connection::hello::{self, Opening, Rewound};
use crate::connection::metadata::is_metadata;
use crate::connection::name::is_snowflake;
use crate::connection::peer::Peer;
use crate::connection::splice::{self, Words, splice};
use crate::connection::{Connection, http, reset};
use crate::tasks;

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Wait after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections from the time on that all sessions are known until the proxy takes none any more. Before it, and while
/// it is paused, they wait in the listener's backlog; in a pause the supervisor shows that this is meant.
pub(super) async fn accept(core: Arc<Core>, listener: TcpListener, mut ticker: Option<Ticker>) {
    let intake = &core.shared.intake;
    loop {
        match intake.takes().await {
            Takes::Connections => {}
            Takes::NoneYet => {
                tokio::select! {
                    () = tick(&mut ticker) => {}
                    () = intake.begun() => {}
                }
                continue;
            }
            Takes::NoMore => return,
        }
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tick(&mut ticker) => continue,
            () = intake.paused() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let core = Arc::clone(&core);
                // From here on: the proxy does not come to rest before its first words were read.
                let arriving = core.shared.intake.arrive();
                drop(tasks::spawn("connection", async move {
                    take(core, stream, arriving).await
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Waits until the loop is to tick, and does; never, where another loop of the core ticks.
async fn tick(ticker: &mut Option<Ticker>) {
    match ticker {
        Some(ticker) => {
            ticker.wait().await;
            ticker.tick();
        }
        None => std::future::pending().await,
    }
}

async fn take(core: Arc<Core>, stream: TcpStream, arriving: Option<Begun>) {
    let shared = &core.shared;
    // A connection without Nagle's delay that cannot be had is only slower.
    drop(stream.set_nodelay(true));
    let connection = match Connection::identify(&shared.destinations, stream) {
        Ok(connection) => connection,
        Err(error) => {
            let row = (shared.strangers).unknown(&error, shared.stages.clock.mono_ns());
            return shared.record_events(row.into_iter().collect()).await;
        }
    };
    let found = (shared.sessions).find(connection.session(), connection.nonce());
    let Some(session) = found else {
        let id = connection.session();
        let (stream, peer) = connection.into_parts();
        reset(stream);
        let row = (shared.strangers).of_the_past(id, &peer, shared.stages.clock.mono_ns());
        return shared.record_events(row.into_iter().collect()).await;
    };
    let (destination, network) = (connection.destination(), connection.network());
    let (stream, peer) = connection.into_parts();
    let per_second = shared.current().config.limits.session_connects_per_second;
    let admitted = (session.arrivals()).admit(per_second, shared.stages.clock.mono_ns());
    let _held = match admitted.await {
        Ok(held) => held,
        Err(way) => {
            reset(stream);
            let row = session.refuse_way(
                Refusal::at_the_door(way),
                &peer,
                shared.stages.clock.mono_ns(),
            );
            return shared.record_events(row.into_iter().collect()).await;
        }
    };
    let address = destination.ip();
    // At once, since it may end soon; the answer is there before the client's first words are.
    let looking = shared
        .looks
        .process(session.arrivals(), peer.pid, peer.exec_id);
    let (opening, stream, peer) = match with_words(looking, hello::read(stream)).await {
        (Ok((opening, stream)), traced) => (opening, stream, peer.with(traced)),
        (Err(error), _) => {
            return tracing::debug!(session = %session.id(), %error, "connection ended before its opening");
        }
    };
    // One that says nothing may do so for long: it holds nothing up.
    let arriving = arriving.filter(|_| opening != Opening::Silent);
    let (opening, stream) = if opening == Opening::Silent {
        let is_free = way_around(shared, &session, address).is_none();
        let way = match is_free {
            true => onward(shared, &session, network, destination).await,
            false => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        match splice::wait_for_words(stream, way).await {
            Ok(Words::Client(opening, stream)) => (opening, stream),
            Ok(Words::Server(client, server)) => {
                let _carried = shared.intake.carry();
                return ended(&session, destination, splice::carry(client, server).await);
            }
            Ok(Words::Nobody(stream, _)) if !is_free => (Opening::Silent, stream),
            Ok(Words::Nobody(stream, error)) => {
                reset(stream.into_stream());
                return ended(&session, destination, Err(error));
            }
            Err(error) => return ended(&session, destination, Err(error)),
        }
    } else {
        (opening, stream)
    };
    match opening {
        Opening::Tls { name: Some(name) } if is_snowflake(&name) => {
            session.learn_governed(address);
            govern(&core, session, peer, (name, stream), arriving).await;
        }
        Opening::Http { host: Some(host) } if is_snowflake(&host) => {
            answer_plain_http(stream).await;
        }
        Opening::Http { .. } if tap::telemetry::is_meant(&session, destination) => {
            drop(arriving);
            tap::telemetry::receive(shared, &session, &peer, stream).await;
        }
        Opening::Tls { .. } | Opening::Http { .. } | Opening::Other | Opening::Silent => {
            let Some(way) = way_around(shared, &session, address) else {
                let _carried = shared.intake.carry();
                drop(arriving);
                let at = tap::At {
                    session: &session,
                    peer: &peer,
                    network,
                    destination,
                };
                let Some(stream) = tap::take(shared, at, &opening, stream).await else {
                    return;
                };
                let carried = match onward(shared, &session, network, destination).await {
                    Ok(way) => splice(stream, way).await,
                    Err(error) => {
                        reset(stream.into_stream());
                        Err(error)
                    }
                };
                return ended(&session, destination, carried);
            };
            reset(stream.into_stream());
            let refusal = Refusal {
                way,
                destination,
                opening: opening.word(),
                name: opening.name().map(str::to_owned),
                exe: peer.exe.clone(),
            };
            let row = session.refuse_way(refusal, &peer, shared.stages.clock.mono_ns());
            shared.record_events(row.into_iter().collect()).await;
        }
    }
}

/// Tells why an address may not be reached unread, if it may not.
fn way_around(shared: &Shared, session: &Session, address: IpAddr) -> Option<WayAround> {
    if shared.resolver.is_governed(address) || session.has_governed(address) {
        Some(WayAround::GovernedAddress)
    } else {
        is_metadata(address).then_some(WayAround::Metadata)
    }
}

fn ended(session: &Session, destination: SocketAddr, carried: io::Result<(u64, u64)>) {
    if let Err(error) = carried {
        tracing::debug!(session = %session.id(), %destination, %error, "spliced connection ended");
    }
}

/// Terminates TLS and answers requests.
async fn govern(
    core: &Arc<Core>,
    session: Arc<Session>,
    peer: Peer,
    (name, stream): (String, Rewound),
    arriving: Option<Begun>,
) {
    let intake = &core.shared.intake;
    // What has begun to shake hands is about to ask for something.
    let arriving = match arriving {
        Some(arriving) => arriving,
        None => tokio::select! {
            arriving = intake.begin() => arriving,
            () = intake.closed() => return,
        },
    };
    let acceptor = TlsAcceptor::from(Arc::clone(&core.shared.tls));
    let stream = match tokio::time::timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            session.seen().failed_handshake();
            let (session_id, pid) = (session.id(), peer.pid);
            if session.arrivals().is_first_failed_handshake() {
                return tracing::info!(
                    session = %session_id, %name, pid, %error,
                    "TLS handshake failed; a client that does not trust Icecore's CA ends here; others of the session are told at `debug`"
                );
            }
            return tracing::debug!(session = %session_id, %name, pid, %error, "TLS handshake failed");
        }
        Err(_) => {
            session.seen().failed_handshake();
            return tracing::debug!(session = %session.id(), %name, "TLS handshake was not ended");
        }
    };
    session.seen().handshake();
    drop(arriving);
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let session_id = session.id();
    let is_read = session.facts().models.is_some();
    let looks = &core.shared.looks;
    let environment = is_read.then(|| looks.environment(session.arrivals(), &peer));
    let door = Door::new(Arc::clone(core), session, peer, name);
    let door = Arc::new(door.told(environment.unwrap_or_default()));
    let serving = http::serve_until(stream, is_http2, intake.paused(), |request| {
        let (door, intake) = (Arc::clone(&door), Arc::clone(intake));
        async move {
            let begun = intake.begin().await;
            begun.until_told(door.answer(request).await)
        }
    });
    if let Some(Err(error)) = intake.serve(serving).await {
        tracing::debug!(session = %session_id, %error, "connection broke");
    }
}

/// Answers plain HTTP to a Snowflake name at once: drivers ask such a host for cached OCSP answers and go on without.
async fn answer_plain_http(mut stream: Rewound) {
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if let Err(error) = stream.write_all(answer).await {
        tracing::debug!(%error, "plain HTTP answer was not taken");
    }
}
