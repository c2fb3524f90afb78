//! What is carried between two ends, and what of it is copied.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::super::copies::{Pieces, Queues, What, queue};
use super::super::counts::Counts;
use super::*;
use crate::clock::Clock;
use crate::config::OnUntrusted;
use crate::connection::ca::Ca;
use crate::connection::tls;

/// Longest that a test waits for what is to come at once.
const SOON: Duration = Duration::from_secs(20);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connecting = TcpStream::connect(listener.local_addr().unwrap());
    let (near, far) = tokio::join!(connecting, listener.accept());
    (near.unwrap(), far.unwrap().0)
}

struct Bed {
    client: TcpStream,
    server: TcpStream,
    pieces: Pieces,
    counts: Arc<Counts>,
    carried: tokio::task::JoinHandle<io::Result<()>>,
}

/// Carries between two sockets; gives their other ends and the copies.
async fn carrying() -> Bed {
    carrying_or(OnUntrusted::Splice).await
}

/// The same, where this becomes of what is not copied.
#[expect(clippy::disallowed_methods, reason = "the test waits for its result")]
async fn carrying_or(on_unread: OnUntrusted) -> Bed {
    let (client, mut near) = pair().await;
    let (mut far, server) = pair().await;
    let counts = Arc::<Counts>::default();
    let (copies, pieces) = queue(
        &Arc::default(),
        &Arc::<Queues>::default(),
        &counts,
        Clock::system(),
    );
    let copies = copies.on_unread(on_unread);
    let carried = tokio::spawn(async move { carry(&mut near, &mut far, &copies).await });
    Bed {
        client,
        server,
        pieces,
        counts,
        carried,
    }
}

/// Gives what was copied of each side, and how each ended.
async fn copied(mut pieces: Pieces) -> [(Vec<u8>, Option<bool>); 2] {
    let mut sides = [(Vec::new(), None), (Vec::new(), None)];
    while let Some(piece) = pieces.next().await {
        let (bytes, end) = &mut sides[usize::from(piece.side == Side::Server)];
        assert_eq!(piece.offset, bytes.len() as u64);
        match piece.what {
            What::Bytes(more) => bytes.extend_from_slice(&more),
            What::End { in_order } => *end = Some(in_order),
        }
    }
    sides
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn bytes_arrive_as_they_were_sent_and_so_do_their_copies(
        up in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40_000), 0..6),
        down in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40_000), 0..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Bed { client, server, pieces, carried, .. } = carrying().await;
            let send = |stream: TcpStream, parts: Vec<Vec<u8>>| async move {
                let (mut reading, mut writing) = stream.into_split();
                let sending = async move {
                    for part in parts {
                        writing.write_all(&part).await.unwrap();
                    }
                    writing.shutdown().await.unwrap();
                };
                let mut heard = Vec::new();
                let (heard_all, ()) = tokio::join!(reading.read_to_end(&mut heard), sending);
                heard_all.unwrap();
                heard
            };
            let (at_client, at_server) = tokio::join!(send(client, up.clone()), send(server, down.clone()));
            carried.await.unwrap().unwrap();
            let (up, down) = (up.concat(), down.concat());
            assert_eq!((&at_server, &at_client), (&up, &down));
            assert_eq!(copied(pieces).await, [(up, Some(true)), (down, Some(true))]);
        });
    }
}

#[tokio::test]
async fn an_event_arrives_before_the_next_one_is_sent() {
    let mut bed = carrying().await;
    for number in 0..64_u8 {
        bed.server.write_all(&[number]).await.unwrap();
        let arrived = tokio::time::timeout(SOON, bed.client.read_u8()).await;
        assert_eq!(arrived.unwrap().unwrap(), number);
    }
}

#[tokio::test]
async fn a_reader_that_stands_still_delays_nothing() {
    const LARGE: usize = 32 << 20;
    let mut bed = carrying().await;
    let large = vec![0x5a; LARGE];
    let mut arrived = Vec::new();
    let sending = async {
        bed.client.write_all(&large).await.unwrap();
        bed.client.shutdown().await.unwrap();
    };
    // Nobody reads `pieces`, all the time.
    let moving = async { tokio::join!(sending, bed.server.read_to_end(&mut arrived)) };
    let ((), read) = tokio::time::timeout(SOON * 3, moving).await.unwrap();
    assert_eq!(read.unwrap(), LARGE);
    assert!(arrived == large);
    let lost = bed.counts.lost_bytes();
    assert!((16 << 20..LARGE as u64).contains(&lost), "{lost}");
}

