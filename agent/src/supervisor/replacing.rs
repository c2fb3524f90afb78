//! A proxy replaced by the next one, or the daemon by another program, without a connect that is refused.
//!
//! The listeners stay open and the kernel armed: connects wait in the backlog. There is one record and one writer, so the
//! two do not serve at once. The next proxy is made ready but for the record; the one that serves comes to rest, closes
//! the record and says so; the next one opens it and is told of the sessions. What does not come to rest is not cut off
//! unless that was asked for: then all goes on as before, and whoever asked is told what was under way.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::thread;
use std::time::Duration;

use signal_hook::consts::SIGPIPE;
use tracing::{error, info, warn};

use super::inherit::{hand_over, lifelines};
use super::keeper::{BEAT_INTERVAL, Keeper, LOOK_INTERVAL, nanos, since};
use super::proxy::{Ending, Event, Proxy};
use super::session::told;
use super::shared::Shared;
use crate::control::LinkError;
use crate::control::upgrade::UpgradeReply;

/// How long a proxy may take to come to rest while connects wait, and to close its record: with the start of the next one
/// it is less than drivers wait.
const REST_WITHIN: Duration = Duration::from_secs(5);

/// How long what is cut off may take to be told so.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// How long the next proxy may take to be made ready; it may ask where credentials are kept.
const PREPARED_WITHIN: Duration = Duration::from_secs(30);

/// How long a proxy at rest may take to let go of the record before it is ended.
const CLOSED_WITHIN: Duration = Duration::from_secs(6);

/// How long a proxy that is told to end may take.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

/// How long the next proxy may take to serve before whoever asked is told that it is late.
const READY_WITHIN: Duration = Duration::from_secs(15);

/// How long callers that are being answered are waited for before all is handed to another program.
const CALLERS_WITHIN: Duration = Duration::from_secs(2);

/// What a signal asks for waits so long for a moment at which nothing is under way.
pub(super) const UNASKED_WITHIN: Duration = Duration::from_secs(60);

/// What is to be replaced, and how.
#[derive(Debug)]
pub(super) struct Replacement {
    pub(super) by: By,
    /// How long to wait for a moment at which nothing is under way.
    pub(super) within: Duration,
    /// Whether what is under way by then is cut off.
    pub(super) now: bool,
    /// Whoever asked, if that was not a signal.
    pub(super) asker: Option<SyncSender<Result<UpgradeReply, String>>>,
}

/// What takes the place.
#[derive(Debug)]
pub(super) enum By {
    /// Another proxy of this program takes the proxy's.
    Proxy,
    /// This program takes the daemon's.
    Program(PathBuf),
}

/// What becomes of callers of the control socket while the proxy comes to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callers {
    /// They are answered.
    GoOn,
    /// They wait for the program that takes over.
    Wait,
}

impl Replacement {
    fn tell(&self, outcome: Result<UpgradeReply, String>) {
        match &outcome {
            Ok(UpgradeReply::Replaced { paused_ms }) => info!(paused_ms, "proxy replaced"),
            Ok(UpgradeReply::Begun {} | UpgradeReply::Which(_)) => {}
            Err(reason) => warn!(reason, "nothing was replaced"),
        }
        if let Some(asker) = &self.asker {
            // Whoever asked may have gone.
            drop(asker.try_send(outcome));
        }
    }
}

impl Keeper {
    /// Replaces what is asked for, or tells why not; all goes on as before then.
    pub(super) fn replace(&mut self, asked: Replacement) {
        let shared = Arc::clone(&self.shared);
        let Ok(_turn) = shared.changing.try_lock() else {
            let busy = "policies are being reloaded; try again in a moment";
            return asked.tell(Err(busy.to_owned()));
        };
        match &asked.by {
            By::Proxy => {
                let replaced = self.replace_proxy(&asked);
                let replaced = replaced.map(|paused| UpgradeReply::Replaced {
                    paused_ms: u64::try_from(paused.as_millis()).unwrap_or(u64::MAX),
                });
                asked.tell(replaced);
            }
            By::Program(program) => self.replace_daemon(&asked, program),
        }
    }

