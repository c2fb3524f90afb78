//! The accept loop of a core, and what becomes of each connection.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::arrivals::with_words;
use super::core::{Core, Shared};
use super::door::Door;
use super::heartbeat::Ticker;
use super::intake::Begun;
use super::refusals::{Refusal, WayAround};
use super::sessions::Session;
use crate::connection::hello::{self, Opening, Rewound};
use crate::connection::metadata::is_metadata;
use crate::connection::name::is_snowflake;
use crate::connection::peer::Peer;
use crate::connection::splice::{self, Words, splice};
use crate::connection::{Connection, http, reset};
use crate::record::event::code;
use crate::record::{Category, Severity};
use crate::tasks;

/// How long a TLS handshake may take.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// Wait after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// For how long after its start a proxy may not know sessions yet that wait in its listener's backlog, in nanoseconds.
const BEGINNING_NS: i64 = 10_000_000_000;

/// How often a session is looked for in that time, and how long between two looks.
const SESSION_LOOKS: u32 = 100;
const SESSION_LOOK: Duration = Duration::from_millis(20);

/// Takes connections until the proxy takes none any more. While it is paused they wait in the listener's backlog, and the
/// supervisor shows that this is meant.
pub(super) async fn accept(core: Arc<Core>, listener: TcpListener, mut ticker: Ticker) {
    let intake = &core.shared.intake;
    while intake.is_open().await {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ticker.wait() => {
                ticker.tick();
                continue;
            }
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

async fn take(core: Arc<Core>, stream: TcpStream, arriving: Option<Begun>) {
    let shared = &core.shared;
    // A connection without Nagle's delay that cannot be had is only slower.
    drop(stream.set_nodelay(true));
    let connection = match Connection::identify(&shared.destinations, stream) {
        Ok(connection) => connection,
        Err(error) => {
            let detail = json!({ "reason": error.to_string() });
            return shared
                .event(
                    None,
                    code::BYPASS_ATTEMPT,
                    Severity::Medium,
                    Category::Net,
                    detail,
                )
                .await;
        }
    };
    let Some(session) = session_of(shared, &connection).await else {
        let detail =
            json!({ "reason": "the session is over", "session": connection.session().to_string() });
        reset(connection.into_parts().0);
        return shared
            .event(
                None,
                code::BYPASS_ATTEMPT,
                Severity::Low,
                Category::Net,
                detail,
            )
            .await;
    };
    let destination = connection.destination();
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
    let looking = shared.looks.process(session.arrivals(), peer.pid);
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
        match splice::wait_for_words(stream, is_free.then_some(destination)).await {
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
        Opening::Tls { .. } | Opening::Http { .. } | Opening::Other | Opening::Silent => {
            let Some(way) = way_around(shared, &session, address) else {
                let _carried = shared.intake.carry();
                drop(arriving);
                return ended(&session, destination, splice(stream, destination).await);
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

/// Finds a connection's session; waits for it a while in a proxy that has just begun, which may still be told of it.
async fn session_of(shared: &Shared, connection: &Connection) -> Option<Arc<Session>> {
    let mut looks_left = SESSION_LOOKS;
    loop {
        let found = (shared.sessions).find(connection.session(), connection.nonce());
        if found.is_some() || looks_left == 0 || shared.stages.clock.mono_ns() > BEGINNING_NS {
            return found;
        }
        looks_left -= 1;
        tokio::time::sleep(SESSION_LOOK).await;
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
            return tracing::debug!(session = %session.id(), %name, "TLS handshake was not ended");
        }
    };
    drop(arriving);
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let session_id = session.id();
    let door = Arc::new(Door::new(Arc::clone(core), session, peer, name));
    let serving = http::serve_until(stream, is_http2, intake.paused(), |request| {
        let (door, intake) = (Arc::clone(&door), Arc::clone(intake));
        async move {
            let begun = intake.begin().await;
            begun.until_told(door.answer(request).await)
        }
    });
    tokio::select! {
        served = serving => {
            if let Err(error) = served {
                tracing::debug!(session = %session_id, %error, "connection broke");
            }
        }
        () = intake.closed() => {}
    }
}

/// Answers plain HTTP to a Snowflake name at once: drivers ask such a host for cached OCSP answers and go on without.
async fn answer_plain_http(mut stream: Rewound) {
    let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if let Err(error) = stream.write_all(answer).await {
        tracing::debug!(%error, "plain HTTP answer was not taken");
    }
}
