//! Tasks with a name, so that one that ends by a panic is seen and told.

use std::future::Future;

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
        if let Err(failure) = tokio::spawn(future).await
            && failure.is_panic()
        {
            error!(task = name, "task ended by a panic");
        }
    })
}
