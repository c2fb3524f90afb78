//! Stand-ins for Slack, a workflow of Teams, and a program that takes webhooks: each checks the wire as its documentation
//! has it, and refuses what does not fit.
//!
//! Sources: docs.slack.dev, "chat.postMessage", "chat.update", "Block Kit"; learn.microsoft.com, "Create incoming webhooks
//! with Workflows"; Standard Webhooks 1.0.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use serde_json::{Value, json};

use super::http::{Answer, Asked, Server};
use crate::time;

/// The token of Slack's bot.
pub const SLACK_TOKEN: &str = "xoxb-51d0-notices";

/// What signs webhooks.
pub const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Which of them it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Slack's two methods.
    Slack,
    /// A workflow of Teams.
    Teams,
    /// Any program.
    Webhook,
}

#[derive(Debug, Default)]
struct State {
    /// What it says to the next requests, whatever they are: a status, and how long to wait.
    trouble: Vec<(u16, Option<u32>)>,
    /// What it took: what was asked for, and the body.
    taken: Vec<(String, Value)>,
    /// `webhook-id` of each request, refused ones too.
    ids: Vec<String>,
    /// What was wrong with requests.
    wrong: Vec<String>,
}

/// A running stand-in.
#[derive(Debug)]
pub struct Chat {
    state: Arc<Mutex<State>>,
    server: Server,
}

impl Chat {
    /// Starts one that first answers by these statuses, each with its `Retry-After` in seconds.
    pub fn start(kind: Kind, trouble: &[(u16, Option<u32>)]) -> Result<Self> {
        let state = Arc::new(Mutex::new(State {
            trouble: trouble.iter().rev().copied().collect(),
            ..State::default()
        }));
        let held = Arc::clone(&state);
        let server = Server::start(move |asked| answer(&mut lock(&held), kind, asked))?;
        Ok(Self { state, server })
    }

    /// Gives its origin.
    #[must_use]
    pub fn origin(&self) -> String {
        self.server.origin()
    }

    /// Gives what it took so far: what was asked for, and the body.
    #[must_use]
    pub fn taken(&self) -> Vec<(String, Value)> {
        lock(&self.state).taken.clone()
    }

    /// Gives the `webhook-id` of each request.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        lock(&self.state).ids.clone()
    }

    /// Says what was wrong with requests.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        lock(&self.state).wrong.clone()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(state: &mut State, kind: Kind, asked: &Asked) -> Answer {
    let checked = match kind {
        Kind::Slack => check_slack(state, asked),
        Kind::Teams => check_teams(asked),
        Kind::Webhook => check_webhook(asked),
    };
    state.ids.push(asked.header("webhook-id").to_owned());
    let body = match checked {
        Ok(body) => body,
        Err(error) => {
            state.wrong.push(format!("{error:#}"));
            return (400, json!({ "ok": false, "error": "invalid_arguments" })).into();
        }
    };
    if let Some((status, after)) = state.trouble.pop() {
        let after = after.map(|seconds| ("Retry-After", seconds.to_string()));
        return Answer {
            headers: after.into_iter().collect(),
            ..(status, json!({ "ok": false, "error": "ratelimited" })).into()
        };
    }
    state.taken.push((asked.target.clone(), body));
    let ts = format!("1732700000.{:06}", state.taken.len());
    match kind {
        Kind::Slack => (200, json!({ "ok": true, "channel": "C0CHANNEL", "ts": ts })).into(),
        Kind::Teams => (202, Value::Null).into(),
        Kind::Webhook => (200, json!({})).into(),
    }
}

fn json_of(asked: &Asked) -> Result<Value> {
    ensure!(asked.method == "POST", "method {}", asked.method);
    let kind = asked.header("content-type");
    ensure!(kind.starts_with("application/json"), "content-type {kind}");
    Ok(serde_json::from_str(&asked.body)?)
}

fn text<'v>(value: &'v Value, pointer: &str) -> Result<&'v str> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.with_context(|| format!("no text at {pointer} of {value}"))
}

fn list<'v>(value: &'v Value, pointer: &str) -> Result<&'v Vec<Value>> {
    let found = value.pointer(pointer).and_then(Value::as_array);
    found.with_context(|| format!("no list at {pointer} of {value}"))
}

