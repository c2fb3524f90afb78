//! Any body is a query or login request, or refused; what is sent on reads back as the same statement.

#![no_main]

use icecore::snowflake::login::LoginRequest;
use icecore::snowflake::query::QueryRequest;
use icecore::snowflake::v2;
use libfuzzer_sys::fuzz_target;

const TEXT_MAX_BYTES: u64 = 1 << 16;

const PINNED: v2::Pinned<'_> = v2::Pinned {
    role: "ANALYST",
    warehouse: Some("WH"),
    database: None,
    schema: None,
};

fuzz_target!(|body: &[u8]| {
    reads_back(body, |body| QueryRequest::read(body, TEXT_MAX_BYTES).ok());
    reads_back(body, |body| v2::read(body, None, TEXT_MAX_BYTES, PINNED).ok());
    let _ = LoginRequest::read(body);
});

fn reads_back(body: &[u8], read: impl Fn(&[u8]) -> Option<QueryRequest>) {
    let Some(request) = read(body) else { return };
    for judged in [None, Some(2)] {
        let written = request.write(judged).expect("what was JSON is JSON");
        let again = read(&written).expect("what was read is read again");
        assert_eq!(again.sql_text(), request.sql_text());
    }
}
