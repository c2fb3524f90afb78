//! Rules and requests for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    Ask, Claimed, FORMAT_VERSION, Grade, Group, Meaning, Plan, Request, Requester, Rules, Touched,
};
use crate::id::{ApprovalId, SessionId, StatementId};
use crate::identity::{Algorithm, Issuer, KeySource, Kind};

/// So many seconds after each request was asked.
pub(crate) fn at(seconds: i64) -> DateTime<Utc> {
    let asked: DateTime<Utc> = "2026-11-27T12:00:00Z".parse().unwrap();
    asked + TimeDelta::seconds(seconds)
}

pub(crate) fn group(members: &[&str], approvers: u32) -> Group {
    Group {
        members: members.iter().map(|&name| name.to_owned()).collect(),
        groups: BTreeSet::new(),
        approvers,
        expires_after: Duration::from_secs(3600),
        hours: None,
        proof: Grade::IdpPerDecision,
        acr: BTreeSet::new(),
        amr: BTreeSet::new(),
        grant_max: None,
        break_glass: false,
    }
}

pub(crate) fn rules<const N: usize>(groups: [(&str, Group); N]) -> Rules {
    Rules {
        issuer: Issuer {
            name: "okta".to_owned(),
            url: "https://id.acme.test".to_owned(),
            audiences: vec!["approvals".to_owned()],
            parties: vec!["approvals".to_owned()],
            keys: KeySource::Discovery,
            algorithms: Algorithm::ALL.to_vec(),
            leeway: Duration::from_secs(60),
            max_age: None,
            groups_claim: "groups".to_owned(),
            members: BTreeMap::new(),
            require: BTreeMap::new(),
            ci: None,
            kind: Kind::Human,
        },
        people: BTreeMap::new(),
        groups: groups.map(|(name, group)| (name.to_owned(), group)).into(),
        explain: true,
    }
}

pub(crate) fn requester(principal: &str) -> Requester {
    let (issuer, subject) = match principal.split_once(':') {
        Some((issuer, subject)) => (Some(issuer.to_owned()), subject),
        None => (None, principal),
    };
    Requester {
        principal: principal.to_owned(),
        issuer,
        subject: subject.to_owned(),
        groups: Vec::new(),
        facts: BTreeMap::new(),
    }
}

pub(crate) fn request(rules: &Rules, principal: &str, groups: &[&str]) -> Request {
    let requester = requester(principal);
    let asks: Vec<Ask> = groups
        .iter()
        .map(|group| Ask {
            rule: format!("hold-{group}"),
            group: (*group).to_owned(),
            reason: None,
        })
        .collect();
    Request {
        format_version: FORMAT_VERSION,
        id: ApprovalId::new(),
        org: "acme".to_owned(),
        chain: "chain".to_owned(),
        host_id: "host".to_owned(),
        session_id: SessionId::new(),
        statement_id: StatementId::new(),
        requested_at: at(0),
        expires_at: at(3600),
        needs: rules.needs(&asks, &requester).unwrap(),
        asks,
        requester,
        meaning: meaning(),
        claimed: Claimed::default(),
        plan: Plan {
            bytes: None,
            partitions: None,
            partitions_total: None,
            unknown: Some("not asked".to_owned()),
        },
        earlier: Vec::new(),
        earlier_unknown: None,
    }
}

pub(crate) fn meaning() -> Meaning {
    Meaning {
        account: "ACME".to_owned(),
        user: "SVC".to_owned(),
        role: Some("LOADER".to_owned()),
        secondary_roles: Vec::new(),
        warehouse: Some("WH".to_owned()),
        database: Some("DB".to_owned()),
        schema: Some("PUBLIC".to_owned()),
        sql: "delete from t where id = 7".to_owned(),
        kinds: vec!["delete".to_owned()],
        members: BTreeMap::new(),
        parameters: BTreeMap::new(),
        variables: BTreeMap::new(),
        objects: vec![Touched {
            action: "write".to_owned(),
            class: "table".to_owned(),
            path: "DB.PUBLIC.T".to_owned(),
            definition_sha256: Some("aa".to_owned()),
        }],
        columns: vec!["filter DB.PUBLIC.T.ID".to_owned()],
        policies_sha256: "bb".to_owned(),
    }
}
