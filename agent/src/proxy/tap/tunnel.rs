//! Tunnels to model APIs through HTTP proxies (`CONNECT`, RFC 9110 section 9.3.6).
//!
//! The proxy is asked in the client's own words, and its answer is handed on as it is. Then TLS ends at both ends of the tunnel,
//! as on a connection without a proxy: it is by its certificate that the model API is known, whatever the proxy says. What is no
//! such tunnel is told, and carried unread from the first byte that is not understood, if anything may be.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::taking::{At, Wanted, by_tls, reach, unread};
use super::unread::Why;
use crate::connection::hello::{self, Opening, Rewound, TunnelAsked};
use crate::connection::name::is_snowflake;
use crate::connection::{reset, splice};
use crate::proxy::core::Shared;

/// How long a proxy may take to answer: it connects the host first.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// How long a client may take to begin with TLS, once its tunnel is there.
const WORDS_WITHIN: Duration = Duration::from_secs(30);

/// Longest head of an answer that is looked at.
const HEAD_MAX_BYTES: usize = 16 << 10;

/// Carries a tunnel that a client asks for, and reads what is in it.
///
/// # Errors
/// A connection broke; both are closed.
pub(super) async fn take(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    (asked, client): (TunnelAsked, Rewound),
) -> io::Result<()> {
    let mut client = client.into_stream();
    let mut server = match reach(shared, at).await {
        Ok(server) => server,
        Err(error) => {
            reset(client);
            return Err(error);
        }
    };
    server.write_all(&asked.words).await?;
    let answer = answer(&mut server).await?;
    client.write_all(&answer.words).await?;
    if !answer.is_open {
        return pass(shared, at, wanted, (client, server)).await;
    }
    let (opening, client) = first_words(client).await?;
    match &opening {
        Opening::Tls { name: Some(name) } if *name == wanted.host => {}
        Opening::Tls { name: Some(name) } if is_snowflake(name) => {
            // Seen, it is not let by: a tunnel of that name is not asked for either.
            tracing::warn!(session = %at.session.id(), name, "Snowflake's name in a tunnel to a model API was refused");
            reset(client.into_stream());
            return Ok(());
        }
        Opening::Tls { .. } | Opening::Http { .. } | Opening::Other | Opening::Silent => {
            let why = Why::Tunnel("tunnel not read: no TLS that names its host begins in it");
            if unread(shared, at, wanted, why).await {
                return splice::carry(client, server).await.map(drop);
            }
            reset(client.into_stream());
            return Ok(());
        }
    }
    let Some(client) = by_tls(shared, at, wanted, client, Ok(server)).await else {
        return Ok(());
    };
    // Its tunnel was used for a handshake of ours: the client's own goes through another one.
    match tunnel_again(shared, at, &asked).await {
        Ok(server) => splice::carry(client, server).await.map(drop),
        Err(error) => {
            reset(client.into_stream());
            Err(error)
        }
    }
}

async fn tunnel_again(shared: &Shared, at: &At<'_>, asked: &TunnelAsked) -> io::Result<TcpStream> {
    let mut server = reach(shared, at).await?;
    server.write_all(&asked.words).await?;
    match answer(&mut server).await?.is_open {
        true => Ok(server),
        false => Err(io::Error::other(
            "expected the proxy to open a second tunnel, found that it does not",
        )),
    }
}

/// What a proxy answered.
struct Answer {
    /// All that was read of it.
    words: BytesMut,
    /// Whether it is a whole head that says that the tunnel is there, and nothing behind it.
    is_open: bool,
}

/// Reads a proxy's answer, as far as can be told what it is.
async fn answer(server: &mut TcpStream) -> io::Result<Answer> {
    let until = Instant::now() + ANSWER_WITHIN;
    let mut words = BytesMut::with_capacity(1024);
    let is_open = loop {
        match opens(&words) {
            Some(is_open) => break is_open,
            None if words.len() >= HEAD_MAX_BYTES => break false,
            None => {}
        }
        match timeout_at(until, server.read_buf(&mut words)).await {
            Ok(Ok(0)) | Err(_) => break false,
            Ok(read) => drop(read?),
        }
    };
    Ok(Answer { words, is_open })
}

/// Tells whether an answer opens the tunnel; none where more of it is needed.
fn opens(words: &[u8]) -> Option<bool> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(words) {
        Ok(httparse::Status::Partial) => None,
        // A server of TLS says nothing before its client.
        Ok(httparse::Status::Complete(length)) => Some(
            length == words.len() && response.code.is_some_and(|code| (200..300).contains(&code)),
        ),
        Err(_) => Some(false),
    }
}

/// Waits for what a client says in its tunnel.
async fn first_words(mut client: TcpStream) -> io::Result<(Opening, Rewound)> {
    let until = Instant::now() + WORDS_WITHIN;
    loop {
        let (opening, rewound) = hello::read(client).await?;
        if opening != Opening::Silent || Instant::now() >= until {
            return Ok((opening, rewound));
        }
        client = rewound.into_stream();
    }
}

/// Carries what follows on an answer that opens no tunnel that could be read: the client may say the same again, and get one.
async fn pass(
    shared: &Shared,
    at: &At<'_>,
    wanted: &Wanted,
    (mut client, mut server): (TcpStream, TcpStream),
) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let up = async {
        if from_client.peek(&mut [0]).await? > 0 {
            let why = Why::Tunnel("tunnel not read: the proxy did not open it at once");
            if !unread(shared, at, wanted, why).await {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        }
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        tokio::io::copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    tokio::try_join!(up, down).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_opens_a_tunnel_by_a_whole_head_of_200_alone() {
        let head = b"HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(opens(&head[..end]), None, "{end} bytes");
        }
        assert_eq!(opens(head), Some(true));
        for other in [
            &b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\nmore",
            b"HTTP/1.1 100 Continue\r\n\r\n",
            b"SSH-2.0-x\r\n\r\n",
        ] {
            assert_eq!(opens(other), Some(false), "{other:?}");
        }
    }
}
