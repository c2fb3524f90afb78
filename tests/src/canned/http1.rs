//! HTTP/1.1 with as little work as will do: one read, one look at the head, one write.

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::Answers;

/// Most header lines of a request.
const HEADERS_MAX: usize = 64;

/// Longest request that is read, in bytes.
const REQUEST_MAX_BYTES: usize = 8 << 20;

/// Serves one connection until its client is done with it.
pub(super) async fn serve(mut stream: TlsStream<TcpStream>, answers: &Answers) -> Result<()> {
    let mut held = Vec::with_capacity(16 << 10);
    let mut out = Vec::with_capacity(16 << 10);
    loop {
        while let Some(request) = Head::read(&held)? {
            let asked = held.get(request.head_bytes..request.whole_bytes);
            let body = answers.of(&request.path, asked.unwrap_or_default());
            out.clear();
            out.extend_from_slice(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ",
            );
            out.extend_from_slice(body.len().to_string().as_bytes());
            out.extend_from_slice(b"\r\n\r\n");
            out.extend_from_slice(&body);
            stream.write_all(&out).await?;
            stream.flush().await?;
            held.drain(..request.whole_bytes);
        }
        ensure!(held.len() < REQUEST_MAX_BYTES, "a request is too long");
        if stream.read_buf(&mut held).await? == 0 {
            return Ok(());
        }
    }
}

/// What of a request's head matters here.
struct Head {
    path: String,
    head_bytes: usize,
    whole_bytes: usize,
}

impl Head {
    /// Reads the head of a request that is there whole, body included.
    fn read(held: &[u8]) -> Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head_bytes) = request.parse(held)? else {
            return Ok(None);
        };
        let mut body_bytes = 0;
        for header in request.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                body_bytes = std::str::from_utf8(header.value)?.trim().parse()?;
            }
            ensure!(
                !header.name.eq_ignore_ascii_case("transfer-encoding"),
                "expected a body of known length"
            );
        }
        if held.len() < head_bytes + body_bytes {
            return Ok(None);
        }
        Ok(Some(Self {
            path: request.path.context("no path")?.to_owned(),
            head_bytes,
            whole_bytes: head_bytes + body_bytes,
        }))
    }
}
