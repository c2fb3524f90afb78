//! A real OpenID Connect provider, npm `oidc-provider`, as its own process on loopback.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::port::Port;
use crate::node;
use crate::time;

/// A running provider; each start has a new key.
#[derive(Debug)]
pub struct Provider {
    port: Port,
    id_token_seconds: u32,
    child: Option<Child>,
}

impl Provider {
    /// Starts a provider that signs by `algorithm` with a key called `key_id`.
    pub fn start(algorithm: &str, key_id: &str) -> Result<Self> {
        Self::start_with_life(algorithm, key_id, 3600)
    }

    /// Starts one whose ID tokens are good so many seconds.
    pub fn start_with_life(algorithm: &str, key_id: &str, id_token_seconds: u32) -> Result<Self> {
        let mut provider = Self {
            port: Port::take()?,
            id_token_seconds,
            child: None,
        };
        provider.restart(algorithm, key_id, 0)?;
        Ok(provider)
    }

    /// Stops it and starts it again with another key, its clock wrong by so many seconds.
    pub fn restart(&mut self, algorithm: &str, key_id: &str, wrong_seconds: i64) -> Result<()> {
        self.stop();
        let node = node::program()?;
        let script = node::package("oidc", &["provider.mjs"])?.join("provider.mjs");
        let child = Command::new(node)
            .arg(script)
            .args([&self.port.number().to_string(), algorithm, key_id])
            .arg(wrong_seconds.to_string())
            .arg(self.id_token_seconds.to_string())
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start the provider")?;
        self.child = Some(child);
        let start = time::instant();
        while self
            .ask("GET", "/.well-known/openid-configuration", "")
            .is_err()
        {
            if start.elapsed() > Duration::from_secs(30) {
                bail!("the provider was not ready after 30 s");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Stops it; its address refuses connections from then on.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It is gone either way.
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// Gives its `iss`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }

    /// Gets an access token for a client (`analyst`, `visitor`, or a GitLab job's subject) and an audience.
    pub fn token(&self, client: &str, audience: &str) -> Result<String> {
        let body = format!(
            "grant_type=client_credentials&client_id={client}&client_secret=test&resource=urn:{audience}&scope=snowflake"
        );
        let answer = self.ask("POST", "/token", &body)?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token
            .with_context(|| format!("no token: {answer}"))?
            .to_owned())
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let port = self.port.number();
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/x-www-form-urlencoded\r\n\
             content-length: {length}\r\n\r\n{body}"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (_, body) = text.split_once("\r\n\r\n").context("no body")?;
        serde_json::from_str(body).with_context(|| format!("answer `{body}`"))
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop();
    }
}
