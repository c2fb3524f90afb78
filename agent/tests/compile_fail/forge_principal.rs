//! A verified principal comes from a token alone: it can be neither written down by hand nor read from a text.

use icecore::identity::Principal;

fn main() {
    let _principal: Principal = serde_json::from_str("{}").unwrap();
}
