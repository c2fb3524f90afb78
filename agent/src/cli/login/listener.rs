//! Waits on this host for the browser to come back. Source: RFC 8252 sections 7.3 and 8.3.
//!
//! Anyone on this host can connect: what does not bring this sign-in's `state` is told so and changes nothing. The first
//! that does is the answer, and the listener is gone.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use rustix::net::shutdown;

use crate::control::sign_in::CALLBACK_PATH;
use crate::identity::sign_in::Callback;

/// Longest head of a request that is read, in bytes.
const HEAD_MAX_BYTES: usize = 24 << 10;

/// Most headers of a request.
const HEADERS_MAX: usize = 100;

/// How long a connection may take to ask.
const ASK_PATIENCE: Duration = Duration::from_secs(5);

/// Most connections at once: anyone on this host can open some.
const OPEN_MAX: usize = 64;

/// How long the system gets to find room for a connection.
const PAUSE: Duration = Duration::from_millis(50);

/// A port of 127.0.0.1 that the browser comes back to.
#[derive(Debug)]
pub(in crate::cli) struct Listener {
    socket: TcpListener,
    port: u16,
}

/// What the browser brought; it waits for a page.
#[derive(Debug)]
pub(in crate::cli) struct Answer {
    query: String,
    stream: TcpStream,
}

/// What the browser shows at the end.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) enum Page {
    /// The login is kept.
    Done,
    /// It is not.
    Failed,
    /// This address answers one sign-in alone.
    Other,
}

impl Listener {
    /// Takes the port, or any that is free for 0.
    pub(in crate::cli) fn bind(port: u16) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    /// Gives the port.
    pub(in crate::cli) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the answer with this `state`, for so long; takes no more connections after that.
    pub(in crate::cli) fn wait(self, state: &str, within: Duration) -> Option<Answer> {
        let (tell, told) = mpsc::channel();
        let (socket, state) = (self.socket, state.to_owned());
        let closing = socket.try_clone().ok()?;
        // Where the thread ends, so does the wait: the sender is its own.
        let accepting = thread::Builder::new().name("callback".to_owned());
        accepting
            .spawn(move || accept(&socket, &state, &tell))
            .ok()?;
        let answer = told.recv_timeout(within).ok();
        // Wakes the thread that accepts: its next accept fails with EINVAL (inet_csk_accept, net/ipv4).
        if let Err(error) = shutdown(&closing, rustix::net::Shutdown::Both) {
            tracing::debug!(%error, "listener was not shut down");
        }
        answer
    }
}

impl Answer {
    /// Gives the query of the address that the browser asked for.
    pub(in crate::cli) fn query(&self) -> &str {
        &self.query
    }

    /// Shows a page.
    pub(in crate::cli) fn show(self, page: Page) {
        show(self.stream, page);
    }
}

/// Takes connections until the socket is shut down. The oldest gives way where there are too many, since a browser asks at
/// once, and where the system has no room.
fn accept(socket: &TcpListener, state: &str, tell: &Sender<Answer>) {
    let mut open = VecDeque::new();
    loop {
        let taken = socket.accept().and_then(|(stream, _)| {
            open.push_back(stream.try_clone()?);
            let (tell, state) = (tell.clone(), state.to_owned());
            // A thread a connection: browsers open some ahead on which they ask nothing.
            let serving = thread::Builder::new().name("browser".to_owned());
            serving.spawn(move || serve(stream, &state, &tell))
        });
        match taken {
            Ok(_) if open.len() <= OPEN_MAX => continue,
            Ok(_) => {}
            // The socket is shut down.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => return,
            Err(error) => {
                tracing::debug!(%error, "the browser's connection was not taken");
                thread::sleep(PAUSE);
            }
        }
        if let Some(oldest) = open.pop_front() {
            // One that ended is no longer connected.
            drop(oldest.shutdown(Shutdown::Both));
        }
    }
}

