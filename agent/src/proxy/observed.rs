//! What the supervisor observed, as events of the record: of a session if it is open, of the host otherwise.

use serde_json::{Value, json};

use super::core::Shared;
use super::refusals::{Refusal, WayAround, denied, shown};
use crate::connection::peer::Peer;
use crate::connection::redirect::{Deed, Denial, DenyReason};
use crate::control::observed::{Observed, Offender};
use crate::id::SessionId;
use crate::record::event::{code, no_session};
use crate::record::{Category, EventRow, Severity};

/// Protocols by their number. Source: linux/include/uapi/linux/in.h.
const PROTOCOLS: [(u16, &str); 8] = [
    (1, "ICMP"),
    (6, "TCP"),
    (17, "UDP"),
    (33, "DCCP"),
    (58, "ICMPv6"),
    (132, "SCTP"),
    (256, "SMC"),
    (262, "MPTCP"),
];

/// `SOCK_RAW`; source: `enum sock_type` in linux/include/linux/net.h.
const SOCK_RAW: u16 = 3;

impl Shared {
    /// Gives the rows of something that was observed, as far as there is room for them.
    pub(super) fn rows_of(&self, observed: Observed) -> Vec<EventRow> {
        let now = self.stages.clock.now();
        match observed {
            Observed::Denied(offender) => self.denied(*offender).into_iter().collect(),
            // Each is told whatever else is: nothing that a session does makes many of them.
            Observed::Tampered {
                found,
                sessions,
                problem,
            } => vec![tampered(&found, &sessions, problem.as_deref())],
            Observed::HeartbeatLost { lasted_ms } => vec![of_host(
                code::HEARTBEAT_LOST,
                Severity::High,
                json!({ "lasted_ms": lasted_ms }),
            )],
            Observed::Lost {
                events,
                over_rate,
                flows,
            } => {
                let detail = json!({ "events": events, "over_rate": over_rate, "flows": flows });
                let severity = if events + flows > 0 {
                    Severity::High
                } else {
                    Severity::Medium
                };
                let row = of_host(code::KERNEL_LOST, severity, detail);
                self.host_events.admit(row, now).into_iter().collect()
            }
        }
    }

    fn denied(&self, offender: Offender) -> Option<EventRow> {
        let Deed::Denied(denial) = offender.seen.deed.clone() else {
            return None;
        };
        let session = offender.seen.session.and_then(|id| self.sessions.get(id));
        let Some(session) = session else {
            let row = of_nobody(&offender, &denial);
            return self.host_events.admit(row, self.stages.clock.now());
        };
        session.seen().denial(&denial);
        let peer = Peer {
            pid: offender.seen.pid,
            uid: offender.seen.uid,
            comm: offender.seen.comm.clone(),
            start_ns: offender.start_ns,
            exe: offender.exe.clone(),
            ancestors: offender.ancestors.clone(),
            exec_id: offender.seen.exec_id,
            connected_ns: 0,
            execs: Vec::new(),
        };
        let refusal = Refusal {
            way: way(denial.reason),
            destination: denial.destination,
            opening: opening(&denial),
            name: None,
            exe: offender.exe,
        };
        let mut row = session.refuse_way(refusal, &peer, self.stages.clock.mono_ns())?;
        if let Some(Value::Object(detail)) = &mut row.detail
            && row.event_code != code::GAP
        {
            detail.insert("denied_by".to_owned(), "kernel".into());
            detail.insert("comm".to_owned(), offender.seen.comm.into());
            if !offender.execs.is_empty() {
                detail.insert("execs".to_owned(), offender.execs.into());
            }
        }
        Some(row)
    }
}

fn way(reason: DenyReason) -> WayAround {
    match reason {
        DenyReason::Guarded => WayAround::GovernedAddress,
        DenyReason::Metadata => WayAround::Metadata,
        DenyReason::OwnPort
        | DenyReason::ProxyPort
        | DenyReason::Quic
        | DenyReason::Netns
        | DenyReason::ForeignSocket
        | DenyReason::SessionOver
        | DenyReason::SocketKind
        | DenyReason::Bind
        | DenyReason::NoMemory => WayAround::Denied(reason),
    }
}

/// Says how a connection would have begun: nothing was said on it, so by its protocol.
fn opening(denial: &Denial) -> &'static str {
    if denial.socket_type == SOCK_RAW {
        return "raw";
    }
    let known = PROTOCOLS
        .iter()
        .find(|(number, _)| *number == denial.protocol);
    known.map_or("another protocol", |(_, name)| name)
}

