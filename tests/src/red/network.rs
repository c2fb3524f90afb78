//! Attacks on the way out: other protocols, other ports, other addresses of the same host.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use rustix::net::{AddressFamily, Protocol, SocketType};

use super::client::{Client, HOST};
use super::{Facts, Outcome};

/// `IPPROTO_MPTCP` in linux/in.h: multipath TCP, which a redirection of TCP alone would miss.
const MPTCP: u32 = 262;

pub(super) fn attacks(facts: &Facts) -> Vec<(String, Outcome)> {
    let mapped = SocketAddr::from((mapped(facts.account), 443));
    let local6 = SocketAddr::from((Ipv6Addr::LOCALHOST, facts.proxy_port));
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, facts.proxy_port));
    vec![
        (
            "QUIC to the account".into(),
            Outcome::of(quic(facts), |()| "datagram sent".into()),
        ),
        (
            "multipath TCP to the account".into(),
            bypass(facts, mptcp(facts)),
        ),
        (
            "mapped IPv6 to the account".into(),
            bypass(facts, plain(mapped)),
        ),
        ("a late hello to the account".into(), late_hello(facts)),
        ("plain HTTP to the account".into(), plain_http(facts)),
        (
            "dial the proxy's port on 127.0.0.1".into(),
            dial_proxy(local),
        ),
        ("dial the proxy's port on ::1".into(), dial_proxy(local6)),
        (
            "take the proxy's port".into(),
            Outcome::of(take_port(facts), |()| "bound".into()),
        ),
        ("log in at the upstream itself".into(), dial_upstream(facts)),
        (
            "another Snowflake name".into(),
            other_name(facts, "other.snowflakecomputing.com"),
        ),
        (
            "Snowflake's console".into(),
            other_name(facts, "app.snowflake.com"),
        ),
        (
            "Snowflake in China".into(),
            other_name(facts, "acme.snowflakecomputing.cn"),
        ),
    ]
}

/// Sends a datagram to UDP 443, connected and unconnected.
fn quic(facts: &Facts) -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(facts.account)?;
    socket.send(b"\xc3quic")?;
    Ok(())
}

/// Connects by multipath TCP, which the kernel must refuse or redirect.
fn mptcp(facts: &Facts) -> Result<TcpStream> {
    let protocol = Protocol::from_raw(MPTCP.try_into()?);
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, Some(protocol))?;
    rustix::net::connect(socket.as_fd(), &facts.account)?;
    Ok(TcpStream::from(socket))
}

fn plain(address: SocketAddr) -> Result<TcpStream> {
    Ok(TcpStream::connect_timeout(
        &address,
        Duration::from_secs(5),
    )?)
}

/// Takes a connection for a bypass if its other end does not prove itself by Icecore's own CA.
fn bypass(facts: &Facts, stream: Result<TcpStream>) -> Outcome {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => return Outcome::stopped(format!("{error:#}")),
    };
    let client = Client::in_session(facts.account);
    match client.and_then(|client| client.handshake(stream)) {
        Ok(()) => Outcome::stopped("redirected to the proxy"),
        Err(error) => Outcome::obtained(format!("connected elsewhere: {error:#}")),
    }
}

/// Says nothing until a connection might be taken for one whose server speaks first.
fn late_hello(facts: &Facts) -> Outcome {
    let stream = match plain(facts.account) {
        Ok(stream) => stream,
        Err(error) => return Outcome::stopped(format!("{error:#}")),
    };
    std::thread::sleep(Duration::from_secs(1));
    let client = Client::in_session(facts.account);
    match client.and_then(|client| client.handshake(stream)) {
        Ok(()) => Outcome::stopped("redirected to the proxy"),
        Err(error) if format!("{error:#}").contains("reset") => {
            Outcome::stopped(format!("{error:#}"))
        }
        Err(error) => Outcome::obtained(format!("connected elsewhere: {error:#}")),
    }
}

fn plain_http(facts: &Facts) -> Outcome {
    use std::io::{Read as _, Write as _};
    let address = SocketAddr::new(facts.account.ip(), 80);
    let asked = || -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        write!(
            stream,
            "POST /queries/v1/query-request HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 2\r\n\r\n{{}}"
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(
            answer.contains("\"success\":true"),
            "{}",
            answer.lines().next().unwrap_or("nothing")
        );
        Ok(answer)
    };
    Outcome::of(asked(), |answer| answer)
}

/// Speaks to the proxy without having been sent there by the kernel.
fn dial_proxy(address: SocketAddr) -> Outcome {
    let asked = Client::in_session(address).and_then(|client| client.login());
    Outcome::of(asked, |(token, _)| {
        format!("logged in: {} bytes of token", token.len())
    })
}

fn take_port(facts: &Facts) -> Result<()> {
    let mut errors = Vec::new();
    for address in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, facts.proxy_port)),
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, facts.proxy_port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, facts.proxy_port)),
        SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), facts.proxy_port)),
    ] {
        match TcpListener::bind(address) {
            Ok(_) => return Ok(()),
            Err(error) => errors.push(error.to_string()),
        }
    }
    bail!("{}", errors.join(" / "))
}

/// Goes around the proxy to where the upstream really is. The address is reachable; nothing at hand is worth anything.
fn dial_upstream(facts: &Facts) -> Outcome {
    let client = Client::new(facts.upstream, &facts.upstream_ca_file);
    let asked = client.and_then(|client| client.login());
    Outcome::of(asked, |_| "the dummy password was taken".into())
}

fn other_name(facts: &Facts, name: &str) -> Outcome {
    let asked = Client::in_session(facts.account)
        .and_then(|client| client.naming(name).hosting(name).login());
    Outcome::of(asked, |_| "logged in".into())
}

fn mapped(address: SocketAddr) -> Ipv6Addr {
    match address.ip() {
        std::net::IpAddr::V4(address) => address.to_ipv6_mapped(),
        std::net::IpAddr::V6(address) => address,
    }
}
