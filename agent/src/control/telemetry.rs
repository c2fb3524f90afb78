//! Where a session's telemetry is received, and the variables that send it there.

use std::net::Ipv4Addr;

/// The address: one of the loopback's (RFC 1122 section 3.2.1.3), so that nothing leaves the host where nobody receives it.
///
/// Nothing listens there. The kernel's programs bring a session's connects to the proxy, which knows by the socket which
/// session and which process it is of; other programs of the host find nobody.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 73, 67, 69);

/// The port, which every session's connects are redirected on.
pub const PORT: u16 = 80;

/// What is set for a session's command whose caller sends no telemetry itself.
///
/// Source: OpenTelemetry's "OTLP Exporter Configuration"; Claude Code 2.1.197 for those that are its own. Without
/// `OTEL_LOG_TOOL_DETAILS` it tells no command; it tells prompts only by a variable that is not among these.
pub const VARIABLES: [(&str, &str); 6] = [
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.73.67.69"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
    ("OTEL_LOGS_EXPORTER", "otlp"),
    ("OTEL_LOGS_EXPORT_INTERVAL", "1000"),
    ("OTEL_LOG_TOOL_DETAILS", "1"),
    ("CLAUDE_CODE_ENABLE_TELEMETRY", "1"),
];

/// Begins the name of each variable by which somebody sends telemetry elsewhere, or not at all.
const PREFIXES: [&str; 3] = ["OTEL_", "CLAUDE_CODE_ENABLE_TELEMETRY", "CLAUDE_CODE_OTEL_"];

/// Finds a variable of the caller's that says where telemetry goes: then none of ours is set.
pub fn own_variable(names: impl Iterator<Item = String>) -> Option<String> {
    let is_own = |name: &String| PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    names.filter(is_own).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_name_the_address() {
        let named = VARIABLES.map(|(_, value)| value);
        assert!(named.contains(&format!("http://{ADDRESS}").as_str()));
        assert_eq!(PORT, 80);
    }

    #[test]
    fn what_the_caller_set_is_found() {
        let found = |names: &[&str]| own_variable(names.iter().map(|name| (*name).to_owned()));
        assert_eq!(found(&["PATH", "CLAUDE_CODE_SESSION_ID"]), None);
        let own = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
        assert_eq!(found(&["PATH", own]).as_deref(), Some(own));
        let off = "CLAUDE_CODE_ENABLE_TELEMETRY";
        assert_eq!(found(&[off]).as_deref(), Some(off));
    }
}
