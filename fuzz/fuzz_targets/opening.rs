//! Any first bytes of a connection are told or wait for more.

#![no_main]

use icecore::connection::hello::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse(bytes);
});
