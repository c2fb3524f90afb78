//! What was measured, as a table for the terminal and as BENCHMARKS.md.

use std::io::Write;

use anyhow::Result;

use super::comparison::{Measured, median};
use super::measure::Round;

/// What each row does and does not do, in the order of the table.
const ROWS: [(&str, &str); 11] = [
    ("hop: direct", "no proxy: load and upstream alone"),
    (
        "hop: nginx",
        "TLS ended and begun anew, headers and body passed on",
    ),
    ("hop: haproxy", "the same"),
    (
        "hop: icecore",
        "the same hop in a session (redirected by the kernel, identified by it), the token swapped for the real one, \
         headers picked, the answer read as JSON; the request has no body and is not recorded",
    ),
    ("hop: mitmproxy", "the hop, without an addon"),
    ("sql: direct", "no proxy: load and upstream alone"),
    (
        "sql: nginx",
        "the hop: nothing is read, decided or recorded",
    ),
    ("sql: haproxy", "the same"),
    (
        "sql: icecore",
        "everything: identity, request and answer read strictly as JSON, SQL parsed, policy decided, intent and end \
         recorded in `best_effort`, digests over both; every statement has its own `requestId`",
    ),
    (
        "sql: icecore strict",
        "the same in `strict_local`: sent only after an fdatasync of its intent, answered only after one of its end",
    ),
    (
        "sql: mitmproxy",
        "an addon that reads request and answer as JSON, parses the SQL with sqlglot and writes a line to /dev/null: \
         less than Icecore's full path (no policy, no durable record)",
    ),
];

/// Figures of one row, medians of its rounds.
struct Line<'a> {
    name: &'a str,
    cpu: Option<(f64, f64, f64)>,
    sealed: Option<f64>,
    per_second: (f64, f64, f64),
    memory_mib: Option<f64>,
    busy: [f64; 2],
    load_cpu_us: f64,
    /// Rate, and p50 and p99 in microseconds: the row's own, then what it adds to direct.
    latency: Option<(f64, [f64; 2], [f64; 2])>,
}

fn spread(figures: impl Iterator<Item = f64> + Clone) -> (f64, f64, f64) {
    (
        median(figures.clone()),
        figures.clone().fold(f64::INFINITY, f64::min),
        figures.fold(0.0, f64::max),
    )
}

fn lines(measured: &Measured) -> Vec<Line<'_>> {
    let paced = |name: &str| -> Option<(f64, [f64; 2])> {
        let (rate, rounds) = measured.paced.get(name)?;
        let p50 = median(rounds.iter().map(|round| round.p50_us));
        let p99 = median(rounds.iter().map(|round| round.p99_us));
        Some((*rate, [p50, p99]))
    };
    let line = |name: &'static str| {
        let rounds: &Vec<Round> = measured.saturated.get(name)?;
        let has_proxy = rounds.iter().all(|round| round.cpu_us.is_some());
        let of = |figure: fn(&Round) -> Option<f64>| rounds.iter().filter_map(figure);
        let group = name.get(..3).unwrap_or_default();
        let latency = paced(name).map(|(rate, own)| {
            let (_, direct) = paced(&format!("{group}: direct")).unwrap_or_default();
            let [p50, p99] = own;
            let [direct_p50, direct_p99] = direct;
            (rate, own, [p50 - direct_p50, p99 - direct_p99])
        });
        Some(Line {
            name,
            cpu: has_proxy.then(|| spread(of(|round| round.cpu_us))),
            sealed: has_proxy.then(|| median(of(|round| round.cpu_sealed_us))),
            per_second: spread(rounds.iter().map(|round| round.per_second)),
            memory_mib: has_proxy
                .then(|| median(of(|round| Some(round.memory_bytes? as f64))) / f64::from(1 << 20)),
            busy: [0, 1].map(|core: usize| {
                median(
                    rounds
                        .iter()
                        .filter_map(|round| round.busy_percent.get(core).copied()),
                )
            }),
            load_cpu_us: median(rounds.iter().map(|round| round.load_cpu_us)),
            latency,
        })
    };
    ROWS.iter().filter_map(|(name, _)| line(name)).collect()
}