    /// Gives how long connects waited.
    fn replace_proxy(&mut self, asked: &Replacement) -> Result<Duration, String> {
        let current = self.serving().ok_or_else(|| {
            "the proxy is being started, so there is none to replace; the daemon's log says why"
                .to_owned()
        })?;
        let next = self.prepare()?;
        if let Err(reason) = self.bring_to_rest(&current, asked, Callers::GoOn) {
            next.link.hang_up();
            return Err(reason);
        }
        let rest_ns = self.now_ns();
        self.let_go(&current);
        self.proxy = Some(Arc::clone(&next));
        self.started_ns = self.now_ns();
        if let Err(failure) = next.link.go() {
            // Its end is on its way, and has another one started.
            return Err(format!(
                "the next proxy ended: {failure}; another one is started"
            ));
        }
        let deadline_ns = self.now_ns() + nanos(READY_WITHIN);
        while let Some(event) = self.wait_until(deadline_ns) {
            if matches!(event, Event::Ready(number) if number == next.number) {
                self.introduce(&next);
                break;
            }
            let ended = how_ended(&event, next.number);
            self.later.push_back(event);
            if let Some(how) = ended {
                return Err(format!(
                    "the next proxy ended: it {how}; another one is started"
                ));
            }
        }
        if self.shared.is_seated(next.number) {
            return Ok(since(self.now_ns(), rest_ns));
        }
        Err("the next proxy does not serve yet; the daemon's log says why".to_owned())
    }

    /// Becomes another program, once nothing is under way.
    fn replace_daemon(&mut self, asked: &Replacement, program: &std::path::Path) {
        match self.serving() {
            Some(current) => {
                if let Err(reason) = self.bring_to_rest(&current, asked, Callers::Wait) {
                    return asked.tell(Err(reason));
                }
                self.let_go(&current);
                self.proxy = None;
            }
            // One that does not serve has nothing to come to rest from: the program may be what mends it.
            None => {
                self.close_door();
                self.hang_up();
            }
        }
        info!(program = %program.display(), "handing over");
        asked.tell(Ok(UpgradeReply::Begun {}));
        self.wait_for_callers(&self.shared.asking, 0);
        let proxies = lifelines(&self.replaced);
        let handed = (
            self.handover.listeners.as_slice(),
            self.door.listener(),
            self.lock.file(),
        );
        // The program ends with its threads: none of them could let a container go on.
        self.shared.stills.close();
        let failure = hand_over(&self.shared, program, handed, &proxies);
        self.shared.stills.open();
        error!(%failure, program = %program.display(), "program cannot be started; this one goes on");
        // std gives SIGPIPE its default back before it executes: a caller who hangs up would end this process.
        let heard = Arc::new(AtomicBool::new(false));
        if let Err(failure) = signal_hook::flag::register(SIGPIPE, heard) {
            error!(%failure, "a caller who hangs up may end the daemon");
        }
        self.shared.note_failure(format!(
            "`{}` cannot be started: {failure}",
            program.display()
        ));
        self.open_door();
        self.due_ns = Some(self.now_ns());
    }

    /// Gives the proxy that is armed for.
    fn serving(&self) -> Option<Arc<Proxy>> {
        let serves = |proxy: &&Arc<Proxy>| self.shared.is_seated(proxy.number);
        self.proxy.as_ref().filter(serves).cloned()
    }

    /// Starts the next proxy, which has all but the record when this returns.
    fn prepare(&mut self) -> Result<Arc<Proxy>, String> {
        self.number += 1;
        self.handover.is_next = true;
        self.handover.waits = true;
        let next = Proxy::start(self.number, &self.handover, &self.shared, &self.lender);
        self.handover.waits = false;
        let next = next.map_err(|failure| format!("the next proxy was not started: {failure}"))?;
        let next = Arc::new(next);
        let deadline_ns = self.now_ns() + nanos(PREPARED_WITHIN);
        while let Some(event) = self.wait_until(deadline_ns) {
            if matches!(event, Event::Prepared(number) if number == next.number) {
                return Ok(next);
            }
            if let Some(how) = how_ended(&event, next.number) {
                let why = "the daemon's log says why; the one before goes on";
                return Err(format!("the next proxy was not started: it {how}; {why}"));
            }
            self.later.push_back(event);
        }
        next.link.hang_up();
        Err(format!(
            "the next proxy was not ready within {PREPARED_WITHIN:?}"
        ))
    }

