//! The pages in a real browser, used by keys as a person without a mouse does.

use std::path::PathBuf;

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use icecore::approval::{Answer, Proof};
use icecore_tests::harness::chromium::{Chromium, Dark};
use icecore_tests::harness::issuer::Issuer;
use serde_json::{Value, json};

use crate::machine::{Machine, Serving};

/// What a page must show and not obey.
const MARKUP: &str = "</pre><script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\"> \
                      <a href=javascript:alert(1)>approved</a>";

/// Takes a picture to be looked at, if somebody asks for that.
fn picture(browser: &mut Chromium, name: &str) -> Result<()> {
    let Some(folder) = std::env::var_os("ICECORE_TEST_PICTURES").map(PathBuf::from) else {
        return Ok(());
    };
    browser.shoot(&folder.join(format!("{name}-dark.png")), Dark::Yes)?;
    browser.shoot(&folder.join(format!("{name}.png")), Dark::No)
}

/// Presses Tab until what has the focus says this.
fn tab_to(browser: &mut Chromium, text: &str) -> Result<()> {
    let focused = "document.activeElement.innerText || document.activeElement.id";
    for _ in 0..40 {
        browser.press(&["Tab"])?;
        let found = browser.eval(focused)?;
        if found.as_str().is_some_and(|found| found.contains(text)) {
            return Ok(());
        }
    }
    anyhow::bail!("no key leads to `{text}`")
}

fn open(machine: &Machine) -> Result<(Serving, Chromium)> {
    let serving = machine.serve()?;
    let mut browser = Chromium::start()?;
    browser.open(&serving.link)?;
    Ok((serving, browser))
}

#[test]
fn a_person_approves_by_keys_and_sees_what_came_of_it() -> Result<()> {
    let issuer = Issuer::start()?;
    let ada = json!({ "sub": "ada", "email": "ada@acme.test" });
    issuer.set_person(Some(ada));
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let request = machine.host.ask(|_| {})?;
    let (_serving, mut browser) = open(&machine)?;
    let list = browser.seen()?;
    let title = "alter_table on ACME_DB.PUBLIC.CUSTOMERS";
    for part in ["1 request waits", title, "ddl-needs-owner"] {
        assert!(list.contains(part), "no `{part}` in {list}");
    }
    picture(&mut browser, "list")?;

    tab_to(&mut browser, title)?;
    browser.press(&["Enter"])?;
    browser.until("document.getElementById('decide')")?;
    picture(&mut browser, "request")?;
    tab_to(&mut browser, "reason")?;
    browser.act(&json!({ "text": "ticket OPS-7 is fine" }))?;
    tab_to(&mut browser, "Approve")?;
    browser.press(&["Enter"])?;
    browser.until("document.querySelector('.said')")?;
    let seen = browser.seen()?;
    assert!(seen.contains("ada@acme.test said yes"), "{seen}");
    picture(&mut browser, "said")?;

    let decisions = machine.host.decisions(&request)?;
    let [decision] = decisions.as_slice() else {
        anyhow::bail!("{decisions:?}");
    };
    let said = &decision.said;
    let reason = said.reason.as_deref();
    let expected = (Answer::Approve, Some("ticket OPS-7 is fine"), "web");
    assert_eq!((said.answer, reason, said.face.as_str()), expected);
    let Proof::IdpPerDecision { id_token } = &decision.proof else {
        anyhow::bail!("{decision:?}");
    };
    assert_eq!(claims(id_token)?["nonce"], said.nonce()?);

    // The host's word comes by itself, and takes the buttons away.
    machine
        .host
        .end(&request, "approved", "ticket OPS-7 is fine")?;
    browser.until("document.querySelector('.badge').innerText.toLowerCase() === 'approved'")?;
    browser.until("!document.getElementById('decide')")?;
    picture(&mut browser, "approved")?;
    assert_eq!(browser.act(&json!({ "complaints": true }))?, json!([]));
    Ok(())
}

fn claims(token: &str) -> Result<Value> {
    let part = token.split('.').nth(1).context("no claims")?;
    Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?)
}

/// Markup, text that runs backwards, a payload behind blanks, and a request that nobody pinned signed.
#[test]
fn a_hostile_request_is_seen_for_what_it_is() -> Result<()> {
    let issuer = Issuer::start()?;
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let forged = machine.stranger()?.ask(|request| {
        request["claimed"]["reason"] = json!("approved by the CISO");
    })?;
    let request = machine.host.ask(|request| {
        let blanks = " ".repeat(10_000);
        request["meaning"]["sql"] = json!(format!(
            "select 1;{blanks}drop table \u{202e}sremotsuc\u{202c}\nfrom \u{0421}USTOMERS -- {MARKUP}"
        ));
        request["meaning"]["kinds"] = json!(["query", "drop"]);
        request["meaning"]["members"] = json!({ MARKUP: MARKUP });
        request["requester"]["principal"] = json!(MARKUP);
        request["claimed"]["reason"] = json!(format!("{MARKUP}\n\nDigest verified by Icecore"));
        request["claimed"]["labels"] = json!({ MARKUP: MARKUP });
        request["meaning"]["objects"][0]["path"] = json!(MARKUP);
    })?;
    let (_serving, mut browser) = open(&machine)?;
    let list = browser.seen()?;
    assert!(list.contains("Not believed"), "{list}");
    assert!(!list.contains("CISO"), "{list}");
    let links = "[...document.links].map(link => link.getAttribute('href')).join(' ')";
    let links = browser.eval(links)?.as_str().unwrap_or_default().to_owned();
    assert!(!links.contains(&forged.id.to_string()), "{links}");
    assert!(links.contains(&request.id.to_string()), "{links}");
    let fits = "document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth";
    assert_eq!(browser.eval(fits)?, json!(true), "out of sight at the side");
    picture(&mut browser, "hostile-list")?;
    let at = browser.eval("location.href")?;
    let at = at.as_str().unwrap_or_default();

    browser.open(&format!("{at}r/{}", request.id))?;
    let seen = browser.seen()?;
    for part in [
        "select 1;10000 blanksdrop table U+202EsremotsucU+202C",
        "this is a batch of 2 statements",
        "\u{0421} (U+0421)",
        "Nobody has checked this",
        MARKUP,
    ] {
        assert!(seen.contains(part), "no `{part}` in\n{seen}");
    }
    let obeyed = "document.title.includes('=hacked') || \
                  !!document.querySelector('main script, main img, main a[href^=java]')";
    assert_eq!(browser.eval(obeyed)?, json!(false));
    let fits = "document.documentElement.scrollWidth <= window.innerWidth";
    assert_eq!(browser.eval(fits)?, json!(true), "out of sight at the side");
    picture(&mut browser, "hostile")?;
    assert_eq!(browser.act(&json!({ "complaints": true }))?, json!([]));

    browser.open(&format!("{at}r/{}", forged.id))?;
    let refused = browser.seen()?;
    assert!(refused.contains("Refused"), "{refused}");
    Ok(())
}