fn check_slack(state: &State, asked: &Asked) -> Result<Value> {
    let bearer = format!("Bearer {SLACK_TOKEN}");
    ensure!(asked.header("authorization") == bearer, "token");
    let body = json_of(asked)?;
    let channel = text(&body, "/channel")?;
    match asked.target.as_str() {
        "/api/chat.postMessage" => ensure!(channel == "#approvals", "channel {channel}"),
        "/api/chat.update" => {
            // A message is changed by the id of its channel alone.
            ensure!(channel == "C0CHANNEL", "channel {channel}");
            let ts = text(&body, "/ts")?;
            let mut known = (1..=state.taken.len()).map(|at| format!("1732700000.{at:06}"));
            ensure!(known.any(|one| one == ts), "ts {ts}");
        }
        other => anyhow::bail!("method {other}"),
    }
    ensure!(text(&body, "/text")?.len() <= 4000, "text");
    let blocks = list(&body, "/blocks")?;
    ensure!((1..=50).contains(&blocks.len()), "{} blocks", blocks.len());
    blocks.iter().try_for_each(check_block)?;
    Ok(body)
}

fn check_block(block: &Value) -> Result<()> {
    let within = |found: &str, most: usize| {
        let length = found.encode_utf16().count();
        ensure!((1..=most).contains(&length), "text of {length}");
        Ok(())
    };
    let mrkdwn = |value: &Value, most| {
        ensure!(text(value, "/type")? == "mrkdwn", "{value}");
        let shown = text(value, "/text")?;
        ensure!(!shown.contains(['<', '>']), "an order in {shown}");
        within(shown, most)
    };
    match text(block, "/type")? {
        "header" => {
            ensure!(text(block, "/text/type")? == "plain_text", "{block}");
            within(text(block, "/text/text")?, 150)
        }
        "section" => mrkdwn(block.get("text").context("no text")?, 3000),
        "context" => {
            let elements = list(block, "/elements")?;
            ensure!((1..=10).contains(&elements.len()), "{block}");
            elements.iter().try_for_each(|one| mrkdwn(one, 2000))
        }
        "actions" => list(block, "/elements")?.iter().try_for_each(|button| {
            ensure!(text(button, "/type")? == "button", "{button}");
            within(text(button, "/action_id")?, 255)?;
            within(text(button, "/text/text")?, 75)?;
            if let Some(confirm) = button.get("confirm") {
                for (part, most) in [("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)] {
                    within(text(confirm, &format!("/{part}/text"))?, most)?;
                }
            }
            match button.get("url") {
                Some(_) => within(text(button, "/url")?, 3000),
                None => within(text(button, "/value")?, 2000),
            }
        }),
        other => anyhow::bail!("block {other}"),
    }
}

fn check_teams(asked: &Asked) -> Result<Value> {
    ensure!(
        asked.target == "/workflow?sig=5e0c",
        "target {}",
        asked.target
    );
    ensure!(asked.body.len() < 28_000, "{} bytes", asked.body.len());
    let body = json_of(asked)?;
    ensure!(text(&body, "/type")? == "message", "{body}");
    ensure!(list(&body, "/attachments")?.len() == 1, "{body}");
    let kind = text(&body, "/attachments/0/contentType")?;
    ensure!(kind == "application/vnd.microsoft.card.adaptive", "{kind}");
    let card = body.pointer("/attachments/0/content").context("no card")?;
    ensure!(text(card, "/type")? == "AdaptiveCard", "{card}");
    text(card, "/version")?;
    for block in list(card, "/body")? {
        match text(block, "/type")? {
            "TextBlock" => text(block, "/text").map(|_| ())?,
            "RichTextBlock" => {
                for run in list(block, "/inlines")? {
                    ensure!(text(run, "/type")? == "TextRun", "{run}");
                    ensure!(!text(run, "/text")?.is_empty(), "{run}");
                }
            }
            other => anyhow::bail!("element {other}"),
        }
    }
    Ok(body)
}

fn check_webhook(asked: &Asked) -> Result<Value> {
    let [id, seconds, signature] =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| asked.header(name));
    ensure!(!id.is_empty() && !id.contains('.'), "id `{id}`");
    let sent: u64 = seconds.parse()?;
    let now = time::since_epoch().as_secs();
    ensure!(now.abs_diff(sent) < 300, "sent at {sent}");
    let secret = WEBHOOK_SECRET.strip_prefix("whsec_").context("no prefix")?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(secret)?);
    let code = signature.strip_prefix("v1,").context("no version")?;
    let signed = format!("{id}.{seconds}.{}", asked.body);
    let verified = hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(code)?);
    ensure!(verified.is_ok(), "signature {signature}");
    let body = json_of(asked)?;
    text(&body, "/type")?;
    text(&body, "/timestamp")?;
    ensure!(body.get("data").is_some_and(Value::is_object), "no data");
    Ok(body)
}
