//! What becomes of a statement whose task does not reach its end.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::join;
use hyper::HeaderMap;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::approval::fixtures::{group, request, rules};
use crate::execution::{Conclusion, Joined, QueryRef, Realm, Turn};
use crate::id::{LoginId, SessionId};
use crate::identity::Users;
use crate::mask::mask_for;
use crate::policy::{Bundle, Names, Plan, Source};
use crate::record::{Settings, StatementRow};
use crate::snowflake::answer::Form;
use crate::snowflake::current::Current;
use crate::snowflake::route::QueryId;
use crate::statement::{Catalogue, Kind, Texts};
use crate::tasks;
use crate::upstream::Unmasked;

const HOST: &str = "acme.snowflakecomputing.com";

fn bundle(text: &str) -> Bundle {
    let source = Source {
        file: "test.cedar".to_owned(),
        text: text.to_owned(),
    };
    let names = Names {
        accounts: None,
        users: &Users::parse("ci:x:1001:1001\n"),
        issuers: None,
        approvers: None,
    };
    Bundle::load(&[source], &names).unwrap()
}

fn stages(folder: &std::path::Path) -> Stages {
    let store = format!("file://{}", folder.join("store").display());
    let settings = Settings {
        spool_max_bytes: 1 << 20,
        seal_interval: Duration::from_secs(3600),
        policy_bundle_sha256: [2; 32],
        ..Settings::new(folder.join("state"), record::StoreAt::read(&store).unwrap())
    };
    let clock = Clock::system();
    Stages {
        mode: Mode::Enforce,
        ask: "#data".to_owned(),
        policies: InForce::new(bundle(include_str!("../../policies/read-only.cedar"))),
        recorder: Recorder::open(&settings, clock).unwrap(),
        registry: Registry::default(),
        chunks: Chunks::default(),
        files: OpenStages::default(),
        usages: Arc::new(Usages::open(folder, folder, clock.now())),
        catalogues: Arc::new(Catalogues::new(Duration::from_secs(60), clock)),
        mailbox: None,
        holds: Arc::new(Holds::new(
            folder.join("held"),
            ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[1; 32]),
        )),
        hash_keys: HashKeys::for_tests(),
        clock,
    }
}

/// Counts what nobody reads.
fn meter(session: SessionId) -> Meter {
    let nowhere = std::path::Path::new("/nonexistent");
    let usages = Usages::open(nowhere, nowhere, Clock::system().now());
    Arc::new(usages).meter(session, &Principal::host_user("ci".to_owned(), 1001))
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
        context: Arc::new(Context::opened(Current::default())),
        request: QueryRequest::read(br#"{"sqlText":"select 1"}"#, 1000).unwrap(),
        headers: Headers::pick(&HeaderMap::new()),
        fetches: Arc::new(Semaphore::new(1)),
        meter: meter(execution.session()),
        labels: BTreeMap::new(),
        before: None,
        origin: None,
        stamp: Stamp::default(),
        draft: Draft {
            row,
            binds: None,
            beside: Vec::new(),
        },
    }
}

