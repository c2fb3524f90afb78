//! The whole comparison: everyone is started, then they take turns.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Options;
use super::child::{self, Served};
use super::connects::Took;
use super::icecore::Icecore;
use super::machine::{Machine, Watch};
use super::measure::{Bed, Hop, Round, Row, beside, printed};
use super::peers::{Ground, Peer};
use super::requests::Ask;
use crate::harness::certificates::Certificates;
use crate::harness::cgroup::Cgroup;
use crate::harness::reaper::Reaper;
use crate::python;

/// Share of the slowest contender's requests a second at which latency is measured.
const LATENCY_LOAD: f64 = 0.3;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) machine: Machine,
    pub(super) quick: bool,
    pub(super) connections: usize,
    pub(super) measured_ms: u64,
    /// By name of the row: as fast as answers come.
    pub(super) saturated: BTreeMap<String, Vec<Round>>,
    /// By name of the row: at a constant rate, with that rate.
    pub(super) paced: BTreeMap<String, (f64, Vec<Round>)>,
    /// By place of the process: what connects took.
    pub(super) connects: BTreeMap<String, Vec<Took>>,
}

/// Starts everyone, measures in turns, and ends everyone.
pub(super) fn run(options: &Options) -> Result<Measured> {
    let watch = Watch::begin()?;
    let program = std::env::current_exe()?;
    let folder = tempfile::Builder::new().prefix("icecore-test-").tempdir()?;
    let cgroup = Cgroup::make()?;
    let _reaper = Reaper::watch(cgroup.path(), folder.path())?;
    let certificates = Certificates::make(folder.path(), "upstream")?;
    // A core for proxies and one for load and upstream; on one core all share it.
    let cores = std::thread::available_parallelism()?.get();
    let bed = Bed {
        program: program.clone(),
        roots: certificates.ca_file.clone(),
        cgroup: cgroup.outside(),
        cores: [0, usize::from(cores > 1)],
        connections: 64,
        warm: Duration::from_millis(if options.quick { 100 } else { 1_000 }),
        measured: Duration::from_millis(if options.quick { 300 } else { 4_000 }),
    };
    let wanted = |name: &str| {
        options
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    };
    let canned = |core: usize| {
        child::on_core(core, || {
            start_canned(&program, &bed.cgroup, &certificates, folder.path())
        })
    };
    let (_upstream, upstream) = canned(bed.cores[1])?;

    let ground = Ground {
        folder: folder.path(),
        cgroup: &bed.cgroup,
        tools: options.tools.as_deref(),
        upstream,
        certificates: &certificates,
    };
    let proxies = bed.cores[0];
    // Whoever has no row is not started, nor needed on this machine.
    let has_row = |who: &str| ["hop", "sql"].map(|what| wanted(&format!("{what}: {who}")));
    let has_rows = |who: &str| has_row(who).contains(&true);
    let nginx = has_rows("nginx").then(|| child::on_core(proxies, || ground.nginx()));
    let nginx = nginx.transpose()?;
    let haproxy = has_rows("haproxy").then(|| child::on_core(proxies, || ground.haproxy()));
    let haproxy = haproxy.transpose()?;
    let mitmproxy = |folder, addon| {
        let environment = python::environment("bench")?;
        let peer = child::on_core(proxies, || ground.mitmproxy(folder, &environment, addon))?;
        anyhow::Ok((peer, environment))
    };
    let addon = python::folder("src/bench/addon.py");
    let [is_plain, is_equal] = has_row("mitmproxy");
    let plain = is_plain.then(|| mitmproxy("mitm", None)).transpose()?;
    let equal = is_equal.then(|| mitmproxy("mitm-addon", Some(&addon)));
    let equal = equal.transpose()?;
    let icecore = beside(&program, "icecore");
    let start = |mode| {
        child::on_core(proxies, || {
            Icecore::start(&icecore, mode, upstream, &certificates)
        })
    };
    let best_effort = start("best_effort")?;
    let strict = start("strict_local")?;

    // An address that nothing listens on: only the kernel's redirection makes it lead anywhere.
    let redirected = SocketAddr::from((Ipv4Addr::new(127, 77, 200, 1), 443));
    let row = |name, hop, to, ask| Row { name, hop, to, ask };
    let direct = |name, ask| Some(row(name, Hop::Direct, upstream, ask));
    let of_icecore = |name, icecore, ask| Some(row(name, Hop::Icecore(icecore), redirected, ask));
    fn of_peer<'a>(name: &'static str, peer: Option<&'a Peer>, ask: Ask) -> Option<Row<'a>> {
        peer.map(|peer| Row {
            name,
            hop: Hop::Peer(&peer.served),
            to: peer.address,
            ask,
        })
    }
    let (nginx, haproxy) = (nginx.as_ref(), haproxy.as_ref());
    let [plain, equal] = [&plain, &equal].map(Option::as_ref);
    let rows: Vec<Row<'_>> = [
        direct("hop: direct", Ask::Heartbeat),
        of_peer("hop: nginx", nginx, Ask::Heartbeat),
        of_peer("hop: haproxy", haproxy, Ask::Heartbeat),
        of_icecore("hop: icecore", &best_effort, Ask::Heartbeat),
        of_peer(
            "hop: mitmproxy",
            plain.map(|(peer, _)| peer),
            Ask::Heartbeat,
        ),
        direct("sql: direct", Ask::Query),
        of_peer("sql: nginx", nginx, Ask::Query),
        of_peer("sql: haproxy", haproxy, Ask::Query),
        of_icecore("sql: icecore", &best_effort, Ask::Query),
        of_icecore("sql: icecore strict", &strict, Ask::Query),
        of_peer("sql: mitmproxy", equal.map(|(peer, _)| peer), Ask::Query),
    ]
    .into_iter()
    .flatten()
    .filter(|row| wanted(row.name))
    .collect();

    let rounds = options.rounds.unwrap_or(if options.quick { 1 } else { 5 });
    let mut saturated: BTreeMap<String, Vec<Round>> = BTreeMap::new();
    for number in 1..=rounds {
        for row in &rows {
            eprintln!("round {number} of {rounds}: {}", row.name);
            let round = row.measure(&bed, None)?;
            saturated
                .entry(row.name.to_owned())
                .or_default()
                .push(round);
        }
    }
    let rates = rates(&saturated);
    let mut paced: BTreeMap<String, (f64, Vec<Round>)> = BTreeMap::new();
    for number in 1..=rounds {
        for row in &rows {
            let Some(rate) = rates.get(row.name).copied() else {
                continue;
            };
            eprintln!("latency, round {number} of {rounds}: {}", row.name);
            let round = row.measure(&bed, Some(rate))?;
            let held = paced
                .entry(row.name.to_owned())
                .or_insert((rate, Vec::new()));
            held.1.push(round);
        }
    }
    let mut connects: BTreeMap<String, Vec<Took>> = BTreeMap::new();
    if wanted("connect") {
        // A listener on the proxies' core, so that the other end is equally far away in all three.
        let (_listener, listener) = canned(proxies)?;
        let count = if options.quick { 500 } else { 5_000 };
        for number in 1..=rounds {
            eprintln!("connects, round {number} of {rounds}");
            for (name, mut command, to) in [
                (
                    "no hook",
                    child::in_cgroup(&bed.cgroup, program.as_os_str()),
                    listener,
                ),
                (
                    "hook, outside every session",
                    best_effort.outside(program.as_os_str()),
                    listener,
                ),
                (
                    "hook, redirected",
                    best_effort.session(program.as_os_str()),
                    redirected,
                ),
            ] {
                command.args([
                    "connects",
                    "--to",
                    &to.to_string(),
                    "--count",
                    &count.to_string(),
                ]);
                let took: Took = printed(command, bed.cores[1])?;
                connects.entry(name.to_owned()).or_default().push(took);
            }
        }
    }
    let versions = [("nginx", nginx), ("haproxy", haproxy)];
    let mut programs: Vec<Vec<OsString>> = versions
        .iter()
        .filter(|(_, peer)| peer.is_some())
        .map(|(name, _)| {
            let (program, words) = ground.program(name);
            [vec![program], words, vec![OsString::from("-v")]].concat()
        })
        .collect();
    programs.extend(
        plain.or(equal).map(|(_, environment)| {
            vec![environment.join("bin/mitmdump").into(), "--version".into()]
        }),
    );
    programs.push(vec![icecore.into(), "--version".into()]);
    Ok(Measured {
        machine: watch.end(&programs, strict.folder())?,
        quick: options.quick,
        connections: bed.connections,
        measured_ms: u64::try_from(bed.measured.as_millis())?,
        saturated,
        paced,
        connects,
    })
}

