//! What a session's process dials, binds and opens; all but the way to the proxy must be refused.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::tries::{HTTPS, Try, of_outsider, of_session};
use super::{Attempt, Plan};
use crate::web;

/// How long the proxy may take to show its certificate.
const TLS_WITHIN: Duration = Duration::from_secs(10);

/// The pause after each try: the kernel tells of 64 denials of a session in a second (`EVENTS_PER_SECOND` in agent-ebpf), and
/// what it does not tell proves nothing.
const PACE: Duration = Duration::from_millis(20);

/// So many bad ends of a check settle it: those that are let through may each take their time.
const BAD_MAX: usize = 8;

/// Tries it all from inside of a session.
pub(super) fn inside(plan: &Plan) -> Vec<Attempt> {
    let mut attempts = vec![Attempt::of(
        "canary",
        format!("TLS to {} on port {HTTPS}", plan.host),
        canary(plan),
    )];
    attempts.extend(tried(&of_session(plan)));
    attempts
}

/// Tries what the guard must deny to those outside of every session.
pub(super) fn outside(plan: &Plan) -> Vec<Attempt> {
    tried(&of_outsider(plan))
}

fn tried(tries: &[Try]) -> Vec<Attempt> {
    let mut bad: BTreeMap<&str, usize> = BTreeMap::new();
    let mut attempts = Vec::new();
    for one in tries {
        let bad = bad.entry(one.line).or_default();
        if *bad >= BAD_MAX {
            continue;
        }
        let ended = one.run();
        *bad += usize::from(ended.is_err());
        attempts.push(Attempt::of(one.line, one.what.clone(), ended));
        thread::sleep(PACE);
    }
    attempts
}

/// Dials the account and looks whose certificate is shown: the proxy's is from the host's own CA, which nobody else's is.
fn canary(plan: &Plan) -> Result<String, String> {
    let trusted = web::trust_only(plan.ca.as_bytes(), Path::new("ca.pem"));
    let trusted = trusted.map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let addresses = match web::look_up(&plan.host, HTTPS).await {
            Ok(addresses) => addresses,
            // Without a resolver: the kernel redirects by port, and the proxy goes by the name.
            Err(error) if plan.guarded.is_empty() => {
                return Err(format!("its name has no address here: {error}"));
            }
            Err(_) => {
                let places = plan.guarded.iter();
                places.map(|at| SocketAddr::new(at.ip(), HTTPS)).collect()
            }
        };
        match web::tls(&trusted, &plan.host, &addresses, TLS_WITHIN).await {
            Ok(_) => Ok("the proxy answers, with a certificate of this host's CA".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    })
}
