//! fakesnow behind the gate: a child process that is met on a unix socket, so that nothing else can reach it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::settings::Settings;

/// How long fakesnow may take to start: pandas and DuckDB are imported first.
const START_MAX: Duration = Duration::from_secs(60);

/// A running fakesnow.
#[derive(Debug)]
pub(super) struct Fakesnow {
    socket: PathBuf,
    _child: Child,
}

impl Fakesnow {
    /// Starts the server and waits until it answers.
    pub(super) async fn start(settings: &Settings) -> Result<Self> {
        let child = Command::new(&settings.python)
            .arg(&settings.fakesnow_script)
            .arg(&settings.fakesnow_socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start `{}`", settings.python.display()))?;
        let mut fakesnow = Self {
            socket: settings.fakesnow_socket.clone(),
            _child: child,
        };
        tokio::time::timeout(START_MAX, fakesnow.answering())
            .await
            .context("fakesnow did not answer within a minute")??;
        Ok(fakesnow)
    }

    async fn answering(&mut self) -> Result<()> {
        while UnixStream::connect(&self.socket).await.is_err() {
            if let Some(status) = self._child.try_wait()? {
                bail!("fakesnow ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Opens a fakesnow session and gives its token.
    pub(super) async fn login(&self, database: &str, schema: &str) -> Result<String> {
        let path = format!("/session/v1/login-request?databaseName={database}&schemaName={schema}");
        let answer = self
            .post(&path, None, &json!({"data": {"SESSION_PARAMETERS": {}}}))
            .await?;
        let token = answer.pointer("/data/token").and_then(Value::as_str);
        Ok(token.context("fakesnow gave no token")?.to_owned())
    }

    /// Runs one statement and gives fakesnow's answer.
    pub(super) async fn query(&self, token: &str, body: &Value) -> Result<Value> {
        self.post("/queries/v1/query-request", Some(token), body)
            .await
    }

    /// Closes a fakesnow session.
    pub(super) async fn close(&self, token: &str) -> Result<()> {
        self.post("/session?delete=true", Some(token), &json!({}))
            .await
            .map(drop)
    }

    async fn post(&self, path: &str, token: Option<&str>, body: &Value) -> Result<Value> {
        let stream = UnixStream::connect(&self.socket).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        super::spawn("fakesnow connection", async move {
            // An error of the connection reaches the request below too.
            drop(connection.await);
        });
        let mut request = Request::post(path)
            .header("host", "fakesnow")
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Snowflake Token=\"{token}\""));
        }
        let response = sender
            .send_request(request.body(Full::new(Bytes::from(body.to_string())))?)
            .await?;
        let bytes = response.into_body().collect().await?.to_bytes();
        serde_json::from_slice(&bytes).context("fakesnow's answer is not JSON")
    }
}