    /// Has a proxy come to rest; if that cannot be, it goes on as before. With `Callers::Wait` those of the control socket
    /// wait from the pause on.
    fn bring_to_rest(
        &mut self,
        current: &Arc<Proxy>,
        asked: &Replacement,
        door: Callers,
    ) -> Result<(), String> {
        let deadline_ns = self.now_ns() + nanos(asked.within);
        loop {
            self.shared.note_turn();
            let left = since(deadline_ns, self.now_ns());
            let under_way = match current.link.let_finish(left.min(LOOK_INTERVAL)) {
                Ok(under_way) => under_way,
                // One that does not answer is cut off in its time.
                Err(LinkError::Late(_) | LinkError::Refused(_)) if asked.now => 1,
                Err(failure) => return Err(told(failure)),
            };
            if self.is_to_stop() {
                return Err("the daemon is stopping".to_owned());
            }
            if under_way > 0 && !left.is_zero() {
                continue;
            }
            if door == Callers::Wait {
                self.close_door();
            }
            // It waits for whoever is telling the proxy of a session.
            let shared = &self.shared;
            beating(shared, || shared.begin_pause(current.number));
            let link = &current.link;
            let Err(failure) = beating(&self.shared, || link.pause(REST_WITHIN)) else {
                // Nothing is under way: what is drained is the conversation.
                drop(beating(&self.shared, || link.drain(Duration::ZERO)));
                return Ok(());
            };
            let is_busy = matches!(failure, LinkError::Refused(_));
            if asked.now && left.is_zero() {
                warn!(failure = told(failure), "what is under way is cut off");
                if is_busy {
                    drop(beating(&self.shared, || link.drain(CUT_GRACE)));
                } else {
                    link.hang_up();
                }
                return Ok(());
            }
            self.shared.seat(current);
            self.open_door();
            if !is_busy || left.is_zero() {
                let reason = told(failure);
                return Err(format!(
                    "{reason}; all goes on as before: try again, or cut it off with --now"
                ));
            }
        }
    }

    /// Waits until a proxy at rest has let go of the record, or is ended for taking too long.
    fn let_go(&mut self, current: &Arc<Proxy>) {
        for patience in [CLOSED_WITHIN, ENDED_WITHIN] {
            let deadline_ns = self.now_ns() + nanos(patience);
            while let Some(event) = self.wait_until(deadline_ns) {
                if matches!(event, Event::Closed(number) if number == current.number) {
                    return self.replaced.push(Arc::clone(current));
                }
                if how_ended(&event, current.number).is_some() {
                    return;
                }
                self.later.push_back(event);
            }
            error!(
                proxy = current.number,
                "proxy does not let go of the record"
            );
            current.link.hang_up();
        }
    }

    /// Waits for an event, no longer than until a time of the clock.
    pub(super) fn wait_until(&self, deadline_ns: i64) -> Option<Event> {
        loop {
            let left = since(deadline_ns, self.now_ns());
            if let Ok(event) = self.happened.recv_timeout(left.min(BEAT_INTERVAL)) {
                return Some(event);
            }
            if left.is_zero() {
                return None;
            }
            self.shared.keep_alive();
        }
    }

    fn is_to_stop(&mut self) -> bool {
        self.later.extend(self.happened.try_iter());
        self.later.iter().any(|event| matches!(event, Event::Stop))
    }

    /// Leaves callers to the program that takes over, but for those who have begun to ask. Whoever asks for this is one.
    fn close_door(&self) {
        let shared = &self.shared;
        shared.door_closed.store(true, Ordering::SeqCst);
        self.door.pause();
        self.wait_for_callers(&shared.early, 1);
        shared.set_handing_over(true);
        self.wait_for_callers(&shared.asking, 1);
    }

    fn open_door(&self) {
        self.shared.set_handing_over(false);
        self.shared.door_closed.store(false, Ordering::SeqCst);
    }

    /// Waits, for a moment, until no more callers than so many are left.
    fn wait_for_callers(&self, callers: &AtomicUsize, most: usize) {
        let deadline_ns = self.now_ns() + nanos(CALLERS_WITHIN);
        while callers.load(Ordering::SeqCst) > most && self.now_ns() < deadline_ns {
            self.shared.keep_alive();
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Tells how a proxy ended, if an event tells that.
fn how_ended(event: &Event, proxy: u64) -> Option<Ending> {
    let Event::Ended(number, how) = event else {
        return None;
    };
    (*number == proxy).then_some(*how)
}

/// Does something slow while connects wait.
pub(super) fn beating<T: Send>(shared: &Shared, act: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let acting = scope.spawn(act);
        while !acting.is_finished() {
            shared.keep_alive();
            thread::sleep(Duration::from_millis(2));
        }
        match acting.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
