//! Gauges as they are when somebody asks, beside what is counted.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::core::Shared;
use crate::metrics::Page;
use crate::record::{Standing, hex};

/// Writes all metrics.
pub(super) fn page(shared: &Shared) -> String {
    let mut page = Page::default();
    about(shared, &mut page);
    life(shared, &mut page);
    kernel(shared, &mut page);
    shared.operations.metrics.write(&mut page);
    record(shared, &mut page);
    issuers(shared, &mut page);
    catalogues(shared, &mut page);
    exports(shared, &mut page);
    tap(shared, &mut page);
    let operations = &shared.operations;
    let answered = operations.answered.load(Ordering::Relaxed);
    let refused = operations.refused.load(Ordering::Relaxed);
    page.begin("icecore_scrapes_total")
        .put(&["answered"], answered)
        .put(&["refused"], refused);
    page.into_text()
}

fn about(shared: &Shared, page: &mut Page) {
    let current = shared.current();
    let bundle = shared.stages.policies.bundle();
    let recording = current.config.record.mode.as_str();
    page.begin("icecore_build_info")
        .put(&[env!("CARGO_PKG_VERSION")], 1);
    page.begin("icecore_mode_info")
        .put(&[shared.stages.mode.as_str(), recording], 1);
    page.begin("icecore_config_info")
        .put(&[&hex(&current.sha256)], 1);
    page.begin("icecore_policy_info")
        .put(&[&hex(&bundle.sha256())], 1);
    page.one("icecore_policies", bundle.len());
    let started = shared.operations.started_at.timestamp_micros();
    page.one("icecore_start_time_seconds", seconds_of_us(started));
    page.one("icecore_proxy_restarts_total", shared.operations.restarts);
}

fn life(shared: &Shared, page: &mut Page) {
    let (advisory, enforced) = shared.sessions.count();
    page.begin("icecore_sessions_open")
        .put(&["advisory"], advisory)
        .put(&["enforced"], enforced);
    page.one("icecore_logins_open", shared.logins.count());
    let registry = &shared.stages.registry;
    page.one("icecore_statements_open", registry.open_count());
    page.one("icecore_statements_held", registry.held_count());
}

fn kernel(shared: &Shared, page: &mut Page) {
    let operations = &shared.operations;
    page.begin("icecore_heartbeat_age_seconds");
    if let Some(pulse) = operations.pulse.get() {
        page.put(&[], pulse.age().as_secs_f64());
    }
    let Some(stats) = operations.counted() else {
        return;
    };
    page.one("icecore_kernel_redirected_total", stats.redirected);
    page.one("icecore_kernel_refused_total", stats.proxy_down);
    page.begin("icecore_kernel_denied_total");
    for (reason, count) in &stats.denied {
        page.put(&[reason.as_str()], count);
    }
    page.one("icecore_kernel_flows_lost_total", stats.flows_lost);
    page.begin("icecore_kernel_events_lost_total")
        .put(&["full"], stats.events_lost)
        .put(&["rate"], stats.events_limited);
    page.one(
        "icecore_kernel_packets_dropped_total",
        stats.packets_dropped,
    );
    page.one("icecore_kernel_execs_total", stats.execs);
}

fn record(shared: &Shared, page: &mut Page) {
    let Standing {
        chain: _,
        manifests,
        progress,
        spool_max_bytes,
        unacked_bytes,
        oldest_unacked,
        is_refusing,
    } = shared.stages.recorder.standing();
    page.one("icecore_record_unacked_bytes", unacked_bytes);
    page.one("icecore_record_spool_max_bytes", spool_max_bytes);
    let age = oldest_unacked.unwrap_or(Duration::ZERO).as_secs_f64();
    page.one("icecore_record_unacked_age_seconds", age);
    page.one("icecore_record_degraded", u8::from(is_refusing));
    page.one("icecore_record_manifests_total", manifests);
    page.one("icecore_record_objects_stored_total", progress.objects);
    page.one("icecore_record_store_errors_total", progress.store_failures);
    let at = |us: Option<i64>| seconds_of_us(us.unwrap_or(0));
    page.one(
        "icecore_record_sealed_timestamp_seconds",
        at(progress.sealed_us),
    );
    page.one(
        "icecore_record_stored_timestamp_seconds",
        at(progress.stored_us),
    );
    let is_witnessed = shared.current().config.record.witness.is_some();
    page.one("icecore_witness_configured", u8::from(is_witnessed));
    page.begin("icecore_witness_lag_manifests");
    if is_witnessed {
        page.put(&[], manifests.saturating_sub(progress.witnessed));
    }
    page.one("icecore_witness_errors_total", progress.witness_failures);
}

fn issuers(shared: &Shared, page: &mut Page) {
    let ages = shared.current().issuers.ages();
    page.begin("icecore_issuer_keys_age_seconds");
    for (issuer, age, _) in &ages {
        if let Some(age) = age {
            page.put(&[issuer], age.as_secs_f64());
        }
    }
    page.begin("icecore_issuer_keys_failing");
    for (issuer, _, is_failing) in &ages {
        page.put(&[issuer], u8::from(*is_failing));
    }
}

fn catalogues(shared: &Shared, page: &mut Page) {
    let (answered, failed) = shared.stages.catalogues.asked();
    page.begin("icecore_catalogue_questions_total")
        .put(&["answered"], answered)
        .put(&["failed"], failed);
}

fn exports(shared: &Shared, page: &mut Page) {
    let places = shared.operations.exports.counts();
    page.begin("icecore_export_events_total");
    for (name, kind, counts) in &places {
        page.put(&[name, kind, "sent"], counts.sent.load(Ordering::Relaxed));
        let dropped = counts.dropped.load(Ordering::Relaxed);
        page.put(&[name, kind, "dropped"], dropped);
    }
    page.begin("icecore_export_failures_total");
    for (name, kind, counts) in &places {
        page.put(&[name, kind], counts.failures.load(Ordering::Relaxed));
    }
    page.begin("icecore_export_waiting");
    for (name, kind, counts) in &places {
        page.put(&[name, kind], counts.waiting.load(Ordering::Relaxed));
    }
}

fn tap(shared: &Shared, page: &mut Page) {
    let counts = shared.tap.counts();
    page.begin("icecore_tap_connections_total");
    for (outcome, number) in counts.connections() {
        page.put(&[outcome], number);
    }
    let (up, down) = counts.bytes();
    page.begin("icecore_tap_bytes_total")
        .put(&["up"], up)
        .put(&["down"], down);
    page.one("icecore_tap_waiting_bytes", shared.tap.waiting_bytes());
    page.one("icecore_tap_lost_bytes_total", counts.lost_bytes());
    page.one("icecore_tap_unreadable_total", counts.unreadable());
    page.begin("icecore_telemetry_requests_total");
    for (outcome, number) in counts.telemetry() {
        page.put(&[outcome], number);
    }
    page.begin("icecore_telemetry_records_total");
    for (outcome, number) in counts.words() {
        page.put(&[outcome], number);
    }
}

/// Gives a time in seconds, to the microsecond.
fn seconds_of_us(us: i64) -> String {
    format!(
        "{}.{:06}",
        us.div_euclid(1_000_000),
        us.rem_euclid(1_000_000)
    )
}
