//! A raw HTTPS client that sends exactly what it is told: path, Host, server name and body can all lie.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use uuid::Uuid;

/// The governed name.
pub(super) const HOST: &str = "acme.snowflakecomputing.com";

/// How long an answer may take: longer than a statement is held.
const ANSWER_MAX: Duration = Duration::from_secs(50);

/// Where to connect and what to claim.
#[derive(Clone, Debug)]
pub(super) struct Client {
    address: SocketAddr,
    name: String,
    host: String,
    tls: Arc<ClientConfig>,
}

/// An answer's status and JSON body (null if it is none).
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// Tells whether Snowflake's envelope says that it worked.
    pub(super) fn success(&self) -> bool {
        self.status == 200 && self.body.get("success") == Some(&Value::Bool(true))
    }

    /// Gives a text in the body, by JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> String {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    }

    /// Shows status, code and message.
    pub(super) fn shown(&self) -> String {
        let (code, message) = (self.text("/code"), self.text("/message"));
        format!("HTTP {} {code} {message}", self.status)
    }
}

impl Client {
    /// Makes a client that connects to `address`, claims the governed name and trusts the CAs in a file.
    pub(super) fn new(address: SocketAddr, ca_file: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca_file).context("CA file")? {
            // System stores hold certificates that rustls does not take; ours is among the others.
            drop(roots.add(certificate?));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            address,
            name: HOST.into(),
            host: HOST.into(),
            tls: Arc::new(tls),
        })
    }

    /// Makes a client as any program in a session would: by name, trusting what the environment says.
    pub(super) fn in_session(address: SocketAddr) -> Result<Self> {
        let file = std::env::var_os("SSL_CERT_FILE").context("no SSL_CERT_FILE")?;
        Self::new(address, Path::new(&file))
    }

    /// Claims another server name in the TLS handshake.
    pub(super) fn naming(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Claims another `Host`.
    pub(super) fn hosting(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Does the TLS handshake over a connection, and nothing more.
    pub(super) fn handshake(&self, mut stream: TcpStream) -> Result<()> {
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let name = ServerName::try_from(self.name.clone())?;
        let mut connection = ClientConnection::new(Arc::clone(&self.tls), name)?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).context("TLS")?;
        }
        Ok(())
    }

    /// Sends one request over a connection of its own. `target` goes out byte for byte.
    pub(super) fn send(
        &self,
        method: &str,
        target: &str,
        token: Option<&str>,
        body: &[u8],
    ) -> Result<Answer> {
        let stream =
            TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).context("connect")?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        let name = ServerName::try_from(self.name.clone())?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name)?;
        let mut tls = StreamOwned::new(connection, stream);
        let authorization = token.map_or_else(
            || "Snowflake Token=\"None\"".to_owned(),
            |token| format!("Snowflake Token=\"{token}\""),
        );
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: application/json\r\n\
             Authorization: {authorization}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            self.host,
            body.len()
        );
        tls.write_all(head.as_bytes()).context("TLS")?;
        tls.write_all(body)?;
        let mut bytes = Vec::new();
        if let Err(error) = tls.read_to_end(&mut bytes)
            && bytes.is_empty()
        {
            return Err(error).context("no answer");
        }
        parse(&bytes)
    }

    /// Sends a POST with a JSON body.
    pub(super) fn post(&self, target: &str, token: Option<&str>, body: &Value) -> Result<Answer> {
        self.send("POST", target, token, body.to_string().as_bytes())
    }

    /// Logs in and gives the tokens.
    pub(super) fn login(&self) -> Result<(String, String)> {
        let answer = self.post(&login_target("ANALYST"), None, &login_body())?;
        ensure!(answer.success(), "login: {}", answer.shown());
        Ok((answer.text("/data/token"), answer.text("/data/masterToken")))
    }

    /// Sends a statement under a request id.
    pub(super) fn query(&self, token: &str, request_id: &str, body: &Value) -> Result<Answer> {
        let guid = Uuid::new_v4();
        let target =
            format!("/queries/v1/query-request?requestId={request_id}&request_guid={guid}");
        self.post(&target, Some(token), body)
    }
}

/// Gives the target of a login that asks for a role.
pub(super) fn login_target(role: &str) -> String {
    let (id, guid) = (Uuid::new_v4(), Uuid::new_v4());
    format!(
        "/session/v1/login-request?requestId={id}&request_guid={guid}&databaseName=ACME_DB&schemaName=PUBLIC\
         &warehouse=WH&roleName={role}"
    )
}

/// Gives the body of a login with a password that is worth nothing.
pub(super) fn login_body() -> Value {
    json!({"data": {
        "CLIENT_APP_ID": "PythonConnector", "CLIENT_APP_VERSION": "4.8.1", "SVN_REVISION": null,
        "ACCOUNT_NAME": "ACME", "LOGIN_NAME": "agent", "PASSWORD": "dummy-password-3b1c",
        "CLIENT_ENVIRONMENT": {"APPLICATION": "PythonConnector", "OS": "Linux"},
        "SESSION_PARAMETERS": {},
    }})
}

/// Gives the body of a statement as connector 4.8 sends it.
pub(super) fn statement(sql: &str) -> Value {
    json!({"sqlText": sql, "asyncExec": false, "sequenceId": 1, "querySubmissionTime": 1_795_322_755_925_u64,
           "parameters": {}, "queryContextDTO": {}})
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("no HTTP answer");
    };
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let chunked = head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked");
    let body = if chunked {
        unchunked(body)
    } else {
        body.to_owned()
    };
    Ok(Answer {
        status: status.context("no HTTP status")?,
        body: serde_json::from_str(&body).unwrap_or_default(),
    })
}

fn unchunked(mut text: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = text.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or_default();
        let (Some(chunk), true) = (rest.get(..size), size > 0) else {
            break;
        };
        body.push_str(chunk);
        text = rest.get(size + 2..).unwrap_or_default();
    }
    body
}
