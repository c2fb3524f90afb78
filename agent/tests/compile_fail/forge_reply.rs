//! A reply comes from delivery alone, which records first.

use icecore::record::Reply;
use icecore::snowflake::answer::Body;

fn main() {
    let _reply = Reply { body: Body::ok("{}".into()), is_passing: false };
}