/// A reader that is gone ends what must be read, with the first bytes that it has no copy of.
#[tokio::test]
async fn what_nobody_reads_is_carried_or_breaks_as_the_config_says() {
    for (on_unread, arrives) in [(OnUntrusted::Splice, true), (OnUntrusted::Fail, false)] {
        let mut bed = carrying_or(on_unread).await;
        bed.client.write_all(b"read").await.unwrap();
        let mut heard = [0; 4];
        bed.server.read_exact(&mut heard).await.unwrap();
        drop(bed.pieces);
        bed.client.write_all(b"unread").await.unwrap();
        bed.client.shutdown().await.unwrap();
        let mut rest = Vec::new();
        let end = if arrives {
            bed.server.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"unread");
            drop(bed.server);
            bed.carried.await.unwrap()
        } else {
            let end = tokio::time::timeout(SOON, bed.carried).await.unwrap();
            let ended = bed.server.read_to_end(&mut rest).await;
            assert!(rest.is_empty(), "{ended:?} {rest:?}");
            end.unwrap()
        };
        assert_eq!(end.is_ok(), arrives, "{end:?}");
        assert_eq!(bed.counts.lost_bytes(), 6);
    }
}

#[tokio::test]
async fn an_end_that_has_said_all_hears_the_other() {
    let mut bed = carrying().await;
    bed.client.write_all(b"question").await.unwrap();
    bed.client.shutdown().await.unwrap();
    let mut heard = String::new();
    bed.server.read_to_string(&mut heard).await.unwrap();
    bed.server.write_all(b"answer").await.unwrap();
    drop(bed.server);
    let mut answer = String::new();
    bed.client.read_to_string(&mut answer).await.unwrap();
    assert_eq!((heard.as_str(), answer.as_str()), ("question", "answer"));
    bed.carried.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reset_of_one_end_ends_both() {
    let mut bed = carrying().await;
    bed.client.write_all(b"x").await.unwrap();
    assert_eq!(bed.server.read_u8().await.unwrap(), b'x');
    reset(bed.client);
    assert!(bed.carried.await.unwrap().is_err());
    let heard = tokio::time::timeout(SOON, bed.server.read(&mut [0; 8])).await;
    assert!(matches!(heard.unwrap(), Ok(0) | Err(_)));
}

/// A server that refuses a long request says why, and closes while its client still sends.
#[tokio::test]
async fn an_answer_arrives_though_the_rest_of_the_request_is_not_taken() {
    let mut bed = carrying().await;
    let sending = async {
        let part = vec![0; 1 << 20];
        // Ends by an error once nobody takes it.
        for _ in 0..64 {
            if bed.client.write_all(&part).await.is_err() {
                break;
            }
        }
    };
    let refusing = async {
        bed.server.read_u8().await.unwrap();
        bed.server.write_all(b"413").await.unwrap();
        // Unread bytes make this a reset.
        drop(bed.server);
    };
    let both = async { tokio::join!(sending, refusing) };
    tokio::time::timeout(SOON, both).await.unwrap();
    let _ended = tokio::time::timeout(SOON, bed.carried).await.unwrap();
    let [_, (answer, _)] = copied(bed.pieces).await;
    assert_eq!(answer, b"413");
}

/// A server whose connection breaks has not said all: its client must not take what came for the whole.
#[tokio::test]
async fn an_end_without_farewell_stays_one() {
    for in_order in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::system();
        let names = ["a.example".to_owned()].into();
        let (id, ca) = Ca::of_models(folder.path(), "host", &names, clock.now()).unwrap();
        let config = tls::models_config(ca, clock).unwrap();
        let root = folder.path().join(format!("models-{id}.pem"));
        let trusting = crate::web::trust_only(&std::fs::read(&root).unwrap(), &root).unwrap();
        let connect = |stream| {
            let name = ServerName::try_from("a.example").unwrap();
            TlsConnector::from(Arc::clone(&trusting)).connect(name, stream)
        };
        let accept = |stream| TlsAcceptor::from(Arc::clone(&config)).accept(stream);
        let ((client, near), (far, server)) = tokio::join!(pair(), pair());
        let (client, near) = tokio::join!(connect(client), accept(near));
        let (far, server) = tokio::join!(connect(far), accept(server));
        let (mut client, mut near) = (client.unwrap(), near.unwrap());
        let (mut far, mut server) = (far.unwrap(), server.unwrap());
        let (copies, pieces) = queue(&Arc::default(), &Arc::default(), &Arc::default(), clock);
        let serving = async {
            server.write_all(b"half an ans").await.unwrap();
            server.flush().await.unwrap();
            if in_order {
                server.shutdown().await.unwrap();
            }
            drop(server);
        };
        let asking = async {
            let mut heard = Vec::new();
            let ended = client.read_to_end(&mut heard).await;
            drop(client);
            (heard, ended.map_err(|error| error.kind()))
        };
        let (_, (heard, ended), _) = tokio::join!(serving, asking, async move {
            let carried = carry(&mut near, &mut far, &copies).await;
            drop(copies);
            carried
        });
        assert_eq!(heard, b"half an ans");
        let expected = match in_order {
            true => Ok(heard.len()),
            false => Err(io::ErrorKind::UnexpectedEof),
        };
        assert_eq!(ended, expected);
        let [_, (bytes, end)] = copied(pieces).await;
        assert_eq!((bytes, end), (heard, Some(in_order)));
    }
}
