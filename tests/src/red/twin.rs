//! The harmless twin: the allowed version of each attack, which must work.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Context, Result, ensure};
use rustix::net::{AddressFamily, SocketType, socket};
use serde_json::json;
use uuid::Uuid;

use super::client::{Client, statement};
use super::{Facts, Handoff};

/// A login that stays open until the twin is told to leave.
#[derive(Debug)]
pub(super) struct OpenLogin {
    client: Client,
    token: String,
}

impl Drop for OpenLogin {
    fn drop(&mut self) {
        // The session's end closes what this does not.
        drop(
            self.client
                .post("/session?delete=true", Some(&self.token), &json!({})),
        );
    }
}

/// Does everything and tells each result; gives the login whose tokens were left for others to try.
pub(super) fn run(
    facts: &Facts,
    mut tell: impl FnMut(&str, Result<String>) -> Result<()>,
) -> Result<OpenLogin> {
    tell("read the public CA certificate", read_ca())?;
    tell("bind a port of its own", bind())?;
    tell("send a datagram elsewhere", datagram())?;
    tell("write a file of its own", scratch())?;
    tell("make sockets of its four families", families())?;
    let client = Client::in_session(facts.account)?;
    let (token, master) = client.login()?;
    tell("log in with a dummy password", Ok("opaque tokens".into()))?;

    let request_id = Uuid::new_v4().to_string();
    let body = statement("select CUSTOMER from ORDERS order by ID");
    let first = client.query(&token, &request_id, &body)?;
    ensure!(first.success(), "query: {}", first.shown());
    let query_id = first.text("/data/queryId");
    tell("ask an allowed statement", Ok(query_id.clone()))?;

    let replay = client.query(&token, &request_id, &body)?;
    let same = replay.text("/data/rowsetBase64") == first.text("/data/rowsetBase64");
    tell(
        "repeat it under the same request id",
        told(replay.success() && same, replay.shown()),
    )?;
    let by_id = client.send(
        "GET",
        &format!("/queries/{query_id}/result"),
        Some(&token),
        b"",
    )?;
    tell(
        "fetch its own result again",
        told(by_id.success(), by_id.shown()),
    )?;
    let watched = client.send(
        "GET",
        &format!("/monitoring/queries/{query_id}"),
        Some(&token),
        b"",
    )?;
    tell(
        "watch its own statement",
        told(watched.success(), watched.shown()),
    )?;
    let alive = client.post("/session/heartbeat", Some(&token), &json!({}))?;
    tell(
        "keep its session alive",
        told(alive.success(), alive.shown()),
    )?;
    let renewal = json!({"oldSessionToken": token, "requestType": "RENEW"});
    let renewed = client.post("/session/token-request", Some(&master), &renewal)?;
    tell(
        "renew its session",
        told(renewed.success(), renewed.shown()),
    )?;

    let handoff = Handoff {
        session_token: renewed.text("/data/sessionToken"),
        master_token: renewed.text("/data/masterToken"),
        query_id,
        request_id,
    };
    let token = handoff.session_token.clone();
    let again = client.query(&token, &Uuid::new_v4().to_string(), &statement("select 1"))?;
    tell(
        "ask with the renewed token",
        told(again.success(), again.shown()),
    )?;
    std::fs::write(&facts.handoff_file, serde_json::to_string(&handoff)?)?;
    Ok(OpenLogin { client, token })
}

fn told(ok: bool, how: String) -> Result<String> {
    ensure!(ok, "{how}");
    Ok(how)
}

fn read_ca() -> Result<String> {
    let file = std::env::var("SSL_CERT_FILE").context("no SSL_CERT_FILE")?;
    let text = std::fs::read_to_string(&file)?;
    ensure!(!text.contains("PRIVATE KEY"), "{file} holds a private key");
    Ok(file)
}

fn bind() -> Result<String> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .to_string())
}

fn datagram() -> Result<String> {
    let sink = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.send_to(b"hello", sink.local_addr()?)?;
    Ok("sent".into())
}

fn families() -> Result<String> {
    for (family, kind) in [
        (AddressFamily::UNIX, SocketType::STREAM),
        (AddressFamily::INET, SocketType::STREAM),
        (AddressFamily::INET6, SocketType::STREAM),
        (AddressFamily::NETLINK, SocketType::RAW),
    ] {
        socket(family, kind, None).with_context(|| format!("{family:?}"))?;
    }
    Ok("each".into())
}

fn scratch() -> Result<String> {
    let home = std::env::var("HOME").context("no HOME")?;
    let file = format!("{home}/twin-{}", std::process::id());
    std::fs::write(&file, "x")?;
    std::fs::remove_file(&file)?;
    Ok(file)
}
