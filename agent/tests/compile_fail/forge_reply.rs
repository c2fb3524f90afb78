//! A reply comes from delivery alone, which records first.

use icecore::record::Reply;

fn main() {
    let _reply = Reply { body: Default::default(), in_progress: false };
}
