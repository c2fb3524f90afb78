//! What the proxy lets in: nothing yet, all, nothing more for now, or nothing for good since the next proxy takes its place.
//!
//! It begins once the supervisor has told of all sessions: whoever waits in the listeners' backlog is of one of them.
//! While it is paused, connections wait in the listeners' backlog, where the next proxy finds them, and each open one
//! ends with the answer that is under way. Nothing is cut off: the proxy closes only at a moment at which nothing is.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::watch;

use crate::connection::http::Told;

/// Set beside the count once nothing begins any more.
const CLOSED: usize = 1 << (usize::BITS - 1);

/// How long an answer that is written may take to leave once all is let go of; whoever waits to begin then waits as long.
const LEAVES_WITHIN: Duration = Duration::from_millis(100);

/// How far the proxy is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// It takes none yet: it is still told of sessions.
    Beginning,
    /// It takes connections.
    Open,
    /// It takes none for now; open ones end with the answer under way.
    Paused,
    /// It takes none any more, and lets go of those that are left.
    Closed,
}

/// What an accept loop does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// It takes connections.
    Connections,
    /// It leaves them in the backlog and shows that it is there.
    NoneYet,
    /// It ends.
    NoMore,
}

/// What the proxy lets in; shared by its cores.
#[derive(Debug)]
pub(super) struct Intake {
    level: watch::Sender<Level>,
    /// Requests whose answers are not out yet.
    requests: AtomicUsize,
    /// Connections that are carried unread.
    carried: AtomicUsize,
    is_replaced: AtomicBool,
}

impl Default for Intake {
    fn default() -> Self {
        Self {
            level: watch::Sender::new(Level::Beginning),
            requests: AtomicUsize::new(0),
            carried: AtomicUsize::new(0),
            is_replaced: AtomicBool::new(false),
        }
    }
}

impl Intake {
    /// Takes connections from here on, if it took none yet.
    pub(super) fn open(&self) {
        self.level.send_if_modified(|level| {
            let begins = *level == Level::Beginning;
            if begins {
                *level = Level::Open;
            }
            begins
        });
    }

    /// Takes no more connections for now.
    pub(super) fn pause(&self) {
        self.level.send_if_modified(|level| {
            let may_take = matches!(level, Level::Beginning | Level::Open);
            if may_take {
                *level = Level::Paused;
            }
            may_take
        });
    }

    /// Takes connections again after a pause.
    pub(super) fn resume(&self) {
        self.requests.fetch_and(!CLOSED, Ordering::SeqCst);
        self.level.send_replace(Level::Open);
    }

    /// Tells whether it takes nothing any more.
    pub(super) fn is_closed(&self) -> bool {
        *self.level.borrow() == Level::Closed
    }

