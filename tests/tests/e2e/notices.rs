//! Chats and programs are told of requests and their ends; where that fails, the record says so and nobody waits.

use std::time::Duration;

use anyhow::{Result, bail};
use icecore::approval::Answer;
use icecore_tests::harness::chats::{Chat, Kind, SLACK_TOKEN, WEBHOOK_SECRET};
use icecore_tests::harness::port::Port;
use icecore_tests::time;
use serde_json::{Value, json};

use crate::approvals::{later, world_with};
use crate::raw::{self, login, token};

/// Longest wait for a notice.
const WITHIN: Duration = Duration::from_secs(30);

pub(crate) fn printed(secret: &str) -> String {
    format!("{{ source = \"command\", argv = [\"/usr/bin/printf\", \"{secret}\"] }}")
}

pub(crate) fn slack(chat: &Chat) -> String {
    let (origin, token) = (chat.origin(), printed(SLACK_TOKEN));
    format!(
        "[[approvals.notify]]\nkind = \"slack\"\napi = \"{origin}/api\"\nchannel = \"#approvals\"\ntoken = {token}\n\
         inbox_url = \"https://inbox.acme.test/{{id}}\"\n"
    )
}

fn webhook(origin: &str, more: &str) -> String {
    let secret = printed(WEBHOOK_SECRET);
    format!(
        "[[approvals.notify]]\nkind = \"webhook\"\nurl = \"{origin}/hook\"\nsecret = {secret}\n{more}"
    )
}

/// Waits until a place took so many.
#[track_caller]
fn taken(chat: &Chat, count: usize) -> Result<Vec<(String, Value)>> {
    let start = time::instant();
    while start.elapsed() < WITHIN {
        let taken = chat.taken();
        if taken.len() >= count {
            assert_eq!(taken.len(), count, "{taken:?}");
            return Ok(taken);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("took {:?}, refused {:?}", chat.taken(), chat.wrong())
}

/// Has a statement asked for, says yes to it, and waits for its rows.
fn ask_and_approve(
    groups: &str,
    sql: &str,
    told: impl FnOnce() -> Result<()>,
) -> Result<Vec<Value>> {
    let (world, approver) = world_with("", groups)?;
    let close =
        json!({"name": "close", "target": "/session?delete=true", "headers": token(), "body": {}});
    let mut client = raw::start(
        &world,
        &json!([login(), later("held", "n1", sql), {"do": "pause"}, close]),
    )?;
    client.expect("login")?;
    client.expect("held")?;
    client.expect("pause")?;
    let request = approver.wait("801")?;
    approver.say(&request, "olga", Answer::Approve)?;
    assert_eq!(approver.outcome(&request)?, "approved");
    told()?;
    client.go_on()?;
    client.expect("close")?;
    drop(client.finish()?);
    world.flush()?;
    world.query("select event_code, severity, detail from events where event_code = 'AP005'")
}

#[test]
fn a_request_and_its_end_are_told_in_each_place() -> Result<()> {
    let chat = Chat::start(Kind::Slack, &[(429, Some(2))])?;
    let teams = Chat::start(Kind::Teams, &[])?;
    let program = Chat::start(Kind::Webhook, &[(500, None)])?;
    let other = Chat::start(Kind::Webhook, &[])?;
    let workflow = printed(&format!("{}/workflow?sig=5e0c", teams.origin()));
    let groups = [
        slack(&chat),
        format!("[[approvals.notify]]\nkind = \"teams\"\nworkflow = {workflow}\n"),
        webhook(&program.origin(), "groups = [\"data-owners\"]\n"),
        webhook(&other.origin(), "groups = [\"security\"]\n"),
    ];
    let sql = "insert into ORDERS values (801, '<!channel> ```<https://evil.test|yes>', 1)";
    let events = ask_and_approve(&groups.concat(), sql, || {
        let messages = taken(&chat, 2)?;
        let [(posted, asked), (changed, ended)] = &*messages else {
            bail!("{messages:?}")
        };
        assert_eq!(
            (&**posted, &**changed),
            ("/api/chat.postMessage", "/api/chat.update")
        );
        let (asked, ended) = (asked.to_string(), ended.to_string());
        assert!(asked.contains("A statement waits for a yes"), "{asked}");
        assert!(asked.contains("https://inbox.acme.test/0"), "{asked}");
        assert!(asked.contains("&lt;!channel&gt; \\\\u{60}"), "{asked}");
        assert!(
            ended.contains("corp:olga (idp-per-decision, by cli)"),
            "{ended}"
        );

        let cards = taken(&teams, 2)?;
        assert!(
            cards
                .iter()
                .all(|(_, card)| card.to_string().contains("<!channel>"))
        );

        let told = taken(&program, 2)?;
        let kinds: Vec<&Value> = told.iter().map(|(_, body)| &body["type"]).collect();
        assert_eq!(kinds, ["approval.requested", "approval.approved"]);
        let ids = program.ids();
        assert_eq!(ids.len(), 3, "{ids:?}");
        assert_eq!(ids[0], ids[1], "sent again under its own id");
        assert_ne!(ids[1], ids[2]);
        Ok(())
    })?;
    assert_eq!(events, Vec::<Value>::new());
    for place in [&chat, &teams, &program, &other] {
        assert_eq!(place.wrong(), Vec::<String>::new());
    }
    assert_eq!(other.ids().len(), 0, "nobody of that group was asked");
    Ok(())
}

/// One place is away and one refuses: the statement waits for neither, and the record has what was refused.
#[test]
fn a_place_that_is_away_holds_up_nobody() -> Result<()> {
    let refuses = Chat::start(Kind::Webhook, &[(410, None), (410, None)])?;
    let port = Port::take()?;
    let away = format!("http://127.0.0.1:{}", port.number());
    let groups = webhook(&away, "") + &webhook(&refuses.origin(), "");
    let sql = "insert into ORDERS values (801, 'held', 1)";
    let events = ask_and_approve(&groups, sql, || {
        let start = time::instant();
        while refuses.ids().len() < 2 && start.elapsed() < WITHIN {
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    })?;
    let told: Vec<String> = events.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(
        told.iter().all(|one| one.contains("HTTP status 410")),
        "{told:?}"
    );
    assert_eq!(refuses.wrong(), Vec::<String>::new());
    Ok(())
}
