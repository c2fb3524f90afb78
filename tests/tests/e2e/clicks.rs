//! Clicks on Slack's buttons: they count where a group takes them, for who clicked on what was shown, and for nobody else.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use icecore::approval::Request;
use icecore_tests::harness::chats::{Chat, Kind};
use icecore_tests::harness::clicks::{Click, SIGNING_SECRET, buttons};
use icecore_tests::harness::world::{Plan, World};
use icecore_tests::time;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::approvals::{have_people_asked, insert, later};
use crate::approver::{Approver, hex};
use crate::evidence::trust_file;
use crate::notices::{printed, slack};
use crate::raw::{self, login, token};

/// Longest wait for a message.
const WITHIN: Duration = Duration::from_secs(30);

/// How long is waited for what must not happen: the host looks at a folder four times a second.
const LONG_ENOUGH: Duration = Duration::from_millis(1500);

/// A running `icecore approvals slack`, and where it takes clicks.
struct Taking {
    child: Child,
    url: String,
}

impl Taking {
    fn start(world: &World) -> Result<Self> {
        let store = format!("file://{}", world.config.store.display());
        let mut child = Command::new(&world.icecore)
            .args(["approvals", "slack", "--listen", "127.0.0.1:0"])
            .args(["--store", &store, "--trust", &trust_file(world)?])
            .env_clear()
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        let said = child.stdout.take().context("no stdout")?;
        BufReader::new(said).read_line(&mut url)?;
        let url = url.trim().to_owned();
        Ok(Self { child, url })
    }
}

impl Drop for Taking {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            kill_process(pid, Signal::TERM).ok();
        }
        drop(self.child.wait());
    }
}

/// A world whose data owners take Slack's word, and whose security does not.
fn world(chat: &Chat) -> Result<(World, Approver)> {
    let mut world = World::without_daemon(&Plan::default())?;
    let approver = Approver::start(&world.config.store)?;
    let secret = printed(SIGNING_SECRET);
    let config = approver
        .config()
        .replace(
            "[approvals]\n",
            &format!("[approvals]\nslack_signing_secret = {secret}\n"),
        )
        .replace(
            "nobody = ",
            "\"slack:U1\" = \"corp:olga\"\n\"slack:U3\" = \"corp:sam\"\nnobody = ",
        )
        .replace("\"20m\"", "\"20m\"\nproof = \"chat\"");
    have_people_asked(&world, "", &(config + &slack(chat)))?;
    world.start_daemon()?;
    Ok((world, approver))
}