/// Gives each row its rate: the slow ones a share of their own best, all others one rate, so that they compare.
fn rates(saturated: &BTreeMap<String, Vec<Round>>) -> BTreeMap<&str, f64> {
    let best = |rounds: &[Round]| median(rounds.iter().map(|round| round.per_second));
    let is_slow = |name: &str| name.ends_with("mitmproxy") || name.ends_with("strict");
    let mut rates = BTreeMap::new();
    for (name, rounds) in saturated {
        let slowest = saturated
            .iter()
            .filter(|(other, _)| other.get(..3) == name.get(..3) && !is_slow(other))
            .map(|(_, rounds)| best(rounds))
            .fold(f64::INFINITY, f64::min);
        let reference = if is_slow(name) { best(rounds) } else { slowest };
        rates.insert(name.as_str(), (reference * LATENCY_LOAD).max(1.0));
    }
    rates
}

/// Gives the middle of some figures; of an even number of them, the mean of the two in the middle.
pub(super) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    let upper = figures.get(figures.len() / 2).copied().unwrap_or_default();
    let lower = figures.len().saturating_sub(1) / 2;
    let lower = figures.get(lower).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

fn start_canned(
    program: &Path,
    cgroup: &Path,
    certificates: &Certificates,
    folder: &Path,
) -> Result<(Served, SocketAddr)> {
    let arguments = [
        OsString::from("--certificate"),
        certificates.chain_file.clone().into(),
        "--key".into(),
        certificates.key_file.clone().into(),
        "--listen".into(),
        "127.77.0.1:0".into(),
    ];
    let canned = beside(program, "icecore-canned");
    let log = folder.join("canned.log");
    let mut served = Served::start(cgroup, canned.as_os_str(), &arguments, &log)?;
    let mut line = String::new();
    BufReader::new(served.stdout()?).read_line(&mut line)?;
    ensure!(!line.is_empty(), "the canned upstream did not start");
    let address = line
        .trim()
        .parse()
        .context("the canned upstream's address")?;
    Ok((served, address))
}
