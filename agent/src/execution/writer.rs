//! Writes what is kept for the next proxy, on a thread of its own and in order, so that no core waits for a disk.

use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, Thread};
use std::time::Duration;

/// Most works that wait. What they write is held elsewhere too, so that they take little.
const WAITING_MAX: usize = 1024;

/// How long the thread lets work gather once it has done all: to be woken for each takes more than what is written.
const GATHER: Duration = Duration::from_millis(5);

type Work = Box<dyn FnOnce() + Send>;

/// The thread, which begins with the first work and ends with its owner.
#[derive(Debug, Default)]
pub(super) struct Writer(OnceLock<Option<Hand>>);

/// Reaches the thread.
#[derive(Debug)]
struct Hand {
    works: SyncSender<Work>,
    thread: Thread,
}

impl Writer {
    /// Hands over work that may be left undone; tells whether it was taken.
    pub(super) fn offer(&self, work: impl FnOnce() + Send + 'static) -> bool {
        let hand = self.hand();
        hand.is_some_and(|hand| hand.works.try_send(Box::new(work)).is_ok())
    }

    /// Hands over work behind all that was handed over before, to be done at once; waits for a place if it must. Without a
    /// thread, it is done here.
    pub(super) fn put(&self, work: impl FnOnce() + Send + 'static) -> Told {
        let (done, told) = mpsc::sync_channel(1);
        let work: Work = Box::new(move || {
            work();
            // Whoever would be told may not want to know.
            let _unheard = done.send(());
        });
        let untaken = match self.hand() {
            Some(hand) => {
                // Before too, since no place may come free while it gathers.
                hand.thread.unpark();
                let untaken = hand.works.send(work).err().map(|untaken| untaken.0);
                hand.thread.unpark();
                untaken
            }
            None => Some(work),
        };
        if let Some(work) = untaken {
            work();
        }
        Told(told)
    }

    fn hand(&self) -> Option<&Hand> {
        self.0.get_or_init(begin).as_ref()
    }
}

/// Tells when work is done.
pub(super) struct Told(Receiver<()>);

impl Told {
    /// Waits until it is done; tells whether it is, or was left by a thread that failed.
    pub(super) fn wait(self) -> bool {
        self.0.recv().is_ok()
    }
}

fn begin() -> Option<Hand> {
    let (sender, works) = mpsc::sync_channel::<Work>(WAITING_MAX);
    let thread = thread::Builder::new().name("results".to_owned());
    let begun = thread.spawn(move || do_all(&works));
    if let Err(error) = &begun {
        tracing::warn!(%error, "no thread to write what is kept for the next proxy");
    }
    begun.ok().map(|thread| Hand {
        works: sender,
        thread: thread.thread().clone(),
    })
}

/// Does what comes, until nobody can hand over more; sleeps for as long as nothing does.
fn do_all(works: &Receiver<Work>) {
    while let Ok(first) = works.recv() {
        let mut next = Some(first);
        while let Some(work) = next {
            work();
            // Whoever hands over work meanwhile need not wake anybody.
            next = works.try_recv().ok().or_else(|| {
                thread::park_timeout(GATHER);
                works.try_recv().ok()
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn works_are_done_in_order_and_what_may_be_left_is_where_too_many_wait() {
        let writer = Writer::default();
        let done = Arc::new(Mutex::new(Vec::new()));
        let work = |number: usize| {
            let done = Arc::clone(&done);
            move || done.lock().unwrap().push(number)
        };
        let (begun, told) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let first = writer.put(move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        });
        told.recv().unwrap();
        let taken = (0..WAITING_MAX + 9).filter(|number| writer.offer(work(*number)));
        assert_eq!(taken.count(), WAITING_MAX);
        go_on.send(()).unwrap();
        assert!(first.wait());
        assert!(writer.put(work(WAITING_MAX)).wait());
        let expected: Vec<usize> = (0..=WAITING_MAX).collect();
        assert_eq!(*done.lock().unwrap(), expected);
    }

    #[test]
    fn work_that_fails_is_told_and_what_follows_is_done_here() {
        let writer = Writer::default();
        assert!(!writer.put(|| panic!("a test's")).wait());
        let (done, told) = mpsc::channel();
        // The thread may be about to end.
        while !writer
            .put({
                let done = done.clone();
                move || done.send(()).unwrap()
            })
            .wait()
        {}
        told.recv().unwrap();
        assert!(!writer.offer(|| {}));
    }
}
