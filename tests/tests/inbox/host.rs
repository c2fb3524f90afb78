//! A host that asks, without a daemon: its documents in a store, signed as DSSE says, apart from the program's own code.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use icecore::approval::{Decision, Request};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

const ORG: &str = "acme";
const HOST: &str = "runner-7";

/// A host with keys of its own.
pub(crate) struct Host {
    store: PathBuf,
    chain: String,
    installation: Ed25519KeyPair,
    approvals: Ed25519KeyPair,
}

impl Host {
    pub(crate) fn new(store: &Path) -> Result<Self> {
        Ok(Self {
            store: store.to_owned(),
            chain: uuid::Uuid::now_v7().to_string(),
            installation: key()?,
            approvals: key()?,
        })
    }

    /// Gives what a trust file pins it by.
    pub(crate) fn pin(&self) -> String {
        let key = public(&self.installation);
        format!("[[installation]]\nname = \"{HOST}\"\nkey = \"{key}\"\n")
    }

    /// Asks; the document is changed before it is signed.
    pub(crate) fn ask(&self, edit: impl FnOnce(&mut Value)) -> Result<Request> {
        let mut request = self.request();
        edit(&mut request);
        let folder = self.folder(&request)?;
        fs::create_dir_all(&folder)?;
        let kind = "application/vnd.icecore.genesis.v1+json";
        let genesis = envelope(kind, &self.genesis(), &self.installation);
        let name = format!("genesis-{}.json", self.chain);
        fs::write(folder.join(name), genesis)?;
        let kind = "application/vnd.icecore.approval-request.v1+json";
        let signed = envelope(kind, &request, &self.approvals);
        fs::write(folder.join("request.json"), signed)?;
        Ok(serde_json::from_value(request)?)
    }

    /// Says how a request ended.
    pub(crate) fn end(&self, request: &Request, state: &str, reason: &str) -> Result<()> {
        let outcome = json!({
            "format_version": 1, "request": request.id, "digest": hex(&request.digest()?), "state": state,
            "decisions": [], "by": ["idp:ada"], "reason": reason, "at": at(Utc::now()),
        });
        let kind = "application/vnd.icecore.approval-outcome.v1+json";
        let folder = self.folder(&serde_json::to_value(request)?)?;
        let signed = envelope(kind, &outcome, &self.approvals);
        Ok(fs::write(folder.join("outcome.json"), signed)?)
    }

    /// Reads what people said to a request, the earliest first.
    pub(crate) fn decisions(&self, request: &Request) -> Result<Vec<Decision>> {
        let folder = self.folder(&serde_json::to_value(request)?)?;
        let mut decisions = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("decision-") {
                let bytes = fs::read(&path)?;
                let sha256 = hex(digest(&SHA256, &bytes).as_ref());
                assert_eq!(name, format!("decision-{sha256}.json"));
                decisions.push(serde_json::from_slice(&bytes)?);
            }
        }
        decisions.sort_by_key(|decision: &Decision| decision.said.decided_at);
        Ok(decisions)
    }

    fn folder(&self, request: &Value) -> Result<PathBuf> {
        let text = |name: &str| request.get(name).and_then(Value::as_str).context("no text");
        let (at, id) = (text("requested_at")?, text("id")?);
        let day = at.get(..10).context("no day")?;
        Ok(self.store.join(format!("{ORG}/v1/approvals/dt={day}/{id}")))
    }

    fn genesis(&self) -> Value {
        json!({
            "format_version": 1, "org": ORG, "chain": self.chain, "created_at": at(Utc::now()), "host_id": HOST,
            "boot_id": null, "installation": public(&self.installation), "key": public(&self.approvals),
            "approvals_key": public(&self.approvals), "previous": null, "recording_mode": "strict_local",
            "writer_build": "test", "config_sha256": "00".repeat(32), "policy_bundle_sha256": "00".repeat(32), "build": {},
        })
    }

    fn request(&self) -> Value {
        let asked = Utc::now() - TimeDelta::minutes(3);
        let id = || uuid::Uuid::now_v7().to_string();
        json!({
            "format_version": 1, "id": id(), "org": ORG, "chain": self.chain, "host_id": HOST, "session_id": id(),
            "statement_id": id(), "requested_at": at(asked), "expires_at": at(asked + TimeDelta::hours(1)),
            "asks": [{ "rule": "ddl-needs-owner", "group": "data-owners",
                "reason": "schema changes need a data owner's yes" }],
            "needs": [{ "group": "data-owners", "approvers": 1, "proof": "idp-per-decision", "because": null }],
            "requester": {
                "principal": "github:repo:acme/etl:ref:refs/heads/main", "issuer": "github",
                "subject": "repo:acme/etl:ref:refs/heads/main", "groups": [],
                "facts": { "repository": "acme/etl", "actor": "carol", "run_id": "77", "event_name": "push" },
            },
            "meaning": {
                "account": "ACME", "user": "ICECORE_SVC", "role": "LOADER", "secondary_roles": [], "warehouse": "WH",
                "database": "ACME_DB", "schema": "PUBLIC",
                "sql": "alter table customers\n  drop column email", "kinds": ["alter_table"],
                "members": {}, "parameters": { "TIMEZONE": "UTC" }, "variables": {},
                "objects": [{ "action": "alter", "class": "table", "path": "ACME_DB.PUBLIC.CUSTOMERS",
                    "definition_sha256": "ab".repeat(32) }],
                "columns": ["filter ACME_DB.PUBLIC.CUSTOMERS.EMAIL"], "policies_sha256": "cd".repeat(32),
            },
            "claimed": { "reason": "the column is not used any more", "labels": { "ticket": "OPS-7" }, "prompt": null },
            "plan": { "bytes": null, "partitions": null, "partitions_total": null, "unknown": "not asked for DDL" },
            "earlier": [],
        })
    }
}

fn key() -> Result<Ed25519KeyPair> {
    let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let made = made.ok().context("make a key")?;
    Ed25519KeyPair::from_pkcs8(made.as_ref())
        .ok()
        .context("read a key")
}

fn public(key: &Ed25519KeyPair) -> String {
    STANDARD.encode(key.public_key())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn at(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Signs a document. Source: github.com/secure-systems-lab/dsse, `protocol.md`: the pre-authentication encoding.
fn envelope(kind: &str, document: &Value, key: &Ed25519KeyPair) -> String {
    let payload = document.to_string();
    let (kind_bytes, bytes) = (kind.len(), payload.len());
    let message = format!("DSSEv1 {kind_bytes} {kind} {bytes} {payload}");
    let id = digest(&SHA256, key.public_key().as_ref());
    let id: String = hex(id.as_ref()).chars().take(16).collect();
    json!({
        "payloadType": kind, "payload": STANDARD.encode(&payload),
        "signatures": [{ "keyid": id, "sig": STANDARD.encode(key.sign(message.as_bytes())) }],
    })
    .to_string()
}
