//! Any body is a query or login request, or refused; what is sent on reads back as the same statement.

#![no_main]

use icecore::snowflake::login::LoginRequest;
use icecore::snowflake::query::QueryRequest;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = QueryRequest::read(body, 1 << 16) {
        let written = request.write().expect("what was JSON is JSON");
        let again = QueryRequest::read(&written, 1 << 16).expect("what was read is read again");
        assert_eq!(again.sql_text(), request.sql_text());
    }
    let _ = LoginRequest::read(body);
});