/// Waits for the message about a request whose title begins so, as it was posted or changed.
fn message(chat: &Chat, request: &Request, title: &str) -> Result<Value> {
    let start = time::instant();
    let begin = format!("Icecore: {title}");
    let id = request.id.to_string();
    while start.elapsed() < WITHIN {
        let taken = chat.taken().into_iter().map(|(_, message)| message);
        let mut of_it = taken.filter(|one| {
            let text = one["text"].as_str().unwrap_or_default();
            text.starts_with(&begin) && text.contains(&id)
        });
        if let Some(message) = of_it.next() {
            return Ok(message);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!(
        "no `{title}` of {id}; took {:?}, refused {:?}",
        chat.taken(),
        chat.wrong()
    )
}

fn executed(world: &World, text: &str) -> Result<usize> {
    let executed = world.gate.executed()?;
    Ok(executed.iter().filter(|sql| sql.contains(text)).count())
}

#[test]
fn a_click_counts_where_a_group_takes_it_and_nowhere_else() -> Result<()> {
    let chat = Chat::start(Kind::Slack, &[])?;
    let (world, approver) = world(&chat)?;
    let taking = Taking::start(&world)?;
    let pause = json!({"do": "pause"});
    let close =
        json!({"name": "close", "target": "/session?delete=true", "headers": token(), "body": {}});
    let grant = "grant select on table ORDERS to role READER";
    let steps = json!([
        login(),
        later("yes", "c1", &insert(951)),
        pause,
        later("again", "c2", &insert(951)),
        pause,
        later("grant", "c3", grant),
        pause,
        close,
    ]);
    let mut client = raw::start(&world, &steps)?;
    for step in ["login", "yes", "pause"] {
        client.expect(step)?;
    }
    let request = approver.wait("951")?;
    let asked = message(&chat, &request, "A statement waits")?;
    assert_eq!(buttons(&asked), ["Approve", "Deny", "Open the inbox"]);

    // What somebody else clicked, or changed on its way, and a button that opens a page: they are put, and say nothing.
    let yes = Click::on(&asked, "Approve", "U1")?;
    let of_another = Click::on(&asked, "Approve", "U2")?;
    assert_eq!(of_another.post(&taking.url)?, 200);
    assert_eq!(
        of_another.changed("\"U2\"", "\"U1\"").post(&taking.url)?,
        200
    );
    let no = Click::on(&asked, "Deny", "U1")?;
    assert_eq!(no.changed("deny:", "approve:").post(&taking.url)?, 200);
    assert_eq!(
        Click::on(&asked, "Open the inbox", "U1")?.post(&taking.url)?,
        200
    );
    let of_nothing = Click::of(
        &asked,
        json!({"value": format!("approve:{}", "0".repeat(64))}),
        "U1",
    );
    assert_eq!(of_nothing.post(&taking.url)?, 409);
    std::thread::sleep(LONG_ENOUGH);
    assert_eq!(executed(&world, "951")?, 0);

    assert_eq!(yes.post(&taking.url)?, 200);
    assert_eq!(approver.outcome(&request)?, "approved");
    let ended = message(&chat, &request, "Approved")?;
    assert!(
        ended.to_string().contains("corp:olga (chat, by slack)"),
        "{ended}"
    );
    assert!(buttons(&ended).is_empty(), "{ended}");

    // The same text again is another request: that click is no word on it, however it comes there.
    client.go_on()?;
    client.expect("again")?;
    client.expect("pause")?;
    let again = approver.wait("951")?;
    assert_ne!(again.id, request.id);
    assert_eq!(yes.post(&taking.url)?, 409);
    let (digest, other) = (hex(&request.digest()?), hex(&again.digest()?));
    let mut replayed = 0;
    for entry in std::fs::read_dir(approver.folder(request.id)?)? {
        let path = entry?.path();
        if path.to_string_lossy().contains("/decision-") {
            let text = std::fs::read_to_string(path)?;
            let text = text.replace(&request.id.to_string(), &again.id.to_string());
            // What Slack signed stands in base64 and stays; what is said is about the other request.
            approver.put(&again, text.replace(&digest, &other).as_bytes())?;
            replayed += 1;
        }
    }
    assert_eq!(replayed, 4);
    std::thread::sleep(LONG_ENOUGH);
    assert_eq!(executed(&world, "951")?, 1);
    let asked = message(&chat, &again, "A statement waits")?;
    assert_eq!(Click::on(&asked, "Deny", "U1")?.post(&taking.url)?, 200);
    assert_eq!(approver.outcome(&again)?, "denied");

    // A group that takes no click gets no such button, and one that Slack signs all the same counts for nothing.
    client.go_on()?;
    client.expect("grant")?;
    client.expect("pause")?;
    let request = approver.wait("grant select")?;
    let asked = message(&chat, &request, "A statement waits")?;
    assert_eq!(buttons(&asked), ["Open the inbox"]);
    let value = format!("approve:{}", hex(&request.digest()?));
    let forced = Click::of(
        &asked,
        json!({"action_id": "icecore_approve", "value": value}),
        "U3",
    );
    assert_eq!(forced.post(&taking.url)?, 200);
    assert_eq!(approver.outcome(&request)?, "expired");
    assert_eq!(executed(&world, "grant")?, 0);
    client.go_on()?;
    client.expect("close")?;
    drop(client.finish()?);
    assert_eq!(chat.wrong(), Vec::<String>::new());
    recorded(&world)
}

/// The record has who clicked, and each click that did not count with its cause.
fn recorded(world: &World) -> Result<()> {
    world.flush()?;
    let events = world.query("select detail from events where event_code = 'AP001'")?;
    let told = Value::from(events).to_string();
    for cause in [
        "found `slack:U2`",
        "expected a signature of the signing secret",
        "the button with the answer and digest",
        "found `chat`",
    ] {
        assert!(told.contains(cause), "no `{cause}` in {told}");
    }
    Ok(())
}
