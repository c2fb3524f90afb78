//! Takes connections of the control socket: whose they are, and whether there is a place for them.
//!
//! Whatever a session's processes do here, they take no place from who is outside: they are told that they may not ask, in
//! places of their own for a moment, or at once where these are taken.

use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::{debug, warn};

use super::door::{INSIDE, talk};
use super::limited::{Kind, Limited, Told};
use super::peer::Peer;
use super::places::{Place, Places};
use super::shared::Shared;
use crate::control::request::Reply;

/// Longest wait for a connection before what was not told is looked at.
const LOOK: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// Takes connections until the supervisor stops. Each is taken in a turn, so that who closes the door can wait for its end.
pub(super) fn accept(listener: &UnixListener, turn: &Mutex<()>, shared: &Arc<Shared>) {
    let places = Arc::new(Mutex::new(Places::default()));
    let mut limited = Limited::default();
    while !shared.is_stopping() {
        shared.wait_for_door();
        tell_more(&mut limited, shared.clock.mono_ns());
        if !somebody_waits(listener) {
            continue;
        }
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.door_closed.load(Ordering::SeqCst) {
            continue;
        }
        match listener.accept() {
            Ok((stream, _)) => greet(stream, shared, &places, &mut limited),
            Err(failure) if shared.is_stopping() => debug!(%failure, "control socket closed"),
            Err(failure) => {
                if limited.is_first(Kind::NotAccepted, 0, shared.clock.mono_ns()) {
                    warn!(%failure, "control connection was not accepted");
                }
                // Out of descriptors, most likely: the ones in use have to go first.
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// Waits for a moment for a connection. Only this thread takes any: what is told once is there.
fn somebody_waits(listener: &UnixListener) -> bool {
    let mut wanted = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
    match poll(&mut wanted, Some(&LOOK)) {
        Ok(ready) => ready > 0,
        Err(failure) => {
            debug!(%failure, "control socket could not be waited for");
            thread::sleep(Duration::from_millis(10));
            false
        }
    }
}

fn greet(
    stream: UnixStream,
    shared: &Arc<Shared>,
    places: &Arc<Mutex<Places>>,
    limited: &mut Limited,
) {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(failure) => return debug!(%failure, "peer was gone"),
    };
    // An earlier version wakes its own thread by a connection, which may wait here when this one takes over.
    if peer.pid == std::process::id() {
        return;
    }
    let (uid, now_ns) = (peer.uid, shared.clock.mono_ns());
    // By its cgroup at this moment, and while it is alive.
    let is_inside = shared.entered.is_in_session(&peer.proc_cgroup);
    let Some(place) = Place::take(places, uid, is_inside) else {
        let kind = if is_inside {
            turn_away(stream);
            Kind::InsideTooMany
        } else {
            Kind::TooMany
        };
        if limited.is_first(kind, uid, now_ns) {
            tell(kind, uid, 1);
        }
        return;
    };
    let its_shared = Arc::clone(shared);
    let talk = move || talk(stream, &peer, place, &its_shared);
    if let Err(failure) = thread::Builder::new().name("caller".to_owned()).spawn(talk)
        && limited.is_first(Kind::NotServed, uid, now_ns)
    {
        warn!(uid, %failure, "control connection was not served");
    }
}

/// Tells a session's process without waiting for what it asks; it may not see it.
fn turn_away(mut stream: UnixStream) {
    let reply = Reply::Refused {
        reason: INSIDE.to_owned(),
    };
    let sent = serde_json::to_vec(&reply)
        .map_err(io::Error::from)
        .and_then(|mut line| {
            line.push(b'\n');
            stream.set_nonblocking(true)?;
            stream.write_all(&line)
        });
    if let Err(failure) = sent {
        debug!(%failure, "session's process was not told that it may not ask");
    }
}

fn tell_more(limited: &mut Limited, now_ns: i64) {
    for Told { kind, uid, times } in limited.due(now_ns) {
        tell(kind, uid, times);
    }
}

fn tell(kind: Kind, uid: u32, times: u64) {
    match kind {
        Kind::TooMany => warn!(uid, times, "user has too many control connections"),
        Kind::InsideTooMany => {
            warn!(
                uid,
                times, "sessions of a user have too many control connections; they may have none"
            );
        }
        Kind::NotServed => warn!(uid, times, "control connections were not served"),
        Kind::NotAccepted => warn!(times, "control connections were not accepted"),
    }
}
