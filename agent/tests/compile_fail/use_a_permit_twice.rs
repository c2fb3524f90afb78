//! One decision, one execution.

use icecore::clock::Clock;
use icecore::policy::Permit;
use icecore::record::{Draft, Recorder, intend};

async fn twice(recorder: &Recorder, permit: Permit, draft: Draft, clock: &Clock) {
    let _first = intend(recorder, permit, draft.clone(), [0; 32], clock.now(), clock).await;
    let _second = intend(recorder, permit, draft, [0; 32], clock.now(), clock).await;
}

fn main() {}
