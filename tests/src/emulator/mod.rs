//! A Snowflake emulator: fakesnow (DuckDB inside) behind a gate that checks the injected credential.
//!
//! The gate gives its own tokens, refuses all others, expires and renews them, long-polls, joins replays, cancels,
//! and adds what fakesnow's answers lack. What it received, executed and gave goes into a journal for tests.

mod admin;
mod answers;
mod batch;
mod body;
mod catalogue;
mod credential;
mod execution;
mod fakesnow;
mod faults;
mod journal;
mod mcp;
mod own;
mod results;
mod routes;
mod serve;
mod sessions;
mod settings;
mod stages;
mod standing;
mod statements;
mod v2;

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use serde_json::{Value, json};

pub use catalogue::{Described, DescribedColumn, Tag};
pub use credential::CLIENT_CREDENTIAL_FIELDS;
pub use faults::{Fault, Kind as FaultKind};
pub use results::{CHUNK_HOST, Planted};
pub use routes::Endpoint;
pub use serve::run;
pub use settings::{Account, ChunkCoding, Credential, Ready, SecondaryRoles, Settings, Tuning};
pub use stages::STAGE_HOSTS;

use fakesnow::Fakesnow;
use faults::Faults;
use journal::Journal;
use results::{Chunks, Format, Pieces};
use stages::Stages;

use sessions::{Session, Sessions};
use statements::Statement;

/// The gate's whole state, shared by its connections.
#[derive(Debug)]
struct Gate {
    accounts: Mutex<Vec<Account>>,
    tuning: Mutex<Tuning>,
    journal: Journal,
    fakesnow: Fakesnow,
    faults: Faults,
    sessions: Sessions,
    chunks: Chunks,
    stages: Stages,
    /// Where the journal is, and the objects of stages.
    folder: PathBuf,
    by_id: Mutex<HashMap<String, Arc<Statement>>>,
    v2: v2::Requests,
    tags: Mutex<Vec<Tag>>,
    /// Objects that the account has beside those of fakesnow, as far as questions about it go.
    described: Mutex<Vec<Described>>,
    /// Tables that a test wrote, by database, schema and name.
    planted: Mutex<Vec<([String; 3], Arc<Pieces>)>>,
}

impl Gate {
    /// Starts fakesnow, plants tables and values, and gives the gate that stands before it.
    async fn open(settings: Settings) -> Result<Arc<Self>> {
        let gate = Self {
            tuning: Mutex::new(settings.tuning),
            journal: Journal::create(&settings.journal_file, &settings.canaries_file)?,
            fakesnow: Fakesnow::start(&settings).await?,
            faults: Faults::default(),
            sessions: Sessions::default(),
            chunks: Chunks::default(),
            stages: Stages::default(),
            folder: settings
                .journal_file
                .parent()
                .map(PathBuf::from)
                .unwrap_or_default(),
            by_id: Mutex::default(),
            v2: v2::Requests::default(),
            tags: Mutex::default(),
            described: Mutex::default(),
            planted: Mutex::default(),
            accounts: Mutex::new(settings.accounts),
        };
        let token = gate.fakesnow.login("ACME_DB", "PUBLIC").await?;
        for sql in &settings.setup {
            let answer = gate
                .fakesnow
                .query(&token, &json!({"sqlText": sql}))
                .await?;
            let worked = answer.get("success") == Some(&Value::Bool(true));
            anyhow::ensure!(worked, "setup statement `{sql}` failed: {answer}");
        }
        gate.fakesnow
            .close(&token)
            .await
            .context("close setup session")?;
        Ok(Arc::new(gate))
    }

    /// Gives the account that a host name leads to; a name under Snowflake's domain that is none's leads nowhere.
    fn account(&self, host: Option<&str>) -> Option<Account> {
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let host = host.unwrap_or_default().to_ascii_lowercase();
        let named = accounts
            .iter()
            .find(|account| account.hosts.contains(&host));
        let is_elsewhere = !host.ends_with(".snowflakecomputing.com");
        named.or(accounts.first().filter(|_| is_elsewhere)).cloned()
    }

    /// Gives the account as a user has it by a role: one host may have several; as what it is listed first, if none fits.
    fn account_of(&self, host: Option<&str>, user: &str, role: &str) -> Option<Account> {
        let first = self.account(host)?;
        let accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let found = accounts.iter().find(|account| {
            account.hosts == first.hosts && account.user == user && account.role == role
        });
        Some(found.cloned().unwrap_or(first))
    }

    /// Registers another credential for an account, as its owner does who rotates it.
    fn rotate(&self, name: &str, credential: &Credential) -> bool {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        let named = accounts.iter_mut().filter(|account| account.name == name);
        let changed = named.map(|account| account.credential = credential.clone());
        changed.count() > 0
    }

    fn tuning(&self) -> Tuning {
        *self.tuning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the statement of a request id, made from `body` if it is the first of that id.
    fn statement(
        &self,
        session: &Arc<Session>,
        request_id: &str,
        body: &Value,
        format: Format,
    ) -> (Arc<Statement>, bool) {
        let mut by_request = session
            .by_request
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(statement) = by_request
            .get(request_id)
            .filter(|_| !request_id.is_empty())
        {
            let facts = json!({"query_id": statement.id, "request_id": request_id});
            self.journal.event("replay", facts);
            return (Arc::clone(statement), false);
        }
        let statement = Statement::new(Arc::clone(session), request_id, body.clone(), format);
        let statement = Arc::new(statement);
        by_request.insert(request_id.to_owned(), Arc::clone(&statement));
        self.name(&statement);
        (statement, true)
    }

    /// Makes a statement known by its query id.
    fn name(&self, statement: &Arc<Statement>) {
        let mut by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.insert(statement.id.clone(), Arc::clone(statement));
    }

    fn by_request(&self, session: &Session, request_id: &str) -> Option<Arc<Statement>> {
        let by_request = session
            .by_request
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        by_request.get(request_id).cloned()
    }

    fn by_id(&self, id: &str) -> Option<Arc<Statement>> {
        let by_id = self.by_id.lock().unwrap_or_else(PoisonError::into_inner);
        by_id.get(id).cloned()
    }
}

/// Starts a task of the emulator; a panic in it is printed by the panic hook and fails what waits for the answer.
fn spawn<F>(name: &'static str, future: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tracing::trace!(task = name, "started");
    drop(tokio::runtime::Handle::current().spawn(future));
}
