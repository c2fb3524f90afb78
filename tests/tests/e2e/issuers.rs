//! Issuers that change their keys, are slow, or are away.

use std::time::Duration;

use anyhow::Result;
use icecore_tests::harness::issuer::Issuer;
use icecore_tests::time;
use serde_json::json;

use crate::identity::{opens, refuses, run, with_token, world, world_with};

/// Keys come and go: a new one is found at once, invented ones cause no storm, a provider that is down harms nobody yet.
#[test]
fn keys_rotate_and_outlive_their_provider() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer.url(), "")?;
    let old = issuer.token(&json!({}))?;
    opens(&world, &old);
    issuer.rotate("key-2")?;
    opens(&world, &issuer.token(&json!({}))?);
    refuses(&world, &old, "found 0 that fit");
    let before = issuer.asked("/keys");
    for number in 0..8 {
        let invented = issuer.token_by(&format!("invented-{number}"), &json!({}))?;
        refuses(&world, &invented, "found 0 that fit");
    }
    let looks = issuer.asked("/keys") - before;
    assert!(looks <= 3, "{looks} looks for 8 invented keys");
    issuer.set_down(true);
    opens(&world, &issuer.token(&json!({}))?);
    Ok(())
}

#[test]
fn without_keys_nobody_is_known_until_the_provider_is_back() -> Result<()> {
    let issuer = Issuer::start()?;
    issuer.set_down(true);
    let world = world(&issuer.url(), "")?;
    let token = issuer.token(&json!({}))?;
    refuses(&world, &token, "none to check the token with");
    issuer.set_down(false);
    let start = time::instant();
    while !with_token(&world, &token)?.status.success() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "the keys are never read"
        );
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}

/// An issuer that takes its time keeps those waiting who bring its tokens, and nobody else.
#[test]
fn a_slow_issuer_holds_up_no_other_session() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world_with("[identity]\nwithout_token = \"host\"", &issuer.url(), "")?;
    opens(&world, &issuer.token(&json!({}))?);
    issuer.rotate("key-2")?;
    let token = issuer.token(&json!({}))?;
    issuer.set_delay(Duration::from_secs(10));
    let discovery = "/.well-known/openid-configuration";
    let before = issuer.asked(discovery);
    std::thread::scope(|scope| -> Result<()> {
        let slow = scope.spawn(|| with_token(&world, &token));
        let start = time::instant();
        while issuer.asked(discovery) == before {
            assert!(start.elapsed() < Duration::from_secs(20), "never asked");
            std::thread::sleep(Duration::from_millis(10));
        }
        let other = run(&world, &[], &[])?.arg("true").output()?;
        assert!(other.status.success(), "{other:?}");
        issuer.set_delay(Duration::ZERO);
        // Whether the issuer was heard in time or not: its verdict is the last.
        drop(slow.join().expect("a panic is printed")?);
        Ok(())
    })?;
    world.flush()?;
    let order = world.query(
        "select (select min(seq) from sessions_all where idp_subject is null and \"user\" = 'nobody') < \
         (select max(seq) from events where event_code in ('AU001', 'AU002')) as other_came_first",
    )?;
    assert_eq!(order, [json!({ "other_came_first": true })]);
    Ok(())
}

/// A look that is slow is one look for all that wait for it: none of them has one of its own after that.
#[test]
fn those_that_wait_for_a_slow_look_share_it() -> Result<()> {
    let issuer = Issuer::start()?;
    let world = world(&issuer.url(), "")?;
    opens(&world, &issuer.token(&json!({}))?);
    // Discovery and keys: longer together than the least time between two looks.
    issuer.set_delay(Duration::from_secs(3));
    let discovery = "/.well-known/openid-configuration";
    let before = issuer.asked(discovery);
    std::thread::scope(|scope| -> Result<()> {
        for number in 0..3 {
            let invented = issuer.token_by(&format!("invented-{number}"), &json!({}))?;
            let world = &world;
            scope.spawn(move || refuses(world, &invented, "found 0 that fit"));
        }
        Ok(())
    })?;
    assert_eq!(issuer.asked(discovery) - before, 1);
    Ok(())
}