fn serve(mut stream: TcpStream, state: &str, tell: &Sender<Answer>) {
    let asked = stream
        .set_read_timeout(Some(ASK_PATIENCE))
        .ok()
        .and_then(|()| target(&mut stream));
    let query = asked
        .as_deref()
        .and_then(|target| target.strip_prefix(CALLBACK_PATH)?.strip_prefix('?'));
    match query {
        Some(query) if Callback::read(query).is_ok_and(|read| read.answers(state)) => {
            let query = query.to_owned();
            // Nobody hears it only once another was the answer.
            if let Err(late) = tell.send(Answer { query, stream }) {
                show(late.0.stream, Page::Other);
            }
        }
        _ => show(stream, Page::Other),
    }
}

/// Reads the target of a GET request.
fn target(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).ok().filter(|count| *count > 0)?;
        head.extend_from_slice(part.get(..count)?);
        if head.len() > HEAD_MAX_BYTES {
            return None;
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        if request.parse(&head).ok()?.is_complete() {
            return (request.method? == "GET").then(|| request.path.map(str::to_owned))?;
        }
    }
}

fn show(mut stream: TcpStream, page: Page) {
    let (status, text) = match page {
        Page::Done => ("200 OK", "You are logged in. You may close this window."),
        Page::Failed => (
            "403 Forbidden",
            "The login failed; the terminal says why. You may close this window.",
        ),
        Page::Other => (
            "400 Bad Request",
            "This is no answer to the login that icecore waits for.",
        ),
    };
    let body = format!("<!doctype html><meta charset=utf-8><title>Icecore</title><p>{text}</p>\n");
    // Neither the code nor the page is kept or told to anybody else.
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nContent-Security-Policy: default-src 'none'\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let shown = stream
        .write_all(format!("{head}{body}").as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write));
    if let Err(error) = shown {
        tracing::debug!(%error, "the browser was gone");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_first_answer_to_this_sign_in_counts_and_others_change_nothing() {
        let listener = Listener::bind(0).unwrap();
        let port = listener.port();
        // Browsers do this ahead.
        let silent = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let asking = thread::spawn(move || {
            for other in [
                "GET /callback?code=c&state=guess HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /callback?code=c HTTP/1.1\r\n\r\n",
                "GET /favicon.ico HTTP/1.1\r\n\r\n",
                "POST /callback?code=c&state=s-1 HTTP/1.1\r\n\r\n",
                "GET /callback?code=c&state=s-1&state=s-1 HTTP/1.1\r\n\r\n",
                "nonsense\r\n\r\n",
            ] {
                let answer = ask(port, other);
                assert!(answer.starts_with("HTTP/1.1 400 "), "{other}: {answer}");
            }
            ask(
                port,
                "GET /callback?code=c0de&state=s-1 HTTP/1.1\r\nHost: x\r\n\r\n",
            )
        });
        let answer = listener.wait("s-1", Duration::from_secs(20)).unwrap();
        assert_eq!(answer.query(), "code=c0de&state=s-1");
        answer.show(Page::Done);
        let page = asking.join().unwrap();
        assert!(
            page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("You may close this"),
            "{page}"
        );
        assert!(!page.contains("c0de"), "{page}");
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
        drop(silent);
    }

    #[test]
    fn silent_connections_give_way_to_the_browser() {
        let listener = Listener::bind(0).unwrap();
        let port = listener.port();
        let asking = thread::spawn(move || {
            let connect = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            let mut silent: Vec<TcpStream> = (0..OPEN_MAX * 3).map(|_| connect()).collect();
            let mut first = silent.remove(0);
            let mut said = String::new();
            // Long before its patience ends, and without a page.
            first.set_read_timeout(Some(ASK_PATIENCE / 2)).unwrap();
            first.read_to_string(&mut said).unwrap();
            assert_eq!(said, "");
            ask(port, "GET /callback?code=c0de&state=s-1 HTTP/1.1\r\n\r\n")
        });
        let answer = listener.wait("s-1", Duration::from_secs(20)).unwrap();
        answer.show(Page::Done);
        assert!(asking.join().unwrap().starts_with("HTTP/1.1 200 OK"));
    }

    #[test]
    fn nobody_is_waited_for_without_end() {
        let listener = Listener::bind(0).unwrap();
        assert!(listener.wait("s-1", Duration::from_millis(20)).is_none());
    }
}
