//! Connections that are not Snowflake's: carried to where they wanted to go, unless that is a way around.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};

use super::hello::{self, Opening, Rewound};

/// How long the original destination may take to answer a connect.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Where a connection is carried on to, and by whose network.
#[derive(Debug)]
pub struct Onward {
    destination: SocketAddr,
    /// A socket of another network than the host's.
    socket: Option<TcpSocket>,
}

impl Onward {
    /// Goes on by the host's network.
    #[must_use]
    pub fn of_host(destination: SocketAddr) -> Self {
        Self {
            destination,
            socket: None,
        }
    }

    /// Goes on by the network that a socket was made in; it must not block, nor be connected.
    #[must_use]
    pub fn of_network(socket: OwnedFd, destination: SocketAddr) -> Self {
        let socket = std::net::TcpStream::from(socket);
        Self {
            destination,
            socket: Some(TcpSocket::from_std_stream(socket)),
        }
    }
}

/// Carries bytes both ways until both ends are done; gives the bytes up and down.
///
/// The address is the one that the process itself connected to: Icecore lends it no reach that it did not have, and a
/// name from /etc/hosts or split DNS keeps working.
///
/// # Errors
/// The destination cannot be reached, or the connection broke.
pub async fn splice(client: Rewound, way: Onward) -> io::Result<(u64, u64)> {
    let server = dial(way).await?;
    carry(client, server).await
}

/// Carries bytes between two connections until both ends are done; gives the bytes up and down.
///
/// # Errors
/// The connection broke.
pub async fn carry(mut client: Rewound, mut server: TcpStream) -> io::Result<(u64, u64)> {
    tokio::io::copy_bidirectional(&mut client, &mut server).await
}

/// How long a client that is silent may go on so where no server can be heard: one on a busy host may only be slow, and
/// is judged by what it says then.
const SPEAKS_WITHIN: Duration = Duration::from_secs(10);

/// Who broke the silence of a connection.
#[derive(Debug)]
pub enum Words {
    /// The client: its opening is judged like any other, and the destination was told nothing.
    Client(Opening, Rewound),
    /// The server, as SSH or SMTP do: no TLS server speaks before its client has said hello.
    Server(Rewound, TcpStream),
    /// Neither: the client stayed silent, and the destination may not or could not be reached, or ended without a word.
    Nobody(Rewound, io::Error),
}

/// Waits for who speaks first on a silent client's connection; nothing is carried before that. The destination is
/// connected if there is a way to it, and it may be.
///
/// A client that were carried on for its silence could say a governed name later, unread.
///
/// # Errors
/// The client's connection ended without a word.
pub async fn wait_for_words(client: Rewound, way: io::Result<Onward>) -> io::Result<Words> {
    let mut of_client = [0];
    tokio::select! {
        biased;
        heard = client.peek(&mut of_client) => {
            heard.and_then(some)?;
            let (opening, client) = hello::read(client.into_stream()).await?;
            Ok(Words::Client(opening, client))
        }
        server = server_that_speaks(way) => Ok(match server {
            Ok(server) => Words::Server(client, server),
            Err(error) => Words::Nobody(client, error),
        }),
    }
}

/// Connects a destination and waits for its first word; where that cannot be, the client is left its time.
async fn server_that_speaks(way: io::Result<Onward>) -> io::Result<TcpStream> {
    let dialled = match way {
        Ok(way) => dial(way).await,
        Err(error) => Err(error),
    };
    let server = match dialled {
        Ok(server) => server,
        Err(error) => {
            tokio::time::sleep(SPEAKS_WITHIN).await;
            return Err(error);
        }
    };
    server.peek(&mut [0]).await.and_then(some)?;
    Ok(server)
}

fn some(bytes: usize) -> io::Result<()> {
    if bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Connects to where a connection is carried on to.
///
/// # Errors
/// The destination cannot be reached.
pub async fn dial(way: Onward) -> io::Result<TcpStream> {
    let Onward {
        destination,
        socket,
    } = way;
    let dialling = async {
        match socket {
            Some(socket) => socket.connect(destination).await,
            None => TcpStream::connect(destination).await,
        }
    };
    let server = tokio::time::timeout(CONNECT_WITHIN, dialling)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    server.set_nodelay(true)?;
    Ok(server)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::connection::hello::tests::client_hello;

    /// Gives a client's end, the proxy's end of it, and a destination that listens.
    async fn ends() -> (TcpStream, TcpStream, TcpListener) {
        let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(near.local_addr().unwrap())
            .await
            .unwrap();
        (client, near.accept().await.unwrap().0, far)
    }

    #[tokio::test]
    async fn a_client_that_speaks_late_is_judged_and_its_destination_told_nothing() {
        let (mut client, accepted, far) = ends().await;
        let (opening, silent) = hello::read(accepted).await.unwrap();
        assert_eq!(opening, Opening::Silent);
        let destination = far.local_addr().unwrap();
        let late = client_hello("other.snowflakecomputing.com");
        let speaking = async {
            let (server, _) = far.accept().await.unwrap();
            client.write_all(&late).await.unwrap();
            server
        };
        let (waited, mut server) = tokio::join!(
            wait_for_words(silent, Ok(Onward::of_host(destination))),
            speaking
        );
        let name = Some("other.snowflakecomputing.com".to_owned());
        let Words::Client(opening, mut rewound) = waited.unwrap() else {
            panic!("taken for a server that speaks first")
        };
        assert_eq!(opening, Opening::Tls { name });
        let mut again = vec![0; late.len()];
        rewound.read_exact(&mut again).await.unwrap();
        assert_eq!(again, late);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_client_has_its_time_though_no_destination_can_be_reached() {
        let (mut client, accepted, far) = ends().await;
        let unreachable = far.local_addr().unwrap();
        drop(far);
        let ways = [
            Err(io::ErrorKind::AddrNotAvailable.into()),
            Ok(Onward::of_host(unreachable)),
        ];
        for way in ways {
            let given_up = server_that_speaks(way);
            let waited = tokio::time::timeout(Duration::from_millis(100), given_up).await;
            assert!(waited.is_err(), "{waited:?}");
        }
        let (_, silent) = hello::read(accepted).await.unwrap();
        client
            .write_all(&client_hello("acme.snowflakecomputing.com"))
            .await
            .unwrap();
        let waited = wait_for_words(silent, Err(io::ErrorKind::AddrNotAvailable.into()))
            .await
            .unwrap();
        assert!(matches!(
            waited,
            Words::Client(Opening::Tls { name: Some(_) }, _)
        ));
    }

    #[tokio::test]
    async fn a_server_that_speaks_first_is_heard() {
        let (mut client, accepted, far) = ends().await;
        let (_, silent) = hello::read(accepted).await.unwrap();
        let destination = far.local_addr().unwrap();
        let speaking = async {
            let (mut server, _) = far.accept().await.unwrap();
            server.write_all(b"SSH-2.0-x").await.unwrap();
            server
        };
        let (waited, server) = tokio::join!(
            wait_for_words(silent, Ok(Onward::of_host(destination))),
            speaking
        );
        let Words::Server(near, carried) = waited.unwrap() else {
            panic!("taken for a client that speaks first")
        };
        drop(server);
        let (carried, _) = tokio::join!(carry(near, carried), async {
            client.shutdown().await.unwrap();
        });
        assert_eq!(carried.unwrap(), (0, 9));
        let mut words = [0; 9];
        client.read_exact(&mut words).await.unwrap();
        assert_eq!(&words, b"SSH-2.0-x");
    }
}
