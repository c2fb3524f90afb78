//! The variables by which a session's programs send their telemetry to the proxy, where the config wants it.

use std::env;

use crate::control::request::Opened;
use crate::control::telemetry::{VARIABLES, own_variable};

/// What is set, and what its people are told of it.
pub(super) struct Telemetry {
    pub(super) variables: Vec<(&'static str, &'static str)>,
    pub(super) told: Option<String>,
}

/// Finds what to set. Whoever sends telemetry somewhere already goes on with that, and nothing of it is changed.
pub(super) fn variables(opened: &Opened) -> Telemetry {
    let names = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    of(opened.telemetry, names)
}

fn of(is_received: bool, names: impl Iterator<Item = String>) -> Telemetry {
    let own = own_variable(names).filter(|_| is_received);
    let variables = match (&own, is_received) {
        (None, true) => VARIABLES.to_vec(),
        (Some(_), _) | (None, false) => Vec::new(),
    };
    let told = own.map(|name| {
        format!(
            "{name} is set already: telemetry goes where it says, and Icecore receives none of it"
        )
    });
    Telemetry { variables, told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telemetry_that_goes_elsewhere_is_left_alone_and_that_is_told() {
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            names.into_iter()
        };
        let none = of(true, names(&["PATH"]));
        assert_eq!((none.variables.len(), none.told), (VARIABLES.len(), None));
        let own = of(true, names(&["PATH", "OTEL_EXPORTER_OTLP_ENDPOINT"]));
        assert!(own.variables.is_empty());
        assert!(
            own.told
                .unwrap()
                .starts_with("OTEL_EXPORTER_OTLP_ENDPOINT is set")
        );
        let off = of(false, names(&["OTEL_EXPORTER_OTLP_ENDPOINT"]));
        assert_eq!((off.variables.len(), off.told), (0, None));
    }
}
