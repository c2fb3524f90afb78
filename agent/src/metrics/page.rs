//! What Prometheus reads. Pure.
//!
//! Source: prometheus.io, "Exposition formats", text-based format 0.0.4: `# HELP` and `# TYPE` once a family, its samples
//! together; in help `\` and line feeds are escaped, in values of labels quotes too.

use std::fmt::{Display, Write as _};

use super::contract::{Family, Kind};
use super::histogram::Histogram;

/// The media type of the format.
pub const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page that is being written.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    family: Option<&'static Family>,
}

impl Page {
    /// Begins the family of this name; what follows is of it. A name that is not in the contract is left out.
    pub fn begin(&mut self, name: &str) -> &mut Self {
        self.family = Family::named(name);
        if let Some(family) = self.family {
            self.line(format_args!("# HELP {} {}", family.name, help(family.help)));
            self.line(format_args!(
                "# TYPE {} {}",
                family.name,
                family.kind.as_str()
            ));
        }
        self
    }

    /// Adds a number, with a value for each label of its family.
    pub fn put(&mut self, values: &[&str], number: impl Display) -> &mut Self {
        if let Some(family) = self.family {
            let labels = labels(family.labels, values);
            self.line(format_args!("{}{labels} {number}", family.name));
        }
        self
    }

    /// Begins a family without labels and adds its one number.
    pub fn one(&mut self, name: &str, number: impl Display) {
        self.begin(name).put(&[], number);
    }

    /// Begins a family and adds a histogram.
    pub fn histogram(&mut self, name: &str, histogram: &Histogram) {
        self.begin(name);
        let Some(family) = self.family.filter(|family| family.kind == Kind::Histogram) else {
            return;
        };
        for (most, count) in histogram.cumulated() {
            self.line(format_args!(
                "{}_bucket{{le=\"{most}\"}} {count}",
                family.name
            ));
        }
        let (count, sum) = (histogram.count(), histogram.sum_seconds());
        self.line(format_args!(
            "{}_bucket{{le=\"+Inf\"}} {count}",
            family.name
        ));
        self.line(format_args!("{}_sum {sum}", family.name));
        self.line(format_args!("{}_count {count}", family.name));
    }

    /// Gives the page.
    #[must_use]
    pub fn into_text(self) -> String {
        self.text
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // A String takes everything.
        let _written = writeln!(self.text, "{line}");
    }
}

fn labels(names: &[&str], values: &[&str]) -> String {
    if names.is_empty() {
        return String::new();
    }
    let pairs = names.iter().zip(values);
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{name}=\"{}\"", label(value)))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

fn help(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn label(text: &str) -> String {
    help(text).replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_page_is_what_prometheus_reads() {
        let mut page = Page::default();
        page.one("icecore_statements_open", 3);
        page.begin("icecore_issuer_keys_age_seconds")
            .put(&["a\"b\\c\nd"], 1.5);
        page.one("icecore_no_such_thing", 1);
        let mut waits = Histogram::default();
        waits.add(Duration::from_millis(2));
        page.histogram("icecore_decision_seconds", &waits);
        let text = page.into_text();
        let expected = "\
# HELP icecore_statements_open Statements that have no reply yet.
# TYPE icecore_statements_open gauge
icecore_statements_open 3
# HELP icecore_issuer_keys_age_seconds How old an issuer's keys are; absent while there are none.
# TYPE icecore_issuer_keys_age_seconds gauge
icecore_issuer_keys_age_seconds{issuer=\"a\\\"b\\\\c\\nd\"} 1.5
# HELP icecore_decision_seconds How long reading and deciding took.
# TYPE icecore_decision_seconds histogram
icecore_decision_seconds_bucket{le=\"0.0001\"} 0
";
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("_bucket{le=\"0.0025\"} 1\n"), "{text}");
        assert!(
            text.ends_with(
                "_bucket{le=\"+Inf\"} 1\nicecore_decision_seconds_sum 0.002\nicecore_decision_seconds_count 1\n"
            ),
            "{text}"
        );
    }
}