    /// Keeps any request from beginning, if none is under way; tells whether that is so. [`Intake::unseal`] takes it back.
    pub(super) fn seal(&self) -> bool {
        let sealed = self
            .requests
            .compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst);
        matches!(sealed, Ok(_) | Err(CLOSED))
    }

    /// Lets requests begin again that [`Intake::seal`] kept from it.
    pub(super) fn unseal(&self) {
        self.requests.fetch_and(!CLOSED, Ordering::SeqCst);
        // Wakes those that wait.
        self.level.send_modify(|_| {});
    }

    /// Takes nothing any more, and lets go of what is left.
    pub(super) fn close(&self) {
        self.requests.fetch_or(CLOSED, Ordering::SeqCst);
        self.level.send_replace(Level::Closed);
    }

    /// Closes at rest: the next proxy takes this one's place.
    pub(super) fn give_way(&self) {
        self.is_replaced.store(true, Ordering::SeqCst);
        self.close();
    }

    /// Tells whether it closed at rest.
    pub(super) fn is_replaced(&self) -> bool {
        self.is_replaced.load(Ordering::SeqCst)
    }

    /// Counts the requests whose answers are not out yet.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst) & !CLOSED
    }

    /// Counts the connections that are carried unread.
    pub(super) fn carried(&self) -> usize {
        self.carried.load(Ordering::SeqCst)
    }

    /// Waits until connections are taken, or may be soon; tells which.
    pub(super) async fn takes(&self) -> Takes {
        let mut level = self.level.subscribe();
        let settled = level.wait_for(|level| *level != Level::Paused).await;
        match settled.as_deref() {
            Ok(Level::Open) => Takes::Connections,
            Ok(Level::Beginning) => Takes::NoneYet,
            Ok(Level::Paused | Level::Closed) | Err(_) => Takes::NoMore,
        }
    }

    /// Waits until it has begun, whatever came of that.
    pub(super) async fn begun(&self) {
        wait(&self.level, |level| level != Level::Beginning).await;
    }

    /// Waits until no more connections are taken.
    pub(super) async fn paused(&self) {
        wait(&self.level, |level| level != Level::Open).await;
    }

    /// Waits until what is left is let go of.
    pub(super) async fn closed(&self) {
        wait(&self.level, |level| level == Level::Closed).await;
    }

    /// Serves a connection until all is let go of, and then for as long as its last answer takes to leave: with HTTP/2 one has
    /// ended for whoever counts it before the connection's task has written it. `None` if it was cut off.
    pub(super) async fn serve<T>(&self, serving: impl Future<Output = T>) -> Option<T> {
        let mut serving = pin!(serving);
        tokio::select! {
            served = serving.as_mut() => return Some(served),
            () = self.closed() => {}
        }
        tokio::time::timeout(LEAVES_WITHIN, serving).await.ok()
    }

    /// Begins a request. While the proxy is about to close it waits: its client finds the connection gone and sends it
    /// again, to the next proxy.
    pub(super) async fn begin(self: &Arc<Self>) -> Begun {
        if let Some(begun) = self.try_begin() {
            return begun;
        }
        let mut level = self.level.subscribe();
        loop {
            if let Some(begun) = self.try_begin() {
                return begun;
            }
            if level.changed().await.is_err() {
                // Nobody is left who could let it begin.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Begins with a connection that was just taken; none where the proxy is about to close.
    pub(super) fn arrive(self: &Arc<Self>) -> Option<Begun> {
        self.try_begin()
    }

    fn try_begin(self: &Arc<Self>) -> Option<Begun> {
        let before = self.requests.fetch_add(1, Ordering::SeqCst);
        let begun = Begun(Arc::clone(self));
        (before & CLOSED == 0).then_some(begun)
    }

    /// Begins to carry a connection unread.
    pub(super) fn carry(self: &Arc<Self>) -> Carried {
        self.carried.fetch_add(1, Ordering::SeqCst);
        Carried(Arc::clone(self))
    }
}

async fn wait(level: &watch::Sender<Level>, is_there: impl Fn(Level) -> bool) {
    let mut level = level.subscribe();
    if level.wait_for(|level| is_there(*level)).await.is_err() {
        // Nobody is left who could change it.
        std::future::pending::<()>().await;
    }
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub(super) struct Begun(Arc<Intake>);

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Begun {
    /// Has the request be under way until the last piece of its answer has left.
    pub(super) fn until_told(self, told: Told) -> Told {
        told.map(|body| Counted { body, _begun: self }.boxed_unsync())
    }
}

/// A connection that is carried unread, until this is dropped.
#[derive(Debug)]
pub(super) struct Carried(Arc<Intake>);

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.carried.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The body of an answer, with the request that it answers.
struct Counted<B> {
    body: B,
    _begun: Begun,
}

impl<B> Body for Counted<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;
    use crate::connection::http::whole;

    fn on_a_core<F: Future>(work: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(work)
    }

    async fn is_ready(future: impl Future) -> bool {
        let at_once = Duration::from_millis(20);
        tokio::time::timeout(at_once, future).await.is_ok()
    }

    #[test]
    fn it_closes_only_where_nothing_is_under_way() {
        on_a_core(async {
            let intake = Arc::new(Intake::default());
            let begun = intake.begin().await;
            intake.pause();
            assert!(!intake.seal());
            let told = whole(StatusCode::OK, "text/plain", Bytes::from_static(b"x"));
            let told = begun.until_told(told);
            assert!(!intake.seal(), "its answer is not out");
            let body = told.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "x");
            assert!(intake.seal() && intake.seal());
        });
    }

    #[test]
    fn what_comes_at_the_end_waits_and_goes_on_if_there_is_none() {
        on_a_core(async {
            let intake = Arc::new(Intake::default());
            intake.pause();
            assert!(is_ready(intake.begin()).await);
            assert!(intake.seal());
            assert!(!is_ready(intake.begin()).await);
            assert_eq!(intake.requests(), 0);
            intake.resume();
            assert!(is_ready(intake.begin()).await);
            assert_eq!(intake.takes().await, Takes::Connections);
            intake.close();
            assert!(!is_ready(intake.begin()).await);
            assert_eq!(intake.takes().await, Takes::NoMore);
        });
    }

    #[test]
    fn nothing_is_taken_before_all_sessions_are_told_nor_after_the_end() {
        on_a_core(async {
            let intake = Arc::new(Intake::default());
            assert_eq!(intake.takes().await, Takes::NoneYet);
            assert!(!is_ready(intake.begun()).await);
            intake.open();
            assert!(is_ready(intake.begun()).await);
            assert_eq!(intake.takes().await, Takes::Connections);
            intake.pause();
            intake.open();
            assert!(!is_ready(intake.takes()).await, "a pause is not ended so");
            // One that is told to stop before it began.
            let intake = Intake::default();
            intake.close();
            intake.open();
            assert_eq!(intake.takes().await, Takes::NoMore);
        });
    }

    #[test]
    fn what_was_answered_leaves_after_the_end_and_nothing_else_holds_a_connection() {
        on_a_core(async {
            let intake = Intake::default();
            intake.close();
            let leaves = tokio::time::sleep(Duration::from_millis(20));
            assert_eq!(intake.serve(leaves).await, Some(()));
            assert_eq!(intake.serve(std::future::pending::<()>()).await, None);
        });
    }

    #[test]
    fn carried_connections_are_counted_and_hold_nothing_up() {
        let intake = Arc::new(Intake::default());
        let carried = intake.carry();
        assert!(intake.seal());
        assert_eq!(intake.carried(), 1);
        drop(carried);
        assert_eq!(intake.carried(), 0);
    }
}
