//! Any body of telemetry, in both forms, is read within bounds or refused, and tells what a prefix of its records tells.

#![no_main]

use icecore::prompt::telemetry::{Form, Heard, RECORDS_MAX, Signal, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for signal in [Signal::Logs, Signal::Traces] {
        for form in [Form::Json, Form::Protobuf] {
            let Ok(told) = read(signal, form, body) else {
                continue;
            };
            assert!(told.records <= RECORDS_MAX && told.reports.len() <= told.records);
            let mut heard = Heard::default();
            for report in told.reports {
                drop(heard.asked(&report.tool_call_id, Some(7), body));
                assert!(report.command.as_ref().is_none_or(|text| text.len() <= 1024));
                drop(heard.told(report, 7));
            }
        }
    }
});