/// Tells what a process in no session, or in one that is over, was denied.
fn of_nobody(offender: &Offender, denial: &Denial) -> EventRow {
    let (reason, severity) = denied(denial.reason);
    let (event_code, severity) = match denial.reason {
        DenyReason::SocketKind => (code::SOCKET_REFUSED, severity),
        DenyReason::Netns => (code::UNKNOWN_NETNS, severity),
        // Outside every session it is more often a host's own job than a way around.
        DenyReason::Guarded if offender.seen.session.is_none() => {
            (code::CONNECT_DENIED, Severity::Medium)
        }
        DenyReason::Guarded | DenyReason::Metadata => (code::BYPASS_ATTEMPT, severity),
        DenyReason::OwnPort
        | DenyReason::ProxyPort
        | DenyReason::Quic
        | DenyReason::ForeignSocket
        | DenyReason::SessionOver
        | DenyReason::Bind
        | DenyReason::NoMemory => (code::CONNECT_DENIED, severity),
    };
    let seen = &offender.seen;
    EventRow {
        session_id: Some(seen.session.unwrap_or_else(no_session)),
        event_code,
        severity,
        category: Category::Net,
        detail: Some(json!({
            "reason": reason,
            "destination": shown(denial.destination),
            "opening": opening(denial),
            "denied_by": "kernel",
            "pid": seen.pid,
            "uid": seen.uid,
            "comm": seen.comm,
            "exe": offender.exe,
        })),
        ..EventRow::default()
    }
}

fn tampered(found: &[String], sessions: &[SessionId], problem: Option<&str>) -> EventRow {
    let sessions: Vec<String> = sessions.iter().map(ToString::to_string).collect();
    let detail = json!({
        "found": found,
        "sessions_ended": sessions,
        "brought_back": problem.is_none(),
        "problem": problem,
    });
    of_host(code::TAMPERED, Severity::Critical, detail)
}

fn of_host(event_code: &'static str, severity: Severity, detail: Value) -> EventRow {
    EventRow {
        session_id: Some(no_session()),
        event_code,
        severity,
        category: Category::Admin,
        detail: Some(detail),
        ..EventRow::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::redirect::Seen;

    fn denied_to(session: Option<SessionId>, reason: DenyReason) -> EventRow {
        let denial = Denial {
            reason,
            destination: "192.0.2.7:8443".parse().unwrap(),
            protocol: 6,
            socket_type: 1,
        };
        let seen = Seen {
            session,
            boot_ns: 1,
            pid: 7,
            tid: 8,
            uid: 1000,
            comm: "curl".to_owned(),
            exec_id: 0,
            parent_exec_id: 0,
            parent_pid: 0,
            deed: Deed::Denied(denial.clone()),
        };
        let offender = Offender {
            seen,
            start_ns: None,
            exe: None,
            ancestors: Vec::new(),
            execs: Vec::new(),
        };
        of_nobody(&offender, &denial)
    }

    #[test]
    fn outside_every_session_a_guarded_address_is_no_way_around() {
        let outside = denied_to(None, DenyReason::Guarded);
        assert_eq!(
            (outside.event_code, outside.severity, outside.session_id),
            ("NT003", Severity::Medium, Some(no_session()))
        );
        let detail = outside.detail.unwrap();
        assert_eq!(detail["destination"], "192.0.2.7:8443");
        assert_eq!(
            (&detail["uid"], &detail["opening"]),
            (&json!(1000), &json!("TCP"))
        );
        // Of a session that is over by the time that it is told, it is one.
        let session = SessionId::new();
        let over = denied_to(Some(session), DenyReason::Guarded);
        assert_eq!(
            (over.event_code, over.severity, over.session_id),
            ("NT001", Severity::High, Some(session))
        );
    }

    #[test]
    fn each_reason_has_the_code_that_the_docs_give_it() {
        for (reason, code) in [
            (DenyReason::Metadata, "NT001"),
            (DenyReason::OwnPort, "NT003"),
            (DenyReason::Bind, "NT003"),
            (DenyReason::SocketKind, "NT004"),
            (DenyReason::Netns, "NT005"),
        ] {
            assert_eq!(denied_to(None, reason).event_code, code, "{reason}");
        }
    }
}
