//! A plain HTTP server on loopback, for stand-ins of services that the daemon asks: one request a connection.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A request, read whole.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub target: String,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

impl Asked {
    /// Gives a header; empty if it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What a server says to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Headers beside those that each answer has.
    pub headers: Vec<(&'static str, String)>,
    /// Its body.
    pub body: Value,
}

impl From<(u16, Value)> for Answer {
    fn from((status, body): (u16, Value)) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body,
        }
    }
}

/// A server; it ends when the value is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stopping: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts a server that answers each request, such as by a status and a JSON body.
    pub fn start<A: Into<Answer>>(answer: impl Fn(&Asked) -> A + Send + 'static) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let stopping = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopping);
        let serving = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if told.load(Ordering::SeqCst) {
                    return;
                }
                let served = stream.map_err(Into::into).and_then(|s| serve(s, &answer));
                if let Err(error) = served {
                    eprintln!("stand-in: {error:#}");
                }
            }
        });
        Ok(Self {
            address,
            stopping,
            serving: Some(serving),
        })
    }

    /// Gives its origin, such as `http://127.0.0.1:40123`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread, which sees that it is to end.
        drop(TcpStream::connect(self.address));
        if let Some(serving) = self.serving.take() {
            drop(serving.join());
        }
    }
}

fn serve<A: Into<Answer>>(mut stream: TcpStream, answer: &impl Fn(&Asked) -> A) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let asked = read(&mut BufReader::new(&stream))?;
    let Answer {
        status,
        headers,
        body,
    } = answer(&asked).into();
    let body = body.to_string();
    let header = |(name, value): &(&str, String)| format!("{name}: {value}\r\n");
    let headers: String = headers.iter().map(header).collect();
    write!(
        stream,
        "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(())
}

fn read(stream: &mut BufReader<&TcpStream>) -> Result<Asked> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let method = words.next().context("no method")?;
    let target = words.next().context("no target")?;
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or("0", String::as_str);
    let mut body = vec![0; length.parse()?];
    stream.read_exact(&mut body)?;
    Ok(Asked {
        method,
        target,
        headers,
        body: String::from_utf8(body)?,
    })
}
