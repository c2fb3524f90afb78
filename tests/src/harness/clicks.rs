//! Clicks on buttons as Slack sends them: a signed form with the message in it.
//!
//! Source: docs.slack.dev, "block_actions payloads", "Verifying requests from Slack".

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ring::hmac;
use serde_json::{Value, json};

use crate::time;

/// What Slack signs by.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// What Slack posts when somebody clicks.
#[derive(Clone, Debug)]
pub struct Click {
    body: String,
    timestamp: String,
    signature: String,
}

/// Gives the words on the buttons of a message.
#[must_use]
pub fn buttons(message: &Value) -> Vec<&str> {
    let words = elements(message).filter_map(|button| button.pointer("/text/text")?.as_str());
    words.collect()
}

fn elements(message: &Value) -> impl Iterator<Item = &Value> {
    let blocks = message.get("blocks").and_then(Value::as_array);
    let elements = blocks.into_iter().flatten();
    let elements = elements.filter_map(|block| block.get("elements")?.as_array());
    elements
        .flatten()
        .filter(|one| one.get("type").is_some_and(|kind| kind == "button"))
}

impl Click {
    /// Has a user click the button of a message that has this word on it.
    pub fn on(message: &Value, word: &str, user: &str) -> Result<Self> {
        let mut found = elements(message);
        let button = found.find(|one| one.pointer("/text/text").is_some_and(|text| text == word));
        let button = button.with_context(|| format!("no button `{word}` in {message}"))?;
        Ok(Self::of(message, button.clone(), user))
    }

    /// Has a user click a button of a message, whether it has that or not.
    #[must_use]
    pub fn of(message: &Value, mut button: Value, user: &str) -> Self {
        let now = time::since_epoch();
        if let Some(members) = button.as_object_mut() {
            members.remove("url");
            members.remove("style");
            members.insert("action_ts".into(), format!("{}.1", now.as_secs()).into());
        }
        let payload = json!({
            "type": "block_actions", "team": { "id": "T1", "domain": "acme" }, "api_app_id": "A1", "token": "old",
            "user": { "id": user, "username": "somebody", "team_id": "T1" }, "trigger_id": "1.2.3",
            "container": { "type": "message", "message_ts": "1732700000.000001", "channel_id": "C0CHANNEL" },
            "channel": { "id": "C0CHANNEL", "name": "approvals" },
            "message": { "type": "message", "blocks": message.get("blocks"), "text": message.get("text") },
            "response_url": "https://hooks.slack.com/actions/T1/1/x", "actions": [button],
        });
        let timestamp = now.as_secs().to_string();
        let body = format!("payload={}", encoded(&payload.to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, SIGNING_SECRET.as_bytes());
        let code = hmac::sign(&key, format!("v0:{timestamp}:{body}").as_bytes());
        let digits: String = code.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        Self {
            body,
            timestamp,
            signature: format!("v0={digits}"),
        }
    }

    /// Changes what it says after it was signed.
    #[must_use]
    pub fn changed(mut self, from: &str, to: &str) -> Self {
        self.body = self.body.replace(&encoded(from), &encoded(to));
        self
    }

    /// Posts it; gives the status of the answer.
    pub fn post(&self, url: &str) -> Result<u16> {
        let rest = url.strip_prefix("http://").context("no address")?;
        let (host, path) = rest.split_once('/').context("no path")?;
        let mut stream = TcpStream::connect(host)?;
        // Longer than Slack waits is no answer.
        stream.set_read_timeout(Some(Duration::from_secs(3)))?;
        write!(
            stream,
            "POST /{path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             X-Slack-Request-Timestamp: {}\r\nX-Slack-Signature: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
            self.timestamp,
            self.signature,
            self.body.len(),
            self.body
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let status = text.split(' ').nth(1).context("no status")?;
        Ok(status.parse()?)
    }
}

/// Escapes a text as forms do (WHATWG URL, `application/x-www-form-urlencoded`).
fn encoded(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        plain if plain.is_ascii_alphanumeric() || b"*-._".contains(&plain) => {
            char::from(plain).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(escape).collect()
}
