//! Two hosts that share a store and nothing else: each has a network, a daemon, programs, sessions and keys of its own, and
//! whoever decides sits in a third network. Root of one host can put into the store what it likes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use icecore::approval::Request;
use icecore_tests::drivers::Product;
use icecore_tests::harness::browser::{Browser, Person};
use icecore_tests::harness::driver::Driver;
use icecore_tests::harness::network::Network;
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::time;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::approvals::{have_people_asked, insert, said};
use crate::approver::{Approver, CLIENT, hex, payload};
use crate::evidence::verified;

/// Longest wait for a request.
const WITHIN: Duration = Duration::from_secs(60);

/// How long is waited for what must not happen: a host looks at a folder four times a second.
const LONG_ENOUGH: Duration = Duration::from_secs(2);

/// A host. Fields are dropped in this order.
struct Host {
    world: World,
    network: Network,
}

impl Host {
    /// Makes a host that puts its record and its requests into a store which others have too.
    fn start(store: &Path, approver: &mut Approver) -> Result<Self> {
        let network = Network::make()?;
        let world = network.inside(|| {
            approver.issuer.answer_here()?;
            let mut world = World::without_daemon(&Plan::default())?;
            let own = world.config.store.display().to_string();
            let config = fs::read_to_string(world.config_file())?;
            let config = config.replace(&own, &store.display().to_string());
            fs::write(world.config_file(), config)?;
            store.clone_into(&mut world.config.store);
            have_people_asked(&world, "", &approver.config())?;
            world.start_daemon()?;
            Ok(world)
        })?;
        Ok(Self { world, network })
    }

    fn driver(&self, steps: &Value) -> Result<Driver> {
        let start = || self.world.start_driver(Product::Connector4, steps);
        let mut driver = self.network.inside(start)?;
        assert_eq!(driver.expect("connect")?["ok"], true);
        Ok(driver)
    }

    /// Counts how often a statement that holds this text was executed for this host.
    fn executed(&self, text: &str) -> Result<usize> {
        let executed = self.network.inside(|| self.world.gate.executed())?;
        Ok(executed.iter().filter(|sql| sql.contains(text)).count())
    }

    /// Gives the lines that pin it under a name, for an organisation.
    fn pin(&self, name: &str, org: &str) -> Result<String> {
        let config = self.world.config_file();
        let config = config.to_string_lossy();
        let pinned = self
            .world
            .icecore(&["enroll", "--pin", "--config", &config])?;
        let mut pin = toml::from_str::<toml::Table>(&String::from_utf8(pinned.stdout)?)?;
        let hosts = pin
            .get_mut("installation")
            .and_then(|all| all.as_array_mut());
        let host = hosts.and_then(|all| all.first_mut()?.as_table_mut());
        let host = host.context("no installation")?;
        host.insert("name".into(), name.into());
        host.insert("orgs".into(), vec![org].into());
        Ok(toml::to_string(&pin)?)
    }
}

/// A person's machine: a network of its own, the store, and trust files. Nothing of a host's is in its reach.
struct Machine {
    network: Network,
    folder: TempDir,
    icecore: PathBuf,
}

impl Machine {
    fn start(store: &Path, approver: &mut Approver, icecore: &Path) -> Result<Self> {
        let network = Network::make()?;
        network.inside(|| approver.issuer.answer_here())?;
        let folder = tempfile::tempdir()?;
        let (store, issuer) = (store.display(), approver.issuer.url());
        let settings = format!(
            "store = \"file://{store}\"\n[issuer]\nurl = \"{issuer}\"\nclient_id = \"{CLIENT}\"\n"
        );
        fs::write(folder.path().join("approvals.toml"), settings)?;
        Ok(Self {
            network,
            folder,
            icecore: icecore.to_owned(),
        })
    }

    fn trusts(&self, name: &str, pins: &[String]) -> Result<()> {
        Ok(fs::write(self.folder.path().join(name), pins.concat())?)
    }

