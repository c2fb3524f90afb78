//! The heartbeat: shown by the accept loops themselves, and only while each of them runs.
//!
//! A thread of its own would go on beating beside a core that hangs. Here every accept loop ticks, and the first one shows a
//! beat if all others have ticked since the last: one core that is blocked ends it, and the kernel then refuses.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::connection::redirect::{Heartbeat, LookUpError};

/// How often a beat is shown; the kernel waits for at least four.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// Shows a beat to the kernel.
type Show = Box<dyn FnMut() -> Result<(), LookUpError> + Send>;

/// The heartbeat of all accept loops together.
pub(super) struct Pulse {
    ticks: Vec<AtomicU64>,
    given: AtomicUsize,
    shown: Mutex<Shown>,
    /// When the last beat was shown, by the clock; the pulse's beginning before the first.
    shown_ns: AtomicI64,
    clock: Clock,
}

struct Shown {
    show: Show,
    /// The others' ticks at the last beat.
    ticks: Vec<u64>,
    has_failed: bool,
}

impl Pulse {
    /// Makes the pulse of so many accept loops; none is shown before each has ticked.
    pub(super) fn new(mut heartbeat: Heartbeat, loops: usize, clock: Clock) -> Self {
        Self::showing(Box::new(move || heartbeat.beat()), loops, clock)
    }

    fn showing(show: Show, loops: usize, clock: Clock) -> Self {
        Self {
            ticks: (0..loops).map(|_| AtomicU64::new(0)).collect(),
            given: AtomicUsize::new(0),
            shown: Mutex::new(Shown {
                show,
                ticks: vec![0; loops],
                has_failed: false,
            }),
            shown_ns: AtomicI64::new(clock.mono_ns()),
            clock,
        }
    }

    /// Tells how long ago the last beat was shown.
    pub(super) fn age(&self) -> Duration {
        let age_ns = self.clock.mono_ns() - self.shown_ns.load(Ordering::Relaxed);
        Duration::from_nanos(u64::try_from(age_ns).unwrap_or(0))
    }

    fn tick(&self, place: usize) {
        if let Some(ticks) = self.ticks.get(place) {
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        if place == 0 {
            self.show();
        }
    }

    /// Shows a beat if every loop has ticked since the last one.
    fn show(&self) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let ticks: Vec<u64> = self
            .ticks
            .iter()
            .map(|ticks| ticks.load(Ordering::Relaxed))
            .collect();
        let is_alive = ticks.iter().zip(&shown.ticks).all(|(now, last)| now > last);
        if !is_alive {
            return;
        }
        shown.ticks = ticks;
        let outcome = (shown.show)();
        if outcome.is_ok() {
            self.shown_ns.store(self.clock.mono_ns(), Ordering::Relaxed);
        }
        if let Err(error) = &outcome
            && !shown.has_failed
        {
            tracing::error!(%error, "heartbeat cannot be shown; the kernel will refuse sessions' connects");
        }
        shown.has_failed = outcome.is_err();
    }
}

/// One accept loop's part of the pulse.
pub(super) struct Ticker {
    pulse: Arc<Pulse>,
    place: usize,
    interval: Interval,
}

impl Ticker {
    /// Takes the next place; must be made within the loop's runtime.
    pub(super) fn of(pulse: &Arc<Pulse>) -> Self {
        let mut interval = interval(BEAT_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            pulse: Arc::clone(pulse),
            place: pulse.given.fetch_add(1, Ordering::Relaxed),
            interval,
        }
    }

    /// Waits until the loop is to tick; nothing is lost if something else comes first.
    pub(super) async fn wait(&mut self) {
        self.interval.tick().await;
    }

    /// Says that the loop runs.
    pub(super) fn tick(&self) {
        self.pulse.tick(self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;

    fn pulse(loops: usize) -> (Arc<Pulse>, Arc<AtomicUsize>) {
        let shown = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&shown);
        let count = move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        (
            Arc::new(Pulse::showing(Box::new(count), loops, Clock::system())),
            shown,
        )
    }

    #[test]
    fn a_beat_needs_a_tick_of_every_loop() {
        let (pulse, shown) = pulse(3);
        let count = || shown.load(Ordering::Relaxed);
        pulse.tick(0);
        pulse.tick(1);
        pulse.tick(0);
        assert_eq!(count(), 0, "the third has not begun");
        pulse.tick(2);
        pulse.tick(0);
        assert_eq!(count(), 1);
        for _ in 0..5 {
            pulse.tick(0);
            pulse.tick(1);
        }
        assert_eq!(count(), 1, "the third hangs");
        thread::sleep(Duration::from_millis(50));
        let age = pulse.age();
        assert!(age >= Duration::from_millis(50), "{age:?}");
        pulse.tick(2);
        pulse.tick(0);
        assert_eq!(count(), 2);
        assert!(pulse.age() < age);
    }

    /// Two runtimes, as two cores: while one is blocked no beat is shown, and it goes on afterwards.
    #[test]
    fn a_core_that_is_blocked_ends_the_beat() {
        let (pulse, shown) = pulse(2);
        let count = || shown.load(Ordering::Relaxed);
        let (block, blocked) = std::sync::mpsc::channel::<Duration>();
        let cores: [Option<std::sync::mpsc::Receiver<Duration>>; 2] = [None, Some(blocked)];
        for blocked in cores {
            let pulse = Arc::clone(&pulse);
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut ticker = Ticker::of(&pulse);
                    loop {
                        ticker.wait().await;
                        ticker.tick();
                        // Not given back to the runtime: this is what a wedged core does.
                        if let Some(wait) = blocked.as_ref().and_then(|wait| wait.try_recv().ok()) {
                            thread::sleep(wait);
                        }
                    }
                });
            });
        }
        let beats_within = |wait: Duration| {
            let before = count();
            thread::sleep(wait);
            count() - before
        };
        assert!(beats_within(Duration::from_secs(2)) > 0);
        block.send(Duration::from_secs(4)).unwrap();
        thread::sleep(Duration::from_millis(1500));
        assert_eq!(beats_within(Duration::from_secs(1)), 0);
        thread::sleep(Duration::from_secs(3));
        assert!(beats_within(Duration::from_secs(2)) > 0);
    }
}
