//! Code that skips a stage does not compile: each file here is such an attempt, with the compiler's answer beside it.

#[test]
fn no_stage_can_be_skipped() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