    fn command(&self, trust: &str, arguments: &[&str]) -> Command {
        let file = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(&self.icecore);
        command.arg("approvals").args(arguments);
        command.arg("--settings").arg(file("approvals.toml"));
        command.arg("--trust").arg(file(trust));
        command.env_clear().env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null());
        command
    }

    /// Lists requests as a trust file shows them.
    fn list(&self, trust: &str) -> Result<Vec<Value>> {
        let mut command = self.command(trust, &["list", "--all", "--json"]);
        let output = self.network.inside(|| Ok(command.output()?))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{errors}");
        let lines = String::from_utf8(output.stdout)?;
        let read = |line| serde_json::from_str(line).with_context(|| format!("line `{line}`"));
        lines.lines().map(read).collect()
    }

    /// Gives what is listed of a request.
    fn item(&self, trust: &str, request: &Request) -> Result<Value> {
        let id = request.id.to_string();
        let all = self.list(trust)?;
        let mut named = all.iter().filter(|item| {
            item["request"]["id"] == id || item["place"].as_str().is_some_and(|p| p.ends_with(&id))
        });
        let item = named.next().cloned();
        item.with_context(|| format!("request {id} is not among {all:?}"))
    }

    /// Waits for the request of a host about a statement that holds a text.
    fn wait(&self, host: &str, text: &str) -> Result<Request> {
        let start = time::instant();
        while start.elapsed() < WITHIN {
            for item in self.list("both.toml")? {
                let sql = item["request"]["meaning"]["sql"].as_str().unwrap_or("");
                if item["signed_by"] == host && sql.contains(text) {
                    return Ok(serde_json::from_value(item["request"].clone())?);
                }
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("host {host} asked nobody for `{text}`")
    }

    /// Says something as a person, who logs in at the issuer for it.
    fn say(
        &self,
        (approver, person): (&Approver, &str),
        trust: &str,
        (word, request): (&str, &Request),
    ) -> Result<(Option<i32>, String)> {
        approver.issuer.set_person(Some(json!({ "sub": person })));
        let (id, digest) = (request.id.to_string(), hex(&request.digest()?));
        let words = [word, &id, "--digest", &digest, "--reason", "not today"];
        let mut command = self.command(trust, &words);
        self.network.inside(|| {
            let mut child = command.stderr(Stdio::piped()).spawn()?;
            let mut errors = BufReader::new(child.stderr.take().context("no stderr")?);
            let mut said = String::new();
            while errors.read_line(&mut said)? > 0 {
                let last = said.lines().last().unwrap_or_default().trim();
                if last.starts_with("http") {
                    drop(Browser::default().visit(last, Person::Agrees("whoever"))?);
                    break;
                }
            }
            errors.read_to_string(&mut said)?;
            Ok((child.wait()?.code(), said))
        })
    }
}

/// Root of a host: has its installation key, and signs what it likes.
struct Root {
    installation: Ed25519KeyPair,
    genesis: Value,
}

impl Root {
    /// Begins a chain of its own, in the form of one that the host's daemon began.
    fn of(host: &Host, genesis: Value) -> Result<Self> {
        let seed = fs::read(host.world.config.state_dir().join("installation.key"))?;
        let installation = Ed25519KeyPair::from_seed_unchecked(&seed);
        let installation = installation.ok().context("no key of an installation")?;
        let mut genesis = genesis;
        genesis["chain"] = uuid::Uuid::now_v7().to_string().into();
        genesis["approvals_key"] = STANDARD.encode(installation.public_key()).into();
        Ok(Self {
            installation,
            genesis,
        })
    }

    /// Puts its genesis and a document of its own beside a request.
    fn put(&self, folder: &Path, name: &str, document: &Value) -> Result<()> {
        fs::create_dir_all(folder)?;
        let chain = self.genesis["chain"].as_str().context("no chain")?;
        let genesis = self.sign("genesis", &self.genesis);
        fs::write(folder.join(format!("genesis-{chain}.json")), genesis)?;
        let signed = self.sign(&format!("approval-{name}"), document);
        Ok(fs::write(folder.join(format!("{name}.json")), signed)?)
    }

    /// Signs a document. Source: github.com/secure-systems-lab/dsse, `protocol.md`: the pre-authentication encoding.
    fn sign(&self, kind: &str, document: &Value) -> String {
        let kind = format!("application/vnd.icecore.{kind}.v1+json");
        let payload = document.to_string();
        let message = format!("DSSEv1 {} {kind} {} {payload}", kind.len(), payload.len());
        let key = &self.installation;
        let id = hex(digest(&SHA256, key.public_key().as_ref()).as_ref());
        let id: String = id.chars().take(16).collect();
        json!({
            "payloadType": kind, "payload": STANDARD.encode(&payload),
            "signatures": [{ "keyid": id, "sig": STANDARD.encode(key.sign(message.as_bytes())) }],
        })
        .to_string()
    }
}

fn sql(name: &str, sql: &str) -> Value {
    json!({"do": "sql", "name": name, "sql": sql})
}

/// A yes from a third network lets one host's statement run, once, and the same text of the other host waits on. What root of
/// the other host signs, copies or makes up beside the request ends nothing, and is shown for what it is.
#[test]
fn a_yes_from_elsewhere_is_for_one_host_and_no_other_host_ends_it() -> Result<()> {
    let shared = tempfile::tempdir()?;
    let store = shared.path().join("store");
    let mut approver = Approver::start(&store)?;
    let a = Host::start(&store, &mut approver)?;
    let b = Host::start(&store, &mut approver)?;
    let machine = Machine::start(&store, &mut approver, &a.world.icecore)?;
    let both = [a.pin("host-a", "default")?, b.pin("host-b", "default")?];
    machine.trusts("both.toml", &both)?;
    let one = [a.pin("host-a", "default")?, b.pin("host-b", "other")?];
    machine.trusts("one.toml", &one)?;
    let connect = json!({"do": "connect", "name": "connect"});
    let mut of_a = a.driver(&json!([connect, sql("approved", &insert(901))]))?;
    let grant = "grant select on table ORDERS to role READER";
    let steps = json!([connect, sql("denied", &insert(901)), sql("expired", grant)]);
    let mut of_b = b.driver(&steps)?;
    let (for_a, for_b) = (
        machine.wait("host-a", "901")?,
        machine.wait("host-b", "901")?,
    );
    assert_eq!(for_a.meaning.sql, for_b.meaning.sql);
    assert_eq!(for_a.meaning.account, for_b.meaning.account);

    // A face that pins the other host for another organisation shows nothing of its request, and takes no word on it.
    let item = machine.item("one.toml", &for_b)?;
    assert_eq!(item["believed"], false, "{item}");
    assert!(!item.to_string().contains("insert"), "{item}");
    let word = ("approve", &for_b);
    let (code, told) = machine.say((&approver, "olga"), "one.toml", word)?;
    assert!(
        code == Some(1) && told.contains("by which none begins"),
        "{told}"
    );
    assert_eq!(machine.item("one.toml", &for_a)?["signed_by"], "host-a");

    // Root of B: an outcome of A's request, a request in the name of A's chain, and a yes that nobody gave.
    let folder_a = approver.folder(for_a.id)?;
    let genesis_of = |request: &Request| {
        let name = format!("genesis-{}.json", request.chain);
        Ok::<_, anyhow::Error>((
            name.clone(),
            fs::read(approver.folder(request.id)?.join(name))?,
        ))
    };
    let root = Root::of(&b, payload(&genesis_of(&for_b)?.1)?)?;
    let outcome = json!({
        "format_version": 1, "request": for_a.id, "digest": hex(&for_a.digest()?), "state": "denied",
        "decisions": [], "by": ["corp:olga"], "reason": "made up", "at": for_a.requested_at,
    });
    root.put(&folder_a, "outcome", &outcome)?;
    let mut forged = serde_json::to_value(&for_a)?;
    forged["id"] = uuid::Uuid::now_v7().to_string().into();
    forged["meaning"]["sql"] = "drop table ORDERS".into();
    let forged: Request = serde_json::from_value(forged)?;
    let folder = folder_a.with_file_name(forged.id.to_string());
    root.put(&folder, "request", &serde_json::to_value(&forged)?)?;
    let (name, genesis) = genesis_of(&for_a)?;
    fs::write(folder.join(name), genesis)?;
    approver.forge(&for_a, "olga")?;
    std::thread::sleep(LONG_ENOUGH);
    assert_eq!(machine.item("both.toml", &forged)?["believed"], false);
    let item = machine.item("both.toml", &for_a)?;
    assert_eq!(
        (&item["standing"], &item["outcome"]),
        (&json!("requested"), &Value::Null)
    );
    assert_eq!((a.executed("901")?, b.executed("901")?), (0, 0));

    // A yes with its proof counts, whoever wrote what lies beside it; copied to B's request it is none.
    let (code, told) = machine.say((&approver, "olga"), "both.toml", ("approve", &for_a))?;
    assert_eq!(code, Some(0), "{told}");
    let step = of_a.expect("approved")?;
    assert_eq!(step["ok"], true, "{step}");
    for entry in fs::read_dir(&folder_a)? {
        let path = entry?.path();
        if path.to_string_lossy().contains("/decision-") {
            approver.put(&for_b, &fs::read(path)?)?;
        }
    }
    std::thread::sleep(LONG_ENOUGH);
    assert_eq!((a.executed("901")?, b.executed("901")?), (1, 0));
    assert_eq!(machine.item("both.toml", &for_b)?["standing"], "requested");

    let (code, told) = machine.say((&approver, "otto"), "both.toml", ("deny", &for_b))?;
    assert_eq!(code, Some(0), "{told}");
    said(&of_b.expect("denied")?, "`corp:otto` said no: not today");
    assert_eq!(machine.item("both.toml", &for_b)?["standing"], "denied");
    let for_grant = machine.wait("host-b", "grant select")?;
    said(&of_b.expect("expired")?, "nobody who may had said enough");
    assert_eq!(approver.outcome(&for_grant)?, "expired");
    assert_eq!(
        machine.item("both.toml", &for_grant)?["standing"],
        "expired"
    );
    drop((of_a.finish()?, of_b.finish()?));
    recorded(&a, &b, &machine)
}

/// Each host's record says what became of its own, in one store that verifies as both hosts'.
fn recorded(a: &Host, b: &Host, machine: &Machine) -> Result<()> {
    a.world.flush()?;
    b.world.flush()?;
    let rows = a.world.query(
        "select decision, status, count(*) as n from statements where sql_kind in ('insert', 'grant') \
         group by all order by all",
    )?;
    let row = |decision: &str, status: &str, n: u32| json!({"decision": decision, "status": status, "n": n});
    assert_eq!(
        rows,
        [row("approve", "success", 1), row("block", "blocked", 2)]
    );
    let told = a.world.query(
        "select count(*) > 0 as told from events where event_code = 'AP003' and detail::varchar like '%this installation did not sign%'",
    )?;
    assert_eq!(told, [json!({"told": true})]);
    let trust = machine.folder.path().join("both.toml");
    let (code, codes, report) = verified(&a.world, &["--trust", &trust.to_string_lossy()])?;
    assert_eq!((code, codes.is_empty()), (0, true), "{report}");
    Ok(())
}
