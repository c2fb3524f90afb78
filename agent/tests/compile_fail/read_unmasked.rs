//! Rows cannot be read before they are masked.

use icecore::upstream::Unmasked;

fn look(unmasked: Unmasked) {
    println!("{unmasked:?}");
    let _rows = unmasked.answered;
}

fn main() {}
