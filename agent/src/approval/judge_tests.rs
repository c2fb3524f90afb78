//! Laws of who counts: whatever lies beside a request, in whichever order.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use ring::digest::{SHA256, digest};

use super::*;
use crate::approval::Hours;
use crate::approval::canonical::hex;
use crate::approval::fixtures::{at, group, request, rules};
use crate::approval::request::FORMAT_VERSION;

const PEOPLE: [&str; 5] = ["okta:ann", "okta:ben", "okta:cat", "okta:dan", "okta:eve"];

/// One person's word, as it was proved.
#[derive(Clone, Debug)]
struct Spoken {
    person: &'static str,
    answer: Answer,
    grade: Grade,
    at_s: i64,
    salt: u32,
    is_proved: bool,
}

fn word() -> impl Strategy<Value = Spoken> {
    let grades = [Grade::Chat, Grade::IdpKey, Grade::IdpPerDecision];
    (
        prop::sample::select(PEOPLE.to_vec()),
        prop_oneof![4 => Just(Answer::Approve), 1 => Just(Answer::Deny)],
        prop::sample::select(grades.to_vec()),
        -100_i64..4000,
        0_u32..4,
        prop::bool::weighted(0.8),
    )
        .prop_map(|(person, answer, grade, at_s, salt, is_proved)| Spoken {
            person,
            answer,
            grade,
            at_s,
            salt,
            is_proved,
        })
}

fn proved_word(request: &Request, word: &Spoken, proved: Result<Proved, Uncounted>) -> Word {
    let said = Said {
        format_version: FORMAT_VERSION,
        request: request.id,
        digest: hex(&request.digest().unwrap()),
        answer: word.answer,
        reason: Some("because".to_owned()),
        grant_s: None,
        decided_at: at(word.at_s),
        face: "cli".to_owned(),
    };
    Word {
        sha256: hex(digest(&SHA256, format!("{word:?}{}", word.salt).as_bytes()).as_ref()),
        said,
        proved,
    }
}

/// Ann, Ben and Cat are owners; Dan is security; Eve asks.
fn setting() -> (Rules, Arc<Request>) {
    let rules = rules([
        (
            "owners",
            group(&["okta:ann", "okta:ben", "okta:cat", "okta:eve"], 2),
        ),
        ("security", group(&["okta:dan", "okta:cat"], 1)),
        (
            "glass",
            Group {
                break_glass: true,
                ..group(&["okta:dan"], 1)
            },
        ),
    ]);
    let request = request(&rules, "okta:eve", &["owners"]);
    (rules, Arc::new(request))
}

fn proved_by(word: &Spoken) -> Proved {
    Proved {
        person: word.person.to_owned(),
        groups: BTreeSet::new(),
        grade: word.grade,
        at: at(word.at_s),
        acr: None,
        amr: BTreeSet::new(),
        logged_in_at: None,
        keys_sha256: None,
    }
}

fn judged(rules: &Rules, request: &Arc<Request>, words: &[Spoken]) -> Judged {
    let word = |word: &Spoken| {
        let proved = word.is_proved.then(|| proved_by(word));
        proved_word(request, word, proved.ok_or(Uncounted::Other))
    };
    let all: Vec<Word> = words.iter().map(word).collect();
    judge(rules, request, all.iter(), at(3600))
}

/// What came of it, without the approval's own identity.
fn told(judged: &Judged) -> String {
    match &judged.standing {
        Standing::Waiting(missing) => format!("waiting for {missing:?}"),
        Standing::Approved(approval) => {
            format!(
                "approved by {:?}, alone {}",
                approval.by(),
                approval.is_break_glass()
            )
        }
        Standing::Denied(denial) => format!("denied by {}", denial.decision.person),
    }
}

fn yes(person: &'static str, at_s: i64) -> Spoken {
    Spoken {
        person,
        answer: Answer::Approve,
        grade: Grade::IdpPerDecision,
        at_s,
        salt: 0,
        is_proved: true,
    }
}

