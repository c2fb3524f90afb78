//! Tasks with a name, so that one that ends by a panic is seen and told.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use tokio::task::JoinHandle;
use tracing::error;

/// Starts a task on the current runtime and logs its name if it panics.
///
/// Must be called inside a tokio runtime.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        // What the future held is dropped with it, and nobody else sees it half done.
        if AssertUnwindSafe(future).catch_unwind().await.is_err() {
            error!(task = name, "task ended by a panic");
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_panics_ends_and_takes_no_other_with_it() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let ended = runtime.block_on(async {
            let panics = spawn("panics", async { panic!("on purpose") });
            let (done, told) = tokio::sync::oneshot::channel();
            drop(spawn("goes on", async { done.send(7).unwrap() }));
            (panics.await.is_ok(), told.await)
        });
        assert_eq!(ended, (true, Ok(7)));
    }
}
