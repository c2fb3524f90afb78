//! What Snowflake answered is delivered only once it is masked.

use icecore::clock::Clock;
use icecore::id::SessionId;
use icecore::record::{Recorder, deliver};
use icecore::upstream::Unmasked;

async fn leak(recorder: &Recorder, unmasked: Unmasked, clock: &Clock) {
    let _reply = deliver(recorder, SessionId::new(), unmasked, None, clock.now()).await;
}

fn main() {}
