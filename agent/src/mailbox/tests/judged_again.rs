//! What `verify --replay` finds of approvals that a tampered recorder says it was given, each beside its honest twin.

use super::*;
use crate::approval::Hours;
use crate::record::ApprovalRow;

/// One person's word: who, in the name of which group, for how many seconds more.
type Spoken<'a> = (&'a str, &'a str, Option<u64>);

/// What a record is to say.
struct Told<'a> {
    request: &'a Request,
    said: &'a [Spoken<'a>],
    /// How much later than it was asked people are to have said it.
    said_after: TimeDelta,
    /// How long ago it is to have been used.
    used_ago: TimeDelta,
    is_break_glass: bool,
    granted_by: Option<&'a Request>,
}

impl<'a> Told<'a> {
    fn of(request: &'a Request, said: &'a [Spoken<'a>]) -> Self {
        Self {
            request,
            said,
            said_after: TimeDelta::zero(),
            used_ago: TimeDelta::zero(),
            is_break_glass: false,
            granted_by: None,
        }
    }

    fn broken(request: &'a Request, said: &'a [Spoken<'a>]) -> Self {
        Self {
            is_break_glass: true,
            ..Self::of(request, said)
        }
    }

    fn granted(request: &'a Request, by: &'a Request) -> Self {
        Self {
            granted_by: Some(by),
            ..Self::of(request, &[])
        }
    }
}

/// Gives groups of which one sleeps always, and another breaks the glass.
pub(super) fn groups() -> [(String, Group); 2] {
    let never = Hours {
        days: Vec::new(),
        from_minute: 0,
        to_minute: 1440,
        offset_minutes: 0,
    };
    let asleep = Group {
        hours: Some(never),
        ..owners()
    };
    let glass = Group {
        break_glass: true,
        ..group(&["okta:gil", "okta:gus"], 1)
    };
    [("asleep".to_owned(), asleep), ("glass".to_owned(), glass)]
}

/// Writes what a record would say, had its host judged so.
fn tell(host: &Host, told: &Told<'_>) {
    let request = told.request;
    let rows = Rows {
        recorder: &host.recorder,
        request,
        digest: request.digest().unwrap(),
    };
    let mut all = rows.requested().unwrap();
    let keys = crate::record::sha256(host.signer.jwks().as_bytes());
    for (subject, group, grant_s) in told.said {
        let mut word = host.says(
            &hex(&rows.digest),
            request,
            (subject, Answer::Approve, *grant_s),
        );
        let at = request.requested_at + told.said_after;
        if !told.said_after.is_zero() {
            word.said.decided_at = at;
            let claims = json!({
                "iss": "https://id.acme.test", "sub": subject, "aud": "approvals", "iat": at.timestamp(),
                "exp": at.timestamp() + 300, "auth_time": at.timestamp(), "nonce": word.said.nonce().unwrap(),
            });
            let head = r#"{"alg":"EdDSA","kid":"k1"}"#;
            let id_token = host.signer.token(head, &claims.to_string());
            word.proof = Proof::IdpPerDecision { id_token };
        }
        let text = serde_json::to_string(&word).unwrap();
        let counted = crate::approval::Counted {
            sha256: hex(&crate::record::sha256(text.as_bytes())),
            answer: Answer::Approve,
            person: format!("okta:{subject}"),
            groups: [(*group).to_owned()].into(),
            grade: word.proof.grade(),
            acr: None,
            amr: std::collections::BTreeSet::new(),
            at: DateTime::from_timestamp(word.said.decided_at.timestamp(), 0).unwrap(),
            reason: word.said.reason.clone(),
            grant_s: *grant_s,
            face: "cli".to_owned(),
            keys_sha256: Some(keys),
        };
        all.extend(rows.decision(&counted, word.said.decided_at, &text));
    }
    for state in ["approved", "used"] {
        let at = Clock::system().now() - told.used_ago;
        let Row::Approval(row) = rows.ended(state, Vec::new(), at) else {
            panic!();
        };
        let row = ApprovalRow {
            break_glass: Some(told.is_break_glass),
            granted_by: told.granted_by.map(|request| request.id),
            // Longer than anybody said.
            grant_s: Some(86400),
            used_by_statement_id: (state == "used").then_some(request.statement_id),
            ..*row
        };
        all.push(row.into());
    }
    let _receipt = host.recorder.commit_blocking(all).unwrap();
}

/// Checks a record of one approval.
#[track_caller]
fn check(host: &Host, told: &[Told<'_>], expected: (u64, usize)) {
    for told in told {
        tell(host, told);
    }
    let (again, codes) = host.checked_again();
    assert_eq!((again, codes.len()), expected);
}

fn of_nobody_known(host: &Host, group: &str) -> Request {
    let mut asked = request(host.mailbox.rules(), "ci", &[group]);
    asked.chain = host.mailbox.chain().to_owned();
    asked.requested_at = Clock::system().now();
    asked.expires_at = asked.requested_at + TimeDelta::seconds(600);
    asked
}

/// Makes another request of the same session.
fn next(host: &Host, earlier: &Request, sql: &str) -> Request {
    let mut next = host.request(600);
    next.session_id = earlier.session_id;
    next.meaning.sql = sql.to_owned();
    next
}

#[test]
fn a_yes_for_a_while_covers_what_it_was_said_to_alone() {
    let first = |host: &Host| host.request(600);
    let yes: &[Spoken<'_>] = &[("ann", "owners", Some(60))];
    let same = "delete from t where id = 7";
    let host = Host::new(&[]);
    let earlier = first(&host);
    let again = next(&host, &earlier, same);
    let honest = [Told::of(&earlier, yes), Told::granted(&again, &earlier)];
    check(&host, &honest, (2, 0));
    // Another statement of the session.
    let host = Host::new(&[]);
    let earlier = first(&host);
    let other = next(&host, &earlier, "delete from t");
    let told = [Told::of(&earlier, yes), Told::granted(&other, &earlier)];
    check(&host, &told, (1, 1));
    // Nobody said it for a while, whatever the row says.
    let host = Host::new(&[]);
    let earlier = first(&host);
    let again = next(&host, &earlier, same);
    let once: &[Spoken<'_>] = &[("ann", "owners", None)];
    let told = [Told::of(&earlier, once), Told::granted(&again, &earlier)];
    check(&host, &told, (1, 1));
    // The earlier one does not hold itself.
    let host = Host::new(&[]);
    let earlier = first(&host);
    let again = next(&host, &earlier, same);
    let stranger: &[Spoken<'_>] = &[("zoe", "owners", Some(60))];
    let told = [
        Told::of(&earlier, stranger),
        Told::granted(&again, &earlier),
    ];
    check(&host, &told, (0, 2));
}

#[test]
fn a_yes_for_a_while_that_is_over_covers_nothing() {
    for (ago_s, expected) in [(30, (2, 0)), (120, (1, 1))] {
        let host = Host::new(&[]);
        let mut earlier = host.request(600);
        earlier.requested_at -= TimeDelta::seconds(ago_s);
        earlier.expires_at -= TimeDelta::seconds(ago_s);
        let again = next(&host, &earlier, "delete from t where id = 7");
        let yes: &[Spoken<'_>] = &[("ann", "owners", Some(60))];
        let first = Told {
            said_after: TimeDelta::seconds(1),
            used_ago: TimeDelta::seconds(ago_s - 2),
            ..Told::of(&earlier, yes)
        };
        check(&host, &[first, Told::granted(&again, &earlier)], expected);
    }
}

#[test]
fn where_nobody_knows_who_asks_one_alone_breaks_no_glass() {
    let two: &[Spoken<'_>] = &[("gil", "glass", None), ("gus", "glass", None)];
    let one = &two[..1];
    for (said, expected) in [(two, (1, 0)), (one, (0, 1))] {
        let host = Host::new(&[]);
        let asked = of_nobody_known(&host, "two");
        check(&host, &[Told::broken(&asked, said)], expected);
    }
    // Where somebody is known, one may; of those who may.
    for (who, expected) in [
        (("gil", "glass", None), (1, 0)),
        (("ann", "two", None), (0, 1)),
    ] {
        let host = Host::new(&[]);
        let asked = host.request_of("two", 600);
        check(&host, &[Told::broken(&asked, &[who])], expected);
    }
}

#[test]
fn own_late_and_sleeping_words_are_found_and_requests_that_ask_less() {
    let yes: &[Spoken<'_>] = &[("ann", "owners", None)];
    // Her own.
    let host = Host::new(&[]);
    let mut own = host.request(600);
    own.requester = crate::approval::fixtures::requester("okta:ann");
    check(&host, &[Told::of(&own, yes)], (0, 1));
    // After the end, and before it was asked.
    for (after_s, expected) in [(10, (1, 0)), (700, (0, 1)), (-100, (0, 1))] {
        let host = Host::new(&[]);
        let mut asked = host.request(600);
        asked.requested_at -= TimeDelta::seconds(590);
        asked.expires_at -= TimeDelta::seconds(590);
        let said_after = TimeDelta::seconds(after_s);
        check(
            &host,
            &[Told {
                said_after,
                ..Told::of(&asked, yes)
            }],
            expected,
        );
    }
    // Outside of the group's hours.
    let host = Host::new(&[]);
    let asked = host.request_of("asleep", 600);
    check(
        &host,
        &[Told::of(&asked, &[("ann", "asleep", None)])],
        (0, 1),
    );
    // One where the rules say two.
    let host = Host::new(&[]);
    let mut asked = of_nobody_known(&host, "owners");
    for need in &mut asked.needs {
        need.approvers = 1;
    }
    check(&host, &[Told::of(&asked, yes)], (0, 1));
    // Longer than the group waits.
    let host = Host::new(&[]);
    check(&host, &[Told::of(&host.request(3601), yes)], (0, 1));
}
