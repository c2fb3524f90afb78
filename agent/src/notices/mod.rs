//! Notices: chats and programs are told that people are asked, and what came of it.
//!
//! A notice is a pointer to the mailbox, and no way around it: nothing waits for it. Where a group takes a chat's word, a
//! message has buttons, and a click comes by the mailbox as each word does (`inbox/clicks`). Each place has a queue of its
//! own, so that one that is away holds up none beside it. What cannot be sent is told as event AP005.

mod buttons;
mod content;
mod place;
mod slack;
mod teams;
mod webhook;

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use futures_util::future::join_all;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{Sender, channel};

use crate::clock::Clock;
use crate::config::{Notify, NotifyTo};
use crate::mailbox::{Herald, News};
use crate::record::{Recorder, StoreSecret};
use crate::web;
use crate::web::sending::WAITS;
use place::Place;
pub(crate) use webhook::Signer;

/// Most notices that wait for one place.
const QUEUE_MAX: usize = 1024;

/// A place that is told, and what opens it.
pub struct Told {
    /// The place.
    pub notify: Notify,
    /// Whether it is told the statement's text.
    pub shows_statement: bool,
    /// Its secret, read for each notice.
    pub secret: StoreSecret,
}

/// Starts the one thread that sends notices, which ends with the last herald.
///
/// # Errors
/// The system gives no runtime or no thread.
pub fn start(
    told: Vec<Told>,
    web: &web::Client,
    recorder: &Recorder,
    clock: Clock,
) -> io::Result<Herald> {
    if told.is_empty() {
        return Ok(Herald::default());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut queues = Vec::with_capacity(told.len());
    let mut sending = Vec::with_capacity(told.len());
    for one in told {
        let (queue, taken) = channel(QUEUE_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        queues.push(Queue {
            groups: one.notify.groups.clone(),
            queue,
            lost: Arc::clone(&lost),
        });
        let place = Place::new(one, (web.clone(), recorder.clone()), (clock, &WAITS), lost);
        sending.push(place.run(taken));
    }
    let run = move || drop(runtime.block_on(join_all(sending)));
    // It holds nothing that outlives the process.
    drop(
        thread::Builder::new()
            .name("notices".to_owned())
            .spawn(run)?,
    );
    Ok(Herald::new(move |news| {
        queues.iter().for_each(|queue| queue.take(&news));
    }))
}

/// What waits for one place.
struct Queue {
    groups: BTreeSet<String>,
    queue: Sender<News>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    fn take(&self, news: &News) {
        let mut asked = news.request.needs.iter();
        let is_told = self.groups.is_empty() || asked.any(|need| self.groups.contains(&need.group));
        if is_told && self.queue.try_send(news.clone()).is_err() {
            // The place tells of it once it is through with what it has.
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
