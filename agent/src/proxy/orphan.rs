//! What becomes of a proxy whose supervisor is gone: it closes its record and ends, and if it cannot, it ends all the same.
//!
//! The supervisor's link says it first; the kernel's signal says it too, whatever the link's threads are busy with.

use std::thread;
use std::time::Duration;

use rustix::process::getppid;
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

use super::ProxyError;

/// How long the record may take to be closed without a supervisor: as long as one that stops waits for it.
const CLOSE_WITHIN: Duration = Duration::from_secs(60);

/// Exit code of a proxy that was left behind: `EX_SOFTWARE` of sysexits.h.
const LEFT_BEHIND: i32 = 70;

/// Ends this process some time after its supervisor, at the latest.
///
/// Another SIGTERM changes nothing: who stops the daemon asks the supervisor, which has the proxy drained. The kernel
/// sends it as well where the supervisor's thread that started the proxy ends and the supervisor does not.
pub(super) fn end_with_the_supervisor() -> Result<(), ProxyError> {
    let supervisor = getppid();
    let mut signals = Signals::new([SIGTERM]).map_err(ProxyError::Signal)?;
    let watch = move || {
        for _ in signals.forever() {
            if getppid() == supervisor {
                tracing::info!("told to stop; the supervisor is who is asked");
                continue;
            }
            tracing::warn!("the supervisor is gone");
            thread::sleep(CLOSE_WITHIN);
            std::process::exit(LEFT_BEHIND);
        }
    };
    thread::Builder::new()
        .name("orphan".to_owned())
        .spawn(watch)
        .map_err(ProxyError::Core)?;
    Ok(())
}
