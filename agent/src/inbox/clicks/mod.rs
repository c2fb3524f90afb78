//! Clicks of Slack's buttons become words in the mailbox. Nobody is believed here: the host checks who signed, and who clicked.

mod click;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use tokio::net::TcpListener;
use tokio::task::spawn_blocking;

use super::accept::accept;
use super::card::Card;
use super::mail::Mail;
use crate::approval::Answer;
use crate::clock::Clock;
use crate::connection::http::{Told, whole};
use click::{Click, Word};

/// Where Slack is told to post clicks to.
pub const PATH: &str = "/slack/actions";

/// Longest message: in base64 and with what was said, it must fit into a decision of 64 KiB.
const BODY_MAX_BYTES: usize = 46 << 10;

/// How long a connection may take, from its first byte to its last.
const WITHIN: Duration = Duration::from_secs(10);

/// How long the store may take: Slack waits for three seconds. Source: docs.slack.dev, "Handling user interaction".
const PUT_WITHIN: Duration = Duration::from_millis(2500);

/// Most words that lie beside a request for one more to be put there: whoever can reach this may click on, and sign nothing.
const WORDS_MAX: usize = 100;

/// What clicks are taken with.
pub struct Clicks {
    mail: Arc<Mail>,
    clock: Clock,
}

/// Why a click is not put.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Refused {
    #[error("expected POST {PATH}, found another request")]
    Path,
    #[error("expected {0}, found another message")]
    Form(&'static str),
    #[error("expected a believed request of this digest that waits, found none")]
    Unknown,
    #[error("no yes is taken by a click: {0}")]
    Unreadable(String),
    #[error("expected at most {WORDS_MAX} words beside a request, found more")]
    TooMany,
    #[error("the store did not take it: {0}")]
    Store(String),
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Form(_) => StatusCode::BAD_REQUEST,
            Self::Unknown | Self::Unreadable(_) => StatusCode::CONFLICT,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Store(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl Clicks {
    /// Takes the mailbox.
    #[must_use]
    pub fn new(mail: Mail, clock: Clock) -> Self {
        let mail = Arc::new(mail);
        Self { mail, clock }
    }

    async fn take(&self, request: Request<Incoming>) -> Result<(), Refused> {
        let (head, body) = request.into_parts();
        if head.method != Method::POST || head.uri.path() != PATH {
            return Err(Refused::Path);
        }
        let body = Limited::new(body, BODY_MAX_BYTES).collect().await;
        let body = body.map_err(|_| Refused::Form("at most 46 KiB"))?;
        let now = self.clock.now();
        let click = Click::read(&head.headers, &body.to_bytes(), now).map_err(Refused::Form)?;
        let word = match click {
            Click::Word(word) => word,
            Click::Other => return Ok(()),
        };
        let (mail, clock) = (Arc::clone(&self.mail), self.clock);
        let put = spawn_blocking(move || put(&mail, word, clock));
        match tokio::time::timeout(PUT_WITHIN, put).await {
            Ok(Ok(put)) => put,
            Ok(Err(_)) => Err(Refused::Store("this is a bug: a thread broke".to_owned())),
            // It goes on; the message is changed once the word counts.
            Err(_) => Err(Refused::Store("it takes long".to_owned())),
        }
    }
}

/// Puts a word beside the one request that it is about.
fn put(mail: &Mail, word: Word, clock: Clock) -> Result<(), Refused> {
    let failed = |error: super::mail::MailError| Refused::Store(error.to_string());
    let items = mail.list().map_err(failed)?;
    for item in &items {
        let Ok(request) = &item.request else { continue };
        let Ok(card) = Card::of(request) else {
            continue;
        };
        if card.digest != word.digest {
            continue;
        }
        if !item.standing(request, clock.now()).is_open() {
            return Err(Refused::Unknown);
        }
        if item.decisions.len() >= WORDS_MAX {
            return Err(Refused::TooMany);
        }
        if let (Answer::Approve, Some(why)) = (word.answer, card.unreadable()) {
            return Err(Refused::Unreadable(why));
        }
        return mail.put(&word.about(request.id)).map_err(failed);
    }
    Err(Refused::Unknown)
}

/// Takes a port of an address, any that is free for 0.
///
/// # Errors
/// The system does not give it.
pub async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Takes clicks until `stopped` comes.
pub async fn serve(listener: TcpListener, clicks: Arc<Clicks>, stopped: impl Future<Output = ()>) {
    let answer = move |request| answer(Arc::clone(&clicks), request);
    tokio::select! {
        () = accept(listener, WITHIN, answer) => {}
        () = stopped => {}
    }
}

async fn answer(clicks: Arc<Clicks>, request: Request<Incoming>) -> Told {
    let (status, text) = match clicks.take(request).await {
        // Slack takes any other answer for a failure, and shows that to whoever clicked.
        Ok(()) => (StatusCode::OK, String::new()),
        Err(refused) => {
            tracing::warn!(%refused, "click was not put");
            (refused.status(), format!("{refused}\n"))
        }
    };
    whole(status, "text/plain; charset=utf-8", Bytes::from(text))
}