/// Gives the CPU time of nginx in the same group.
fn nginx(lines: &[Line<'_>], name: &str) -> Option<f64> {
    let group = name.get(..3)?;
    let nginx = lines
        .iter()
        .find(|line| line.name == format!("{group}: nginx"))?;
    nginx.cpu.map(|(median, _, _)| median)
}

/// Prints the table for people.
pub(super) fn table(measured: &Measured, out: &mut impl Write) -> Result<()> {
    if let Some(noise) = measured.machine.noise() {
        writeln!(out, "NOISY: {noise}")?;
    }
    write!(out, "{}", grid(measured, "  ", false))?;
    Ok(())
}

fn grid(measured: &Measured, gap: &str, is_markdown: bool) -> String {
    let head = [
        "row",
        "CPU us/req",
        "min-max",
        "vs nginx",
        "sealed",
        "req/s",
        "min-max",
        "busy proxy/load %",
        "load us",
        "MiB",
        "rate",
        "p50 us",
        "p99 us",
        "added p50",
        "added p99",
    ];
    let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    let lines = lines(measured);
    for line in &lines {
        let dash = || "-".to_owned();
        let one = |figure: Option<f64>| figure.map_or_else(dash, |figure| format!("{figure:.1}"));
        let ratio = line.cpu.zip(nginx(&lines, line.name));
        let [proxy, load] = line.busy;
        let (per_second, slowest, fastest) = line.per_second;
        let latency = line.latency.as_ref();
        rows.push(vec![
            line.name.to_owned(),
            one(line.cpu.map(|(median, _, _)| median)),
            line.cpu
                .map_or_else(dash, |(_, min, max)| format!("{min:.1}-{max:.1}")),
            ratio.map_or_else(dash, |((median, _, _), nginx)| {
                format!("{:.2}x", median / nginx)
            }),
            one(line.sealed),
            format!("{per_second:.0}"),
            format!("{slowest:.0}-{fastest:.0}"),
            format!("{proxy:.0}/{load:.0}"),
            format!("{:.1}", line.load_cpu_us),
            line.memory_mib.map_or_else(dash, |mib| format!("{mib:.0}")),
            latency.map_or_else(dash, |(rate, _, _)| format!("{rate:.0}")),
            latency.map_or_else(dash, |(_, [p50, _], _)| format!("{p50:.0}")),
            latency.map_or_else(dash, |(_, [_, p99], _)| format!("{p99:.0}")),
            latency.map_or_else(dash, |(_, _, [p50, _])| format!("{p50:.0}")),
            latency.map_or_else(dash, |(_, _, [_, p99])| format!("{p99:.0}")),
        ]);
    }
    let mut text = if is_markdown {
        markdown_table(&rows)
    } else {
        plain_table(&rows, gap)
    };
    let connects: Vec<Vec<String>> = measured
        .connects
        .iter()
        .map(|(name, took)| {
            let connect = spread(took.iter().map(|took| took.connect_p50_ns as f64 / 1e3));
            let socket = spread(took.iter().map(|took| took.socket_p50_ns as f64 / 1e3));
            let figure =
                |(median, min, max): (f64, f64, f64)| format!("{median:.2} ({min:.2}-{max:.2})");
            vec![name.clone(), figure(socket), figure(connect)]
        })
        .collect();
    if !connects.is_empty() {
        let head = vec![vec![
            "process".to_owned(),
            "socket() us".to_owned(),
            "connect() us".to_owned(),
        ]];
        let rows = [head, connects].concat();
        text.push('\n');
        text.push_str(&if is_markdown {
            markdown_table(&rows)
        } else {
            plain_table(&rows, gap)
        });
    }
    text
}

fn plain_table(rows: &[Vec<String>], gap: &str) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or_default()
    };
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(column);
            if column == 0 {
                text.push_str(&format!("{cell:<width$}"));
            } else {
                text.push_str(&format!("{gap}{cell:>width$}"));
            }
        }
        text.push('\n');
    }
    text
}

fn markdown_table(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
        if number == 0 {
            text.push_str(&format!(
                "|---|{}\n",
                "---:|".repeat(row.len().saturating_sub(1))
            ));
        }
    }
    text
}

/// Writes the report.
pub(super) fn markdown(measured: &Measured) -> String {
    let machine = &measured.machine;
    let mut text = include_str!("report.md").to_owned();
    let does: String = ROWS.iter().fold(String::new(), |mut text, (name, does)| {
        text.push_str(&format!("| `{name}` | {does} |\n"));
        text
    });
    let rounds = measured
        .saturated
        .values()
        .map(Vec::len)
        .max()
        .unwrap_or_default();
    let [before, after] = machine.load_average;
    let facts = format!(
        "| | |\n|---|---|\n| date | {} |\n| commit | {} |\n| processor | {}, {} cores |\n| kernel | {} |\n\
         | load average before, after | {before:.1}, {after:.1} |\n| steal | {:.1} % |\n| fdatasync p50 | {:.0} us |\n\
         | rounds | {rounds} of {} ms each, {} connections |\n| versions | {} |\n",
        machine.date(),
        machine.commit,
        machine.processor,
        machine.cores,
        machine.kernel,
        machine.steal_percent,
        machine.fdatasync_p50_us,
        measured.measured_ms,
        measured.connections,
        machine.versions.join("; "),
    );
    let noise = match (measured.quick, machine.noise()) {
        (true, _) => {
            "**A quick run: it shows that the benchmark works. The figures say little.**\n"
                .to_owned()
        }
        (false, Some(noise)) => format!(
            "**Not a quiet machine: {noise}. Compare CPU a request and ratios; requests/s and latency less.**\n"
        ),
        (false, None) => String::new(),
    };
    for (mark, part) in [
        ("{{noise}}", noise),
        ("{{machine}}", facts),
        ("{{figures}}", grid(measured, " ", true)),
        ("{{does}}", format!("| row | does |\n|---|---|\n{does}")),
    ] {
        text = text.replace(mark, part.trim_end());
    }
    text
}
