//! The web inbox: pages on this machine's loopback for whoever sits here.

mod desk;
mod form;
mod guard;

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue, LOCATION,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Request, StatusCode};
use tokio::net::TcpListener;

use super::accept::accept;
use super::pages;
use crate::connection::http::{self, Told};
pub use desk::Desk;
use guard::{Refused, Route};

/// Longest body of a form: its longest member is a reason of 2000 characters, each escaped.
const BODY_MAX_BYTES: usize = 64 << 10;

/// How long a connection may take, from its first byte to its last.
const WITHIN: Duration = Duration::from_secs(120);

/// What keeps a page from other pages (HTML, "cross-origin opener policy"; Fetch, "cross-origin resource policy").
const APART: [(HeaderName, HeaderValue); 5] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    // The secret part of the address goes to no other server; own forms still say where they come from.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Takes a port of 127.0.0.1, any that is free for 0.
///
/// # Errors
/// The system does not give it.
pub async fn bind(port: u16) -> io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

/// Answers until `stopped` comes.
pub async fn serve(listener: TcpListener, desk: Arc<Desk>, stopped: impl Future<Output = ()>) {
    let answer = move |request| answer(Arc::clone(&desk), request);
    tokio::select! {
        () = accept(listener, WITHIN, answer) => {}
        () = stopped => {}
    }
}

/// What a browser is given.
enum Page {
    Shown(String),
    Elsewhere(String),
}

async fn answer(desk: Arc<Desk>, request: Request<Incoming>) -> Told {
    let answered = respond(&desk, request).await;
    let mut told = match answered {
        Ok(Page::Shown(page)) => html(StatusCode::OK, page),
        Ok(Page::Elsewhere(path)) => elsewhere(&path),
        Err(refused) => html(refused.status(), desk.refusal(&refused)),
    };
    apart(told.headers_mut());
    told
}

async fn respond(desk: &Arc<Desk>, request: Request<Incoming>) -> Result<Page, Refused> {
    let (head, body) = request.into_parts();
    let (path, query) = (head.uri.path(), head.uri.query());
    match desk.own().route(&head.method, &head.headers, path, query)? {
        Route::Open(once) => desk.open(once).map(Page::Elsewhere),
        Route::List => desk.list().await.map(Page::Shown),
        Route::Show(id) => desk.show(id).await.map(Page::Shown),
        Route::Say(id) => {
            let body = Limited::new(body, BODY_MAX_BYTES).collect().await;
            let body = body.map_err(|_| Refused::Form("one that is too long or broke off"))?;
            desk.say(id, &body.to_bytes()).await.map(Page::Shown)
        }
        Route::Callback(query) => desk.come_back(query).await.map(Page::Shown),
    }
}

fn html(status: StatusCode, page: String) -> Told {
    http::whole(status, "text/html; charset=utf-8", Bytes::from(page))
}

fn elsewhere(path: &str) -> Told {
    let mut told = html(StatusCode::SEE_OTHER, String::new());
    if let Ok(path) = HeaderValue::try_from(path) {
        told.headers_mut().insert(LOCATION, path);
    }
    told
}

fn apart(headers: &mut HeaderMap) {
    headers.extend(APART);
    if let Ok(policy) = HeaderValue::try_from(pages::policy()) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}
