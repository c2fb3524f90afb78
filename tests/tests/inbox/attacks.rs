//! What must not open, read or use somebody's inbox, each beside what does.

use anyhow::{Context, Result};
use icecore::approval::Request;
use icecore_tests::harness::browser::Browser;
use icecore_tests::harness::issuer::Issuer;
use serde_json::{Value, json};

use crate::machine::{Answer, Machine, Serving};

/// A person, whose token says this beside what it must.
fn person(more: Value) -> Value {
    let mut claims = json!({ "sub": "ada", "email": "ada@acme.test" });
    if let (Some(all), Some(more)) = (claims.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    claims
}

/// An inbox with one request that waits: the issuer, the machine, the server, the request, and its path.
fn inbox() -> Result<(Issuer, Machine, Serving, Request, String)> {
    let issuer = Issuer::start()?;
    issuer.set_person(Some(person(json!({}))));
    let machine = Machine::new(&issuer.url(), "approvals")?;
    let request = machine.host.ask(|_| {})?;
    let mut serving = machine.serve()?;
    let path = format!("{}r/{}", serving.enter()?, request.id);
    Ok((issuer, machine, serving, request, path))
}

/// What the page's form sends for a yes.
fn form(page: &Answer) -> Result<String> {
    let (token, digest) = (page.field("token")?, page.field("digest")?);
    Ok(format!(
        "token={token}&digest={digest}&reason=fine&grant=&answer=approve"
    ))
}

/// Says yes by the page's form and logs in; gives the path at which the issuer has the browser come back.
fn say_yes(serving: &Serving, path: &str) -> Result<String> {
    let onward = serving.post(path, &form(&serving.load(path)?)?)?;
    assert_eq!(onward.status, 200, "{}", onward.body);
    let (_, rest) = onward.body.split_once("<a href=\"").context("no link")?;
    let url = rest.split('"').next().unwrap_or_default();
    let url = url.replace("&amp;", "&");
    assert!(url.contains("&max_age=0"), "{url}");
    let back = Browser::default().load(&url, None)?.location;
    let back = back.context("the issuer sends nobody back")?;
    let own = format!("http://{}", serving.authority());
    Ok(back.strip_prefix(&own).context("elsewhere")?.to_owned())
}

#[test]
fn a_yes_is_what_the_issuer_signed_and_its_answer_is_good_once() -> Result<()> {
    let (_issuer, machine, serving, request, path) = inbox()?;
    let back = say_yes(&serving, &path)?;
    assert_eq!(machine.host.decisions(&request)?, [], "a click decided");
    let wrong = back.replace("state=", "state=x");
    for refused in ["/callback?code=c&state=guess", "/callback", &wrong] {
        let answer = serving.load(refused)?;
        assert_eq!(answer.status, 403, "{refused}: {}", answer.body);
    }
    assert_eq!(machine.host.decisions(&request)?, []);
    let done = serving.load(&back)?;
    assert_eq!(done.status, 200, "{}", done.body);
    let leads_on = format!("content=\"0;url={path}\"");
    assert!(done.body.contains(&leads_on), "{}", done.body);
    let decisions = machine.host.decisions(&request)?;
    assert_eq!(decisions.len(), 1);
    let again = serving.load(&back)?;
    assert_eq!(again.status, 403, "{}", again.body);
    assert_eq!(machine.host.decisions(&request)?, decisions);
    let told = serving.load(&path)?.body;
    assert!(told.contains("ada@acme.test said yes"), "{told}");
    Ok(())
}

/// Tokens that prove something else: nothing is put into the mailbox.
#[test]
fn a_token_of_something_else_says_nothing() -> Result<()> {
    let (issuer, machine, serving, request, path) = inbox()?;
    for (claims, expected) in [
        (
            json!({ "nonce": "icecore-approval:00" }),
            "that is the digest of what is decided",
        ),
        (json!({ "auth_time": 1_700_000_000 }), "`auth_time`"),
        (json!({ "auth_time": null }), "`auth_time`"),
        (
            json!({ "auth_time": chrono::Utc::now().timestamp() - 120 }),
            "a login made for this decision",
        ),
        (json!({ "aud": "icecore" }), "`aud`"),
        (json!({ "iss": "https://evil.test" }), "evil.test"),
        (json!({ "act": { "sub": "agent" } }), "of a program"),
    ] {
        issuer.set_person(Some(person(claims.clone())));
        let refused = serving.load(&say_yes(&serving, &path)?)?;
        assert_eq!(refused.status, 502, "{claims}: {}", refused.body);
        let body = &refused.body;
        assert!(
            body.contains(expected) || body.contains(&expected.replace('`', "&#96;")),
            "{claims}: {body}"
        );
    }
    issuer.set_person(None);
    let refused = serving.load(&say_yes(&serving, &path)?)?.body;
    assert!(refused.contains("access_denied"), "{refused}");
    assert_eq!(machine.host.decisions(&request)?, []);
    issuer.set_person(Some(person(json!({}))));
    assert_eq!(serving.load(&say_yes(&serving, &path)?)?.status, 200);
    Ok(())
}

#[test]
fn other_sites_and_other_names_of_this_host_reach_nothing() -> Result<()> {
    let (_issuer, machine, mut serving, request, path) = inbox()?;
    let page = serving.load(&path)?;
    let form = form(&page)?;
    let port = serving.authority().rsplit(':').next().unwrap_or_default();
    // DNS rebinding: the name of another site leads here.
    for host in ["evil.test", "localhost", "127.0.0.2"] {
        let headers = format!("Host: {host}:{port}\r\nOrigin: http://{host}:{port}\r\n");
        for line in [format!("GET {path}"), format!("POST {path}")] {
            let answer = serving.ask_as(&line, &headers, &form)?;
            assert_eq!(answer.status, 421, "{line}: {}", answer.body);
            assert!(!answer.body.contains("CUSTOMERS"));
        }
    }
    for headers in ["", "Origin: null\r\n", "Origin: https://evil.test\r\n"] {
        let answer = serving.ask(&format!("POST {path}"), headers, &form)?;
        assert_eq!(answer.status, 403, "{headers}");
    }
    for form in [
        form.replace("token=", "token=0"),
        form.replace("token=", "x="),
        form.replace("digest=", "digest=0"),
        String::new(),
    ] {
        let answer = serving.post(&path, &form)?;
        let status = answer.status;
        assert!(matches!(status, 400 | 403), "{form}: {status}");
    }
    // A link is good once, and what leads inside is in no page that anybody else gets.
    let used = serving.link_path();
    serving.enter()?;
    let answer = serving.load(&used)?;
    assert_eq!((answer.status, answer.header("location")), (410, None));
    let secret = path.split('/').nth(1).context("no secret")?;
    for outside in ["/", "/callback?x=y", "/r/1", "/open/x"] {
        let answer = serving.load(outside)?;
        assert!(answer.status >= 400, "{outside}: {}", answer.status);
        assert!(!answer.body.contains(secret), "{outside}");
    }
    assert_eq!(machine.host.decisions(&request)?, []);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), Some(value));
    }
    assert_eq!(page.header("set-cookie"), None);
    assert_eq!(serving.post(&path, &form)?.status, 200);
    Ok(())
}