#[track_caller]
fn check(words: &[Spoken], expected: &str) {
    let (rules, request) = setting();
    assert_eq!(told(&judged(&rules, &request, words)), expected);
}

#[test]
fn two_owners_are_enough_and_one_twice_is_not() {
    let again = Spoken {
        salt: 1,
        ..yes("okta:ann", 20)
    };
    check(&[yes("okta:ann", 10)], "waiting for {\"owners\": 1}");
    check(&[yes("okta:ann", 10), again], "waiting for {\"owners\": 1}");
    let both = [yes("okta:ann", 10), yes("okta:ben", 10)];
    check(
        &both,
        "approved by [\"okta:ann\", \"okta:ben\"], alone false",
    );
}

#[test]
fn who_asks_does_not_count_nor_whom_the_config_puts_behind_them() {
    let both = [yes("okta:ann", 10), yes("okta:eve", 10)];
    check(&both, "waiting for {\"owners\": 1}");
    let (mut rules, request) = setting();
    let people = [("okta:eve".to_owned(), "okta:ben".to_owned())];
    rules.people = BTreeMap::from(people);
    let both = [yes("okta:ann", 10), yes("okta:ben", 10)];
    assert_eq!(
        told(&judged(&rules, &request, &both)),
        "waiting for {\"owners\": 1}"
    );
}

#[test]
fn who_breaks_the_glass_does_it_alone_and_is_named() {
    check(
        &[yes("okta:dan", 10)],
        "approved by [\"okta:dan\"], alone true",
    );
    let (rules, request) = setting();
    let judged = judged(
        &rules,
        &request,
        &[Spoken {
            grade: Grade::Chat,
            ..yes("okta:dan", 10)
        }],
    );
    assert!(matches!(judged.not_counted[0].why, Uncounted::Grade { .. }));
}

/// A job of nobody known may be the breaker's own.
#[test]
fn two_break_the_glass_where_nobody_can_tell_who_asks() {
    let (mut rules, request) = setting();
    let glass = rules.groups.get_mut("glass").unwrap();
    glass.members.insert("okta:cat".to_owned());
    let mut request = (*request).clone();
    request.requester.principal = "github:job".to_owned();
    request.requester.issuer = Some("github".to_owned());
    let request = Arc::new(request);
    let one = [yes("okta:dan", 10)];
    assert!(told(&judged(&rules, &request, &one)).starts_with("waiting"));
    let two = [yes("okta:dan", 10), yes("okta:cat", 10)];
    assert_eq!(
        told(&judged(&rules, &request, &two)),
        "approved by [\"okta:cat\", \"okta:dan\"], alone true"
    );
}

#[test]
fn a_yes_counts_in_working_hours_and_a_no_at_any() {
    let (mut rules, request) = setting();
    let hours = Hours {
        days: Vec::new(),
        from_minute: 0,
        to_minute: 1440,
        offset_minutes: 0,
    };
    rules.groups.get_mut("owners").unwrap().hours = Some(hours);
    let both = [yes("okta:ann", 10), yes("okta:ben", 10)];
    assert_eq!(
        told(&judged(&rules, &request, &both)),
        "waiting for {\"owners\": 2}"
    );
    let no = Spoken {
        answer: Answer::Deny,
        ..yes("okta:ann", 10)
    };
    assert_eq!(told(&judged(&rules, &request, &[no])), "denied by okta:ann");
}

#[test]
fn a_login_from_before_the_request_is_no_word_on_it() {
    let (rules, request) = setting();
    let word = yes("okta:ann", 10);
    for (logged_in_at, counted) in [(at(10), 1), (at(-3600), 0)] {
        let proved = Proved {
            logged_in_at: Some(logged_in_at),
            ..proved_by(&word)
        };
        let all = [proved_word(&request, &word, Ok(proved))];
        let judged = judge(&rules, &request, all.iter(), at(3600));
        assert_eq!(judged.counted.len(), counted, "{judged:?}");
    }
}

