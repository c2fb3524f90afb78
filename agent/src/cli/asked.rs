//! What `icecore check` tells of approvals: who may say yes to what, and what of it may not be meant.

use std::time::Duration;

use crate::approval::{Group, Rules};
use crate::config::{Approvals, Notify};

/// Below this nobody reads a request, logs in and answers.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// How many must say yes where nobody knows which person asks.
const OF_NOBODY_KNOWN: u32 = 2;

/// Says who may say yes to what policies hold, one line each.
pub(super) fn lines(approvals: &Approvals) -> Vec<String> {
    let rules = &approvals.rules;
    let groups = rules.groups.iter().map(|(name, group)| {
        let alone = if group.break_glass {
            ", any of them alone to whatever is held for any group"
        } else {
            ""
        };
        format!(
            "  approvals `{name}`: {} of them within {:?}, by {}{alone}",
            group.approvers,
            group.expires_after,
            group.proof.as_str()
        )
    });
    let issuer = format!(
        "  approvals by tokens of {} for {:?}",
        rules.issuer.url, rules.issuer.audiences
    );
    std::iter::once(issuer).chain(groups).collect()
}

/// Says what can be used and may not be meant, one text each.
pub(super) fn warnings(approvals: &Approvals) -> Vec<String> {
    let rules = &approvals.rules;
    let groups = rules.groups.iter().flat_map(|(name, group)| {
        let told = of_group(group).into_iter();
        told.map(move |text| format!("approvals.group `{name}`: {text}"))
    });
    let notify = (0..).zip(&approvals.notify).flat_map(|(index, one)| {
        let told = of_notify(one).into_iter();
        told.map(move |text| format!("approvals.notify[{index}]: {text}"))
    });
    let people = nobody_named(rules);
    people.into_iter().chain(groups).chain(notify).collect()
}

fn nobody_named(rules: &Rules) -> Option<String> {
    rules.people.is_empty().then(|| {
        format!(
            "approvals.people names nobody: {OF_NOBODY_KNOWN} of each group are needed wherever it is not a person of `{}` who asks, \
             such as a job or a user of the host",
            rules.issuer.name
        )
    })
}

fn of_group(group: &Group) -> Vec<String> {
    let mut told = Vec::new();
    let after = group.expires_after;
    if after < ANSWERED_WITHIN {
        told.push(format!(
            "expires_after: a request waits for {after:?}, in which nobody reads it, logs in and answers"
        ));
    }
    if let Some(most) = group.grant_max.filter(|most| *most > after) {
        told.push(format!(
            "grant_max: a yes may cover statements of the same shape for {most:?}, longer than the {after:?} for which one waits"
        ));
    }
    let is_one = group.groups.is_empty() && group.members.len() == 1;
    if is_one {
        told.push(format!(
            "members: only one person is in it, so that a request of that person, and each for which {OF_NOBODY_KNOWN} are needed, \
             expires"
        ));
    }
    told
}

fn of_notify(notify: &Notify) -> Vec<String> {
    let mut told = Vec::new();
    let Some(url) = &notify.inbox_url else {
        return told;
    };
    if !url.contains("{id}") {
        told.push("inbox_url: there is no `{id}` in it, so that the button of each request opens the same page".to_owned());
    }
    if !url.starts_with("https://") {
        told.push("inbox_url: it is not https, so that whoever is on the way may lead approvers elsewhere".to_owned());
    }
    told
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::approval::fixtures::{group, rules};
    use crate::config::{NotifyTo, SecretAt, Source};

    const TWO: [&str; 2] = ["okta:ann", "okta:ben"];

    #[track_caller]
    fn check(change: impl FnOnce(&mut Approvals), expected: &[&str]) {
        let mut rules = rules([("owners", group(&TWO, 1))]);
        rules.people.insert("ci".to_owned(), "okta:ann".to_owned());
        let mut approvals = Approvals {
            rules,
            sign_in: None,
            slack: None,
            notify: Vec::new(),
        };
        change(&mut approvals);
        let told = warnings(&approvals);
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.contains(expected), "no `{expected}` in `{told}`");
        }
    }

    fn owners(approvals: &mut Approvals) -> &mut Group {
        approvals.rules.groups.get_mut("owners").unwrap()
    }

    #[test]
    fn what_may_not_be_meant_is_told() {
        check(|_| {}, &[]);
        check(
            |all| all.rules.people.clear(),
            &["approvals.people names nobody: 2 of each group"],
        );
        check(
            |all| owners(all).expires_after = Duration::from_secs(1),
            &["approvals.group `owners`: expires_after: a request waits for 1s"],
        );
        check(
            |all| owners(all).grant_max = Some(Duration::from_secs(3601)),
            &["grant_max: a yes may cover"],
        );
        check(
            |all| owners(all).grant_max = Some(Duration::from_secs(3600)),
            &[],
        );
        check(
            |all| *owners(all) = group(&["okta:ann"], 1),
            &["members: only one person is in it"],
        );
        check(
            |all| {
                let more = BTreeSet::from(["okta:owners".to_owned()]);
                *owners(all) = group(&["okta:ann"], 1);
                owners(all).groups = more;
            },
            &[],
        );
    }

    #[test]
    fn a_button_that_leads_astray_is_told() {
        let told = |url: &str| Notify {
            groups: BTreeSet::new(),
            inbox_url: Some(url.to_owned()),
            statement: None,
            to: NotifyTo::Teams(SecretAt {
                setting: "workflow_file",
                source: Source::Env("TEAMS".to_owned()),
            }),
        };
        check(|all| all.notify = vec![told("https://x.test/{id}")], &[]);
        check(
            |all| all.notify = vec![told("https://x.test/{id}"), told("http://x.test/")],
            &[
                "approvals.notify[1]: inbox_url: there is no `{id}`",
                "not https",
            ],
        );
    }
}
