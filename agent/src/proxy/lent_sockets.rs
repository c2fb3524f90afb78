//! Sockets of containers' networks, which the supervisor makes there and lends: a few at a time, and each session has its share.
//!
//! A burst of one container waits for its own turn, not others for it; what waits too long is reset.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{AcquireError, Semaphore};

use super::arrivals::Arrivals;
use crate::control::Borrower;

/// Most that are asked for at once, each on a thread: by one session, and by all. The supervisor makes one in less than a
/// millisecond, and gives one network no more than the second of these (`supervisor/loans.rs`).
pub(super) const SESSION_SOCKETS_MAX: usize = 4;
const SOCKETS_MAX: usize = 32;

/// Longest wait for a turn: drivers wait 10 s for the handshake.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// Asks the supervisor for sockets.
#[derive(Debug)]
pub(super) struct LentSockets {
    borrower: Borrower,
    at_once: Arc<Semaphore>,
}

impl LentSockets {
    pub(super) fn new(borrower: Borrower) -> Self {
        let at_once = Arc::new(Semaphore::new(SOCKETS_MAX));
        Self { borrower, at_once }
    }

    /// Has a socket made in a network that a session's process connected from.
    ///
    /// # Errors
    /// It is not lent, or too many others are asked for.
    pub(super) async fn of_network(
        &self,
        arrivals: &Arrivals,
        network: u64,
        v6: bool,
    ) -> io::Result<OwnedFd> {
        let turn = async {
            // The session's own first: of those that wait for the others each session has a few.
            let own = Arc::clone(&arrivals.sockets).acquire_owned().await?;
            let any = Arc::clone(&self.at_once).acquire_owned().await?;
            Ok::<_, AcquireError>((own, any))
        };
        let turn = tokio::time::timeout(TURN_WITHIN, turn).await;
        let turn = turn.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
        let held = turn.map_err(io::Error::other)?;
        let borrower = self.borrower.clone();
        let lending = tokio::task::spawn_blocking(move || {
            // Until the thread is done, whether anybody still waits or not.
            let _held = held;
            borrower.socket(network, v6)
        });
        let lent = lending.await.map_err(io::Error::other)?;
        lent.map_err(|declined| {
            io::Error::other(format!(
                "expected {}, found {}",
                declined.expected, declined.found
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;

    use tokio::runtime::Builder;

    use super::*;

    fn burst<'a>(
        sockets: &'a LentSockets,
        arrivals: &'a Arrivals,
        count: usize,
    ) -> impl Future<Output = Vec<io::Result<OwnedFd>>> + 'a {
        let all = (0..count).map(|_| sockets.of_network(arrivals, 7, false));
        futures_util::future::join_all(all.collect::<Vec<_>>())
    }

    /// Nobody answers: what is under way stays so, and the rest waits.
    #[test]
    fn a_sessions_burst_takes_its_share_and_leaves_the_others_theirs() {
        let (borrower, other_end) = Borrower::unanswered().unwrap();
        let sockets = LentSockets::new(borrower);
        let [one, two, three] = [(); 3].map(|()| Arrivals::default());
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let free = || sockets.at_once.available_permits();
            let mut first = pin!(burst(&sockets, &one, 200));
            assert!(waits(&mut first).await);
            assert_eq!(free(), SOCKETS_MAX - SESSION_SOCKETS_MAX);
            let others =
                async { tokio::join!(burst(&sockets, &two, 1), burst(&sockets, &three, 200)) };
            let mut others = pin!(others);
            assert!(waits(&mut others).await);
            assert_eq!(free(), SOCKETS_MAX - 2 * SESSION_SOCKETS_MAX - 1);
            // The supervisor is gone: all are told, and every place is free again.
            drop(other_end);
            let (first, (second, third)) = tokio::join!(first, others);
            let all = first.into_iter().chain(second).chain(third);
            assert!(all.into_iter().all(|lent| lent.is_err()));
            assert_eq!(free(), SOCKETS_MAX);
        });
    }

    /// Has something begin; tells whether it waits.
    async fn waits(work: &mut (impl Future + Unpin)) -> bool {
        let within = Duration::from_millis(50);
        tokio::time::timeout(within, work).await.is_err()
    }
}