#[test]
fn a_grant_is_for_as_long_as_the_most_careful_says() {
    let (mut rules, request) = setting();
    let grants = |rules: &Rules, seconds: [Option<u64>; 2]| {
        let words = [yes("okta:ann", 10), yes("okta:ben", 10)];
        let all = words.iter().zip(seconds).map(|(spoken, seconds)| {
            let mut word = proved_word(&request, spoken, Ok(proved_by(spoken)));
            word.said.grant_s = seconds;
            word
        });
        let all: Vec<Word> = all.collect();
        let judged = judge(rules, &request, all.iter(), at(3600));
        let Standing::Approved(approval) = judged.standing else {
            panic!("{judged:?}");
        };
        approval.grant_s()
    };
    assert_eq!(grants(&rules, [Some(60), Some(90)]), None);
    rules.groups.get_mut("owners").unwrap().grant_max = Some(Duration::from_secs(80));
    assert_eq!(grants(&rules, [Some(60), Some(90)]), Some(60));
    assert_eq!(grants(&rules, [Some(90), Some(95)]), Some(80));
    assert_eq!(grants(&rules, [Some(90), None]), None);
}

#[test]
fn a_group_that_is_gone_is_one_that_nobody_speaks_for() {
    let (mut rules, request) = setting();
    rules.groups.remove("owners");
    let both = [yes("okta:ann", 10), yes("okta:ben", 10)];
    assert!(told(&judged(&rules, &request, &both)).starts_with("waiting"));
}

proptest! {
    #[test]
    fn the_order_of_decisions_does_not_count(words in prop::collection::vec(word(), 0..8), turn in 0_usize..8) {
        let (rules, request) = setting();
        let mut turned = words.clone();
        turned.rotate_left(turn % words.len().max(1));
        turned.reverse();
        let (one, other) = (judged(&rules, &request, &words), judged(&rules, &request, &turned));
        prop_assert_eq!(told(&one), told(&other));
        prop_assert_eq!(one.counted, other.counted);
        prop_assert_eq!(one.not_counted, other.not_counted);
    }

    #[test]
    fn a_decision_that_does_not_count_changes_nothing(words in prop::collection::vec(word(), 0..8)) {
        let (rules, request) = setting();
        let whole = judged(&rules, &request, &words);
        let counts = |word: &&Spoken| {
            let sha256 = proved_word(&request, word, Ok(proved_by(word))).sha256;
            whole.counted.iter().any(|one| one.sha256 == sha256)
        };
        let counting: Vec<Spoken> = words.iter().filter(counts).cloned().collect();
        prop_assert_eq!(told(&whole), told(&judged(&rules, &request, &counting)));
    }

    #[test]
    fn one_more_no_of_a_member_ends_it(words in prop::collection::vec(word(), 0..8)) {
        let (rules, request) = setting();
        let no = Spoken { answer: Answer::Deny, salt: 9, ..yes("okta:ben", 10) };
        let words = [words, vec![no]].concat();
        prop_assert!(told(&judged(&rules, &request, &words)).starts_with("denied"));
    }

    #[test]
    fn what_is_approved_has_as_many_other_people_as_it_needs(words in prop::collection::vec(word(), 0..8)) {
        let (rules, request) = setting();
        if let Standing::Approved(approval) = judged(&rules, &request, &words).standing {
            let by = approval.by();
            prop_assert!(!by.contains(&"okta:eve".to_owned()));
            let said = |person: &&String| words.iter().any(|word| {
                word.person == **person && word.is_proved && word.answer == Answer::Approve
                    && word.grade == Grade::IdpPerDecision && (-60..3600).contains(&word.at_s)
            });
            prop_assert!(by.iter().all(|person| said(&person)));
            prop_assert!(approval.is_break_glass() || by.len() >= 2);
        }
    }
}