/// Runs a statement on a runtime without timers, where the time limit of the request upstream panics.
#[test]
fn a_statement_whose_task_panics_is_settled_and_says_so() {
    let runtime: Runtime = Builder::new_current_thread().enable_io().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let stages = Arc::new(stages(folder.path()));
    let (session, login) = (SessionId::new(), LoginId::new());
    let execution = Execution::new(
        session,
        login,
        Realm::new("ACME", None),
        "r".to_owned(),
        [0; 32],
        Form::V1,
    );
    let execution = Arc::new(execution);
    let task = Arc::clone(&execution);
    let ended = runtime.block_on(async move {
        let run = async move {
            let (upstream, asked) = (Upstream::at(BTreeMap::new()), asked(&task));
            let ended = stages.run(&upstream, &task, asked).await;
            unreachable!("the statement ended: {:?}", ended.ended);
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

/// A statement that Snowflake has named, and an address of its account where a test hears who asks for it.
struct Asking {
    folder: tempfile::TempDir,
    stages: Stages,
    execution: Arc<Execution>,
    query_id: QueryId,
    listener: TcpListener,
    upstream: Upstream,
    login: Arc<Login>,
}

impl Asking {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stages = stages(folder.path());
        let one = Execution::new(
            SessionId::new(),
            LoginId::new(),
            Realm::new("ACME", None),
            "r".to_owned(),
            [0; 32],
            Form::V1,
        );
        let Joined::New(execution) = stages.registry.start_or_join(one) else {
            panic!()
        };
        let query_id = QueryId::mint();
        let earlier = Earlier {
            statement: execution.id(),
            kind: Kind::Query,
            plan: Plan::Open,
            types: None,
            parts: Arc::default(),
        };
        stages.registry.name(&execution, query_id, earlier);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        Self {
            folder,
            stages,
            execution,
            query_id,
            listener,
            upstream: Upstream::at(BTreeMap::from([(HOST.to_owned(), at)])),
            login: Arc::new(Login::of_host(HOST)),
        }
    }

    /// Reads a statement that scans the result, as one of those that may fetch at once.
    async fn scan(&self, fetches: &Semaphore) -> Kind {
        let sql = format!("select * from table(result_scan('{}'))", self.query_id);
        let body = serde_json::json!({ "sqlText": sql }).to_string();
        let request = QueryRequest::read(body.as_bytes(), 1000).unwrap();
        let headers = Headers::own();
        let way = Way {
            upstream: &self.upstream,
            login: &self.login,
            headers: &headers,
        };
        let to = Recipient {
            session: self.execution.session(),
            login: self.execution.login(),
            realm: &Realm::new("ACME", None),
            host: HOST,
            query_id: QueryId::mint(),
            form: Form::V1,
            meter: &meter(self.execution.session()),
        };
        let read = self
            .stages
            .read(
                way,
                &to,
                &request,
                (&Catalogue::default(), &Texts::default()),
                fetches,
            )
            .await;
        read.unwrap().kind()
    }

    /// Ends the statement with rows of the judged kind.
    fn end(&self) {
        let id = self.query_id;
        let body = format!(
            r#"{{"data":{{"queryId":"{id}","rowset":[],"statementTypeId":4096}},"success":true}}"#
        );
        let answer = Unmasked::of_answer(Kind::Query, body.leak());
        let conclusion = Conclusion::of(&mask_for(answer, id, Form::V1, HOST), id);
        let query = QueryRef {
            session: self.execution.session(),
            realm: &Realm::new("ACME", None),
            query_id: id,
        };
        self.stages.registry.conclude(query, &conclusion);
        self.reply();
    }

    fn reply(&self) {
        let reply = Reply::broken(Form::V1, self.query_id);
        self.execution.advance(State::Ready(reply));
    }

    /// Counts the connections that came, each of which is a question of its own.
    fn asked(&self) -> usize {
        std::iter::from_fn(|| self.listener.accept().ok()).count()
    }
}

/// Its own reply compares it or says that Snowflake goes on with it: an end that is recorded before has no row to go to.
#[tokio::test]
async fn a_result_is_not_asked_for_before_its_statement_has_its_reply() {
    let asking = Asking::new();
    let fetches = Semaphore::new(8);
    let end = async {
        tokio::task::yield_now().await;
        asking.end();
    };
    let (kind, ()) = join(asking.scan(&fetches), end).await;
    assert_eq!((kind, asking.asked()), (Kind::Query, 0));
}

#[tokio::test]
async fn one_asks_for_all_who_wait_for_a_result_and_takes_its_place_among_fetches() {
    let asking = Asking::new();
    asking.reply();
    for (places, expected) in [(0, 0), (8, 1)] {
        let fetches = Semaphore::new(places);
        let mut scans = pin!(join(asking.scan(&fetches), asking.scan(&fetches)));
        for _ in 0..20 {
            tokio::select! {
                biased;
                _ = &mut scans => panic!("nobody answers"),
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(asking.asked(), expected, "with {places} places");
    }
}

/// One that changes names does not run alone where no policy looks at names, so those that look wait for it once.
#[tokio::test]
async fn policies_that_look_at_names_wait_for_statements_of_policies_that_did_not() {
    let folder = tempfile::tempdir().unwrap();
    let stages = stages(folder.path());
    let context = Context::opened(Current::default());
    let (before, under_way) = stages.take_up(&context).await;
    // Beside it, by the same policies.
    drop(stages.take_up(&context).await);
    let looking =
        bundle(r#"@id("a") permit (principal, action, resource in Icecore::Account::"ACME");"#);
    stages.policies.replace(Arc::new(looking));
    let mut next = pin!(stages.take_up(&context));
    for _ in 0..20 {
        tokio::select! {
            biased;
            _ = &mut next => panic!("beside one that is ordered otherwise"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(under_way);
    let (after, turn) = next.await;
    assert_ne!(before.sha256(), after.sha256());
    // Those of the same policies go on beside it.
    assert!(matches!(turn, Turn::Shared(_)));
    drop(stages.take_up(&context).await);
}

/// Another proxy that found it there would send it a second time.
#[tokio::test]
async fn a_statement_that_waited_and_is_allowed_by_now_is_taken_off_before_it_is_sent() {
    let asking = Asking::new();
    let execution = Arc::new(Execution::new(
        SessionId::new(),
        LoginId::new(),
        Realm::new("ACME", None),
        "held".to_owned(),
        [0; 32],
        Form::V1,
    ));
    let (session, statement) = (execution.session(), execution.id());
    let stages = &asking.stages;
    stages
        .holds
        .expect(session, (execution.login(), statement))
        .unwrap();
    let kept = asking.folder.path().join("held");
    let kept = kept.join(session.to_string()).join(statement.to_string());
    std::fs::write(&kept, b"sealed").unwrap();
    let before = request(
        &rules([("owners", group(&["okta:ann"], 1))]),
        "ci",
        &["owners"],
    );
    let asked = Asked {
        before: Some(before),
        ..asked(&execution)
    };
    // Nobody listens there: the account tells nothing of its names, and the statement is tried again and again.
    let nowhere = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let upstream = Upstream::at(BTreeMap::from([(HOST.to_owned(), nowhere)]));
    let mut run = pin!(stages.run(&upstream, &execution, asked));
    let sent = async {
        while !matches!(execution.state(), State::Submitted) {
            assert!(execution.state().reply().is_none(), "not sent");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = &mut run => panic!("nobody answers"),
        () = sent => assert!(!kept.exists(), "sent, and still there for another proxy"),
    }
}
