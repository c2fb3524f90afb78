//! A receipt comes from the recorder alone.

use icecore::record::Receipt;

fn main() {
    let _receipt = Receipt { chain: "".into(), seq: None, durability_wait: Default::default() };
}
