//! Asks for metrics as Prometheus does, and reads them strictly.
//!
//! Source: prometheus.io, "Exposition formats", text-based format 0.0.4.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::install;

/// What was told.
#[derive(Debug, Default)]
pub struct Scraped {
    /// The kind of each family, in the order of the page.
    pub families: Vec<(String, String)>,
    /// Each sample by its name and labels, such as `a_total{b="c"}`.
    pub samples: BTreeMap<String, f64>,
}

impl Scraped {
    /// Gives a sample; 0 where there is none.
    #[must_use]
    pub fn get(&self, sample: &str) -> f64 {
        self.samples.get(sample).copied().unwrap_or(0.0)
    }

    /// Gives the samples of a family, each by its labels.
    #[must_use]
    pub fn of(&self, name: &str) -> BTreeMap<String, f64> {
        let own = self.samples.iter().filter_map(|(sample, number)| {
            let labels = sample.strip_prefix(name)?;
            (labels.is_empty() || labels.starts_with('{')).then(|| (labels.to_owned(), *number))
        });
        own.collect()
    }
}

/// Asks for a path; gives the status, the media type and the body.
pub fn ask(address: SocketAddr, path: &str) -> Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let media_type = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-type")
            .then(|| value.to_owned())
    });
    ensure!(!head.to_ascii_lowercase().contains("chunked"), "{head}");
    Ok((status, media_type.unwrap_or_default(), body.to_owned()))
}

/// Asks for metrics and reads them.
pub fn scrape(address: SocketAddr) -> Result<Scraped> {
    let (status, media_type, body) = ask(address, "/metrics")?;
    ensure!(status == 200, "status {status}: {body}");
    ensure!(
        media_type.starts_with("text/plain; version=0.0.4"),
        "{media_type}"
    );
    read(&body)
}

/// Has Prometheus' own tool check something that it reads from standard input, or from files that are named.
pub fn promtool(arguments: &[&str], input: &str) -> Result<()> {
    let program = install::program("promtool", &["prometheus"])?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // One that reads files alone may have ended by then.
    drop(stdin.write_all(input.as_bytes()));
    drop(stdin);
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "promtool {arguments:?}: {output:?}"
    );
    Ok(())
}

/// Reads a page; anything that Prometheus would not take is an error.
pub fn read(page: &str) -> Result<Scraped> {
    ensure!(page.ends_with('\n'), "the last line does not end");
    let mut scraped = Scraped::default();
    let mut helped: Option<&str> = None;
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').context("no help")?;
            ensure!(is_name(name) && !help.is_empty(), "{line}");
            helped = Some(name);
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').context("no type")?;
            ensure!(helped == Some(name), "type without help: {line}");
            ensure!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            let is_new = scraped.families.iter().all(|(known, _)| known != name);
            ensure!(is_new, "{name} again");
            scraped.families.push((name.to_owned(), kind.to_owned()));
            continue;
        }
        let (sample, number) = line.rsplit_once(' ').context("no number")?;
        let number: f64 = number.parse().with_context(|| line.to_owned())?;
        let (name, labels) = match sample.split_once('{') {
            Some((name, labels)) => (name, labels.strip_suffix('}').context("labels do not end")?),
            None => (sample, ""),
        };
        check_labels(labels).with_context(|| line.to_owned())?;
        let (family, kind) = scraped.families.last().context("a sample of no family")?;
        let of_family = match kind.as_str() {
            "histogram" => ["_bucket", "_sum", "_count"]
                .iter()
                .any(|part| name.strip_suffix(part) == Some(family)),
            _ => name == family,
        };
        ensure!(of_family, "`{name}` stands among `{family}`");
        ensure!(kind == "gauge" || number >= 0.0, "{line}");
        if scraped.samples.insert(sample.to_owned(), number).is_some() {
            bail!("{sample} again");
        }
    }
    Ok(scraped)
}

fn check_labels(labels: &str) -> Result<()> {
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, value) = rest.split_once("=\"").context("no value")?;
        ensure!(is_name(name) && !name.contains(':'), "label `{name}`");
        let mut is_escaped = false;
        let end = value.char_indices().find(|(_, sign)| {
            let is_end = *sign == '"' && !is_escaped;
            is_escaped = *sign == '\\' && !is_escaped;
            is_end
        });
        let (end, _) = end.context("a value does not end")?;
        let after = value.get(end + 1..).unwrap_or_default();
        rest = match after.strip_prefix(',') {
            Some(more) => {
                ensure!(!more.is_empty(), "a comma at the end");
                more
            }
            None => {
                ensure!(after.is_empty(), "`{after}` behind a value");
                after
            }
        };
    }
    Ok(())
}

fn is_name(name: &str) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || sign == '_' || sign == ':';
    name.starts_with(|sign: char| sign.is_ascii_alphabetic() || sign == '_')
        && name.chars().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_would_not_take_is_an_error() {
        let good = "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c,\\\"}\"} 1\n";
        let read_good = read(good).unwrap();
        assert_eq!(read_good.get("a_total{b=\"c,\\\"}\"}"), 1.0);
        for bad in [
            "a_total 1\n",
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1",
            "# HELP a_total A.\n# TYPE a_total counter\na_total 1\na_total 1\n",
            "# HELP a_total A.\n# TYPE a_total counter\nb_total 1\n",
            "# HELP a_total A.\n# TYPE a_total counter\na_total{b=c} 1\n",
            "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\",} 1\n",
            "# HELP a_total A.\n# TYPE a_total counter\na_total -1\n",
            "# HELP a_total A.\n# TYPE a_total counter\na_total one\n",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
