//! Calls through an HTTP proxy (`CONNECT`): read inside of the tunnel, and otherwise as the proxy and the client have it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, ensure};
use icecore_tests::harness::world::AGENT_UID;
use icecore_tests::model::Script;
use serde_json::{Value, json};

use super::entered::CALLS;
use super::{Bed, HOST, READ, at};

/// A proxy that tunnels to one address, whatever name it is asked for; it ends with its test's process.
struct Proxy {
    address: SocketAddr,
    /// The heads of what it was asked.
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Starts one; with a `word` it opens a tunnel for those alone whose head has it.
    fn start(bed: &Bed, word: Option<&'static str>) -> Result<Self> {
        let address = SocketAddr::from((at(&bed.world, 2), 80));
        let to = SocketAddr::from((at(&bed.world, 1), 443));
        let listener = TcpListener::bind(address)?;
        let heads = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heads);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let told = Arc::clone(&told);
                thread::spawn(move || drop(tunnel(client, to, word, &told)));
            }
        });
        Ok(Self { address, heads })
    }

    fn heads(&self) -> Vec<String> {
        let heads = self.heads.lock();
        heads.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives variables by which clients go through it, but for Snowflake's connector.
    fn variables(&self) -> String {
        let address = self.address;
        format!("export HTTPS_PROXY=http://{address} NO_PROXY=acme.snowflakecomputing.com")
    }
}

fn tunnel(
    mut client: TcpStream,
    to: SocketAddr,
    word: Option<&str>,
    told: &Mutex<Vec<String>>,
) -> Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        ensure!(reader.read_line(&mut head)? > 0, "no whole head");
    }
    ensure!(reader.buffer().is_empty(), "more than a head");
    let is_let = word.is_none_or(|word| head.contains(word));
    told.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(head);
    if !is_let {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
        return Ok(client.write_all(answer.as_bytes())?);
    }
    let mut server = TcpStream::connect(to)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\nVia: 1.1 acme\r\n\r\n")?;
    let (mut up, mut down) = (client.try_clone()?, server.try_clone()?);
    let upward = thread::spawn(move || {
        drop(std::io::copy(&mut up, &mut down));
        drop(down.shutdown(std::net::Shutdown::Write));
    });
    drop(std::io::copy(&mut server, &mut client));
    drop(client.shutdown(std::net::Shutdown::Write));
    upward.join().map_err(|_| anyhow::anyhow!("a copy failed"))
}

impl Bed {
    /// Has a line of shell done in a session; gives its last line.
    fn line(&self, line: &str) -> Result<String> {
        let mut command = self.world.session(AGENT_UID, &[], "sh".as_ref())?;
        let output = command.args(["-c", line]).output()?;
        let said = String::from_utf8(output.stdout)?;
        let last = said.lines().last();
        let log = String::from_utf8_lossy(&output.stderr);
        Ok(last.with_context(|| log.into_owned())?.to_owned())
    }

    /// Gives a line that calls by a client which trusts the model API's own CA alone.
    fn calls_by_its_own_ca(&self) -> Result<String> {
        let script = self.world.path("calls.py");
        fs::write(&script, CALLS)?;
        let ca = self.certificates.ca_file.display();
        Ok(format!("SSL_CERT_FILE={ca} python3 {}", script.display()))
    }
}

#[test]
fn an_agents_calls_through_a_proxy_are_read_and_linked() -> Result<()> {
    let bed = Bed::start(READ)?;
    let sql = "select 601 as A";
    let (script, line) = bed.claude_line(sql)?;
    let _model = bed.model(&script)?;
    let proxy = Proxy::start(&bed, None)?;
    let said = bed.line(&format!("{}; {line}", proxy.variables()))?;
    assert_eq!(said, "ended 0");
    bed.check_linked(sql)?;
    let heads = proxy.heads();
    let begins = format!("CONNECT {HOST}:443 HTTP/1.1\r\n");
    assert!(
        !heads.is_empty() && heads.iter().all(|head| head.starts_with(&begins)),
        "{heads:?}"
    );
    Ok(())
}

