//! People who decide about what is held: they read requests from the store and answer by tokens of their issuer.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icecore::approval::{Answer, Decision, FORMAT_VERSION, Proof, Request, Said};
use icecore::id::ApprovalId;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use icecore_tests::harness::issuer::Issuer;
use icecore_tests::time;

/// The client as which approvers log in.
pub(crate) const CLIENT: &str = "approvals";

/// Longest wait for a request or its outcome.
const WITHIN: Duration = Duration::from_secs(60);

/// The people of one company, and the store that they share with the host.
#[derive(Debug)]
pub(crate) struct Approver {
    pub(crate) issuer: Issuer,
    store: PathBuf,
}

impl Approver {
    /// Starts their issuer.
    pub(crate) fn start(store: &Path) -> Result<Self> {
        Ok(Self {
            issuer: Issuer::start()?,
            store: store.to_owned(),
        })
    }

    /// Writes the config's sections: `corp:olga` and `corp:otto` for `data-owners`, who wait a minute, `corp:sam` for
    /// `security`, who waits three seconds; the host's user `nobody` is `corp:nina`, who is a data owner too.
    #[must_use]
    pub(crate) fn config(&self) -> String {
        let url = self.issuer.url();
        format!(
            r#"
[approvals]
[approvals.issuer]
name = "corp"
url = "{url}"
audience = "{CLIENT}"
[approvals.people]
nobody = "corp:nina"
[[approvals.group]]
name = "data-owners"
members = ["corp:olga", "corp:otto", "corp:nina"]
expires_after = "20m"
[[approvals.group]]
name = "security"
members = ["corp:sam"]
expires_after = "3s"
"#
        )
    }

    /// Waits for the request of a statement that holds a text, and that nobody has answered.
    pub(crate) fn wait(&self, text: &str) -> Result<Request> {
        let start = time::instant();
        while start.elapsed() < WITHIN {
            for folder in self.folders() {
                if folder.join("outcome.json").exists() || decided(&folder) {
                    continue;
                }
                let Ok(document) = fs::read(folder.join("request.json")) else {
                    continue;
                };
                let request: Request = serde_json::from_value(payload(&document)?)?;
                if request.meaning.sql.contains(text) {
                    return Ok(request);
                }
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("nobody was asked for `{text}`")
    }

    /// Waits for the outcome of a request, and gives its word.
    pub(crate) fn outcome(&self, request: &Request) -> Result<String> {
        let file = self.folder(request.id)?.join("outcome.json");
        let start = time::instant();
        while start.elapsed() < WITHIN {
            if let Ok(document) = fs::read(&file) {
                let outcome = payload(&document)?;
                let state = outcome.get("state").and_then(Value::as_str);
                return Ok(state.context("no state")?.to_owned());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("request {} has no outcome", request.id)
    }

    /// Answers a request as a person; gives the decision's bytes.
    pub(crate) fn say(&self, request: &Request, person: &str, answer: Answer) -> Result<Vec<u8>> {
        let bytes = decision(&self.issuer, request, person, answer, &json!({}))?;
        self.put(request, &bytes)?;
        Ok(bytes)
    }

    /// Counts the requests that nobody has answered.
    pub(crate) fn asked(&self) -> usize {
        let is_open = |folder: &&PathBuf| {
            folder.join("request.json").exists() && !folder.join("outcome.json").exists()
        };
        self.folders().iter().filter(is_open).count()
    }

    /// Puts a yes of a person whose token somebody else signed.
    pub(crate) fn forge(&self, request: &Request, person: &str) -> Result<()> {
        let other = Issuer::start()?;
        let claims = json!({ "iss": self.issuer.url() });
        let bytes = decision(&other, request, person, Answer::Approve, &claims)?;
        self.put(request, &bytes)
    }

    /// Puts a decision's bytes beside a request, whatever they are about.
    pub(crate) fn put(&self, request: &Request, decision: &[u8]) -> Result<()> {
        let name = format!("decision-{}.json", hex(digest(&SHA256, decision).as_ref()));
        let draft = self.store.with_extension("draft");
        fs::write(&draft, decision)?;
        fs::rename(draft, self.folder(request.id)?.join(name))?;
        Ok(())
    }

    pub(crate) fn folder(&self, id: ApprovalId) -> Result<PathBuf> {
        let id = id.to_string();
        let mut folders = self.folders().into_iter();
        let found = folders.find(|folder| folder.ends_with(&id));
        found.with_context(|| format!("request {id} is not in the store"))
    }

    fn folders(&self) -> Vec<PathBuf> {
        let inside = |folder: PathBuf| {
            let entries = fs::read_dir(folder).into_iter().flatten();
            entries.filter_map(|entry| Some(entry.ok()?.path()))
        };
        inside(self.store.clone())
            .map(|org| org.join("v1").join("approvals"))
            .flat_map(inside)
            .flat_map(inside)
            .collect()
    }
}

/// Makes a person's decision, proved by a token with some claims of its own.
fn decision(
    issuer: &Issuer,
    request: &Request,
    person: &str,
    answer: Answer,
    more: &Value,
) -> Result<Vec<u8>> {
    let decided_at = chrono::DateTime::from(UNIX_EPOCH + time::since_epoch());
    let said = Said {
        format_version: FORMAT_VERSION,
        request: request.id,
        digest: hex(&request.digest()?),
        answer,
        reason: (answer == Answer::Deny).then(|| "not today".to_owned()),
        grant_s: None,
        decided_at,
        face: "cli".to_owned(),
    };
    let now = decided_at.timestamp();
    let mut claims = json!({
        "sub": person, "aud": CLIENT, "nonce": said.nonce()?,
        "iat": now, "auth_time": now, "exp": now + 300,
    });
    if let (Some(claims), Some(more)) = (claims.as_object_mut(), more.as_object()) {
        claims.extend(more.clone());
    }
    let id_token = issuer.token(&claims)?;
    let proof = Proof::IdpPerDecision { id_token };
    Ok(serde_json::to_vec(&Decision { said, proof })?)
}

/// Tells whether anybody has answered.
fn decided(folder: &Path) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.any(|name| name.starts_with("decision-"))
}

/// Reads what a signed envelope holds.
pub(crate) fn payload(document: &[u8]) -> Result<Value> {
    let envelope: Value = serde_json::from_slice(document)?;
    let payload = envelope.get("payload").and_then(Value::as_str);
    let payload = STANDARD.decode(payload.context("no payload")?)?;
    Ok(serde_json::from_slice(&payload)?)
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
