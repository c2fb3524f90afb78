//! What becomes of a statement whose task does not reach its end.

use std::collections::BTreeMap;
use std::time::Duration;

use hyper::HeaderMap;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::id::{LoginId, SessionId};
use crate::policy::Source;
use crate::record::{RecordMode, Settings, StatementRow};
use crate::snowflake::answer::Form;
use crate::tasks;
use crate::upstream::{Resolver, UpstreamSettings};

const HOST: &str = "acme.snowflakecomputing.com";

fn stages(folder: &std::path::Path) -> Stages {
    let settings = Settings {
        org: "default".to_owned(),
        host_id: "host".to_owned(),
        state_dir: folder.join("state"),
        mode: RecordMode::StrictLocal,
        store: format!("file://{}", folder.join("store").display()),
        spool_max_bytes: 1 << 20,
        seal_interval: Duration::from_secs(3600),
        config_sha256: [1; 32],
        policy_bundle_sha256: [2; 32],
        proxy_version: "0.0.0".to_owned(),
        build: BTreeMap::new(),
    };
    let source = Source {
        file: "read-only.cedar".to_owned(),
        text: include_str!("../../policies/read-only.cedar").to_owned(),
    };
    let clock = Clock::system();
    Stages {
        mode: Mode::Enforce,
        bundle: Bundle::load(&[source]).unwrap(),
        recorder: Recorder::open(&settings, clock).unwrap(),
        registry: Registry::default(),
        chunks: Chunks::default(),
        clock,
    }
}

fn upstream() -> Upstream {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Upstream::new(UpstreamSettings {
        tls: Arc::new(tls),
        connect_timeout: Duration::from_secs(1),
        resolver: Arc::new(Resolver::new(BTreeMap::new())),
    })
}

fn asked(execution: &Execution) -> Asked {
    let row = StatementRow {
        session_id: Some(execution.session()),
        login_id: Some(execution.login()),
        statement_id: Some(execution.id()),
        started_at: Some(Clock::system().now()),
        policy_mode: Some(Mode::Enforce),
        ..StatementRow::default()
    };
    Asked {
        principal: Principal::host_user("ci".to_owned(), 1001),
        account: Arc::new(Account::of_host(HOST)),
        host: HOST.to_owned(),
        login: Arc::new(Login::of_host(HOST)),
        request: QueryRequest::read(br#"{"sqlText":"select 1"}"#, 1000).unwrap(),
        headers: Headers::pick(&HeaderMap::new()),
        draft: Draft { row, binds: None },
    }
}

/// Runs a statement on a runtime without timers, where the time limit of the request upstream panics.
#[test]
fn a_statement_whose_task_panics_is_settled_and_says_so() {
    let runtime: Runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stages = Arc::new(stages(folder.path()));
    let (session, login) = (SessionId::new(), LoginId::new());
    let execution = Execution::new(session, login, "r".to_owned(), [0; 32], Form::V1);
    let execution = Arc::new(execution);
    let task = Arc::clone(&execution);
    let ended = runtime.block_on(async move {
        let run = async move {
            let (upstream, asked) = (upstream(), asked(&task));
            let ended = stages.run(&upstream, &task, asked).await;
            unreachable!("the statement ended: {ended:?}");
        };
        tasks::spawn("statement", run).await
    });
    ended.unwrap();
    let state = execution.state();
    let reply = state.reply().map(|reply| reply.body().text().to_vec());
    let text = String::from_utf8(reply.unwrap_or_default()).unwrap();
    assert!(matches!(state, State::Refused(_)), "{state:?}");
    assert!(text.contains("Icecore failed on this statement"), "{text}");
}