#[test]
fn a_tunnels_client_that_does_not_trust_is_told_and_then_carried_unread() -> Result<()> {
    let bed = Bed::start(READ)?;
    let _model = bed.model(&Script::default())?;
    let proxy = Proxy::start(&bed, None)?;
    let calls = bed.calls_by_its_own_ca()?;
    let said = bed.line(&format!("{}; {calls}", proxy.variables()))?;
    assert_eq!(said, r#"["SSLCertVerificationError", 404]"#);
    assert_eq!(bed.events("NT006")?.len(), 1);
    Ok(())
}

#[test]
fn a_tunnel_to_a_model_api_that_the_host_does_not_trust_is_carried_unread() -> Result<()> {
    let bed = Bed::start("[prompts]\nproviders = [\"anthropic\"]\n")?;
    let _model = bed.model(&Script::default())?;
    let proxy = Proxy::start(&bed, None)?;
    let calls = bed.calls_by_its_own_ca()?;
    let said = bed.line(&format!("{}; {calls}", proxy.variables()))?;
    assert_eq!(said, "[404, 404]");
    let told = bed.events("NT007")?;
    assert_eq!(
        (told.len(), &told[0]["then"]),
        (1, &json!("carried unread"))
    );
    // The first call took two tunnels, by the same words.
    let heads = proxy.heads();
    assert_eq!((heads.len(), &heads[0]), (3, &heads[1]), "{heads:?}");
    Ok(())
}

#[test]
fn a_proxys_refusal_arrives_and_no_tunnel_leads_to_snowflake() -> Result<()> {
    let bed = Bed::start(READ)?;
    let model = bed.model(&Script::default())?;
    let proxy = Proxy::start(&bed, Some("Proxy-Authorization: Basic dTpw"))?;
    let calls = bed.calls_by_its_own_ca()?;
    let said = bed.line(&format!("{}; {calls}", proxy.variables()))?;
    assert_eq!(said, r#"["OSError", "OSError"]"#);
    assert_eq!(model.events("asked")?.len(), 0);
    let by_right = proxy.variables().replace("http://", "http://u:p@");
    let trusting = calls.split_once(' ').context("a line")?.1;
    assert_eq!(bed.line(&format!("{by_right}; {trusting}"))?, "[404, 404]");
    let before = proxy.heads().len();
    let other = bed.world.path("others.py");
    fs::write(&other, CALLS.replace(HOST, "acme.snowflakecomputing.com"))?;
    let snowflake = format!("{by_right}; unset NO_PROXY; python3 {}", other.display());
    assert_eq!(bed.line(&snowflake)?, r#"["OSError", "OSError"]"#);
    assert_eq!(proxy.heads().len(), before);
    assert_eq!(bed.events("NT006")?, Vec::<Value>::new());
    Ok(())
}

/// Says in tunnels what is not read: TLS that names no host, and something right behind the request for one.
const UNREAD: &str = r#"
import socket, ssl, sys
def tunnel(behind):
    stream = socket.create_connection((sys.argv[1], 80), timeout=20)
    head = f"CONNECT {sys.argv[2]}:443 HTTP/1.1\r\nHost: {sys.argv[2]}\r\n\r\n"
    stream.sendall(head.encode() + behind)
    return stream
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
said = []
try:
    stream = tunnel(b"")
    assert b" 200 " in stream.recv(4096)
    inside = context.wrap_socket(stream)
    inside.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    said.append(inside.recv(8).decode())
except OSError as error:
    said.append("closed")
try:
    said.append("closed" if not tunnel(b"more").recv(1) else "more")
except OSError as error:
    said.append("closed")
print(said)
"#;

#[test]
fn a_tunnel_that_is_not_read_is_told_and_carried_or_closed_as_the_config_says() -> Result<()> {
    for (then, config, said) in [
        ("carried unread", READ.to_owned(), "['HTTP/1.1', 'closed']"),
        (
            "closed",
            format!("{READ}on_untrusted = \"fail\"\n"),
            "['closed', 'closed']",
        ),
    ] {
        let bed = Bed::start(&config)?;
        let _model = bed.model(&Script::default())?;
        let proxy = Proxy::start(&bed, None)?;
        let script = bed.world.path("unread.py");
        fs::write(&script, UNREAD)?;
        let line = format!("python3 {} {} {HOST}", script.display(), proxy.address.ip());
        assert_eq!(bed.line(&line)?, said);
        // This proxy takes no request that something stands behind.
        assert_eq!(proxy.heads().len(), 1, "{:?}", proxy.heads());
        let told = bed.events("NT008")?;
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0]["then"], then, "{told:?}");
        let found = told[0]["found"].as_str().context("no reason")?;
        assert!(found.starts_with("tunnel not read: "), "{found}");
    }
    Ok(())
}
