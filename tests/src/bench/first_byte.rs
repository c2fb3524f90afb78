//! What the tap adds until a model's first byte: one process in a session asks by three ways in turn, from one upstream.
//!
//! Directly, on a port that is not redirected; carried unread, under a name that no config has; and read. So each figure has
//! its pair of a moment before, with the same load, upstream and machine.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::child::{self, Served};
use super::icecore::Icecore;
use super::line::{self, Line};
use super::machine::Watch;
use super::measure::{beside, printed};
use crate::harness::certificates::Certificates;
use crate::harness::cgroup::Cgroup;
use crate::harness::reaper::Reaper;
use crate::time;

/// A name that is read, and one that is not.
const READ: &str = "api.anthropic.com";
const UNREAD: &str = "api.unread.example";

/// Lengths of requests: a first call, one with a history, one with a long one.
const REQUEST_BYTES: [usize; 3] = [2 << 10, 100 << 10, 1 << 20];

/// Calls that are timed.
#[derive(Clone, Debug, clap::Args)]
pub struct FirstBytes {
    /// Where the upstream is that no redirection leads to.
    #[arg(long)]
    pub direct: SocketAddr,
    /// Where it is on a port that is redirected.
    #[arg(long)]
    pub redirected: SocketAddr,
    /// Roots of the upstream's certificate.
    #[arg(long)]
    pub roots: PathBuf,
    /// Calls of each kind.
    #[arg(long)]
    pub count: u32,
}

/// What calls of one length took, in microseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Took {
    request_bytes: usize,
    is_new_connection: bool,
    /// Medians, way by way.
    p50_us: [f64; 3],
    /// Median of what a call that is read took more than the one before it that was carried unread, and than the direct one.
    added_to_unread_us: f64,
    added_to_direct_us: f64,
}

/// Measures, and prints a table.
pub(super) fn measure(quick: bool) -> Result<()> {
    let watch = Watch::begin()?;
    let program = std::env::current_exe()?;
    let folder = tempfile::Builder::new().prefix("icecore-test-").tempdir()?;
    let cgroup = Cgroup::make()?;
    let _reaper = Reaper::watch(cgroup.path(), folder.path())?;
    let names = [READ, UNREAD].map(str::to_owned);
    let certificates = Certificates::make_for(folder.path(), "upstream", &names)?;
    let cores = std::thread::available_parallelism()?.get();
    let cores = [0, usize::from(cores > 1)];
    let serve = |port: u16| {
        let arguments = [
            OsString::from("--certificate"),
            certificates.chain_file.clone().into(),
            "--key".into(),
            certificates.key_file.clone().into(),
            "--listen".into(),
            SocketAddr::from((Ipv4Addr::new(127, 79, 0, 1), port))
                .to_string()
                .into(),
        ];
        child::on_core(cores[1], || {
            let canned = beside(&program, "icecore-canned");
            let log = folder.path().join(format!("canned-{port}.log"));
            let mut served =
                Served::start(&cgroup.outside(), canned.as_os_str(), &arguments, &log)?;
            let mut line = String::new();
            BufReader::new(served.stdout()?).read_line(&mut line)?;
            let address: SocketAddr = line.trim().parse().context("the upstream's address")?;
            anyhow::Ok((served, address))
        })
    };
    let (_direct, direct) = serve(0)?;
    let (_redirected, redirected) = serve(443)?;
    let prompts = format!(
        "\n[prompts]\nhosts = [\"{READ}\"]\nca_file = {:?}\n",
        certificates.ca_file
    );
    let icecore = child::on_core(cores[0], || {
        let program = beside(&program, "icecore");
        // Sessions are kept from the account's address on all ports: it is another one, where nobody listens.
        let account = SocketAddr::from((Ipv4Addr::new(127, 77, 0, 1), 9));
        Icecore::start_with(&program, "best_effort", account, &certificates, &prompts)
    })?;
    let mut load = icecore.session(program.as_os_str());
    load.args(["first-bytes", "--direct", &direct.to_string()])
        .args(["--redirected", &redirected.to_string(), "--roots"])
        .arg(&certificates.ca_file)
        .args(["--count", if quick { "50" } else { "1000" }]);
    let took: Vec<Took> = printed(load, cores[1])?;
    let versions = [vec![beside(&program, "icecore").into(), "--version".into()]];
    let machine = watch.end(&versions, icecore.folder())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{machine:?}\n")?;
    writeln!(
        out,
        "| request | connection | direct p50 us | unread p50 us | read p50 us | added to unread us | added to direct us |"
    )?;
    writeln!(out, "|---:|---|---:|---:|---:|---:|---:|")?;
    for one in &took {
        let [direct, unread, read] = one.p50_us;
        let kind = if one.is_new_connection { "new" } else { "kept" };
        writeln!(
            out,
            "| {} KiB | {kind} | {direct:.0} | {unread:.0} | {read:.0} | {:.0} | {:.0} |",
            one.request_bytes >> 10,
            one.added_to_unread_us,
            one.added_to_direct_us
        )?;
    }
    Ok(out.flush()?)
}

/// Is the load, in a session.
pub(super) fn run(calls: &FirstBytes) -> Result<()> {
    let own = std::env::var_os("SSL_CERT_FILE").context("no SSL_CERT_FILE in the session")?;
    let (theirs, ours) = (line::trust(&calls.roots)?, line::trust(own.as_ref())?);
    let open = |way: usize| match way {
        0 => Line::open_as(calls.direct, READ, &theirs),
        1 => Line::open_as(calls.redirected, UNREAD, &theirs),
        _ => Line::open_as(calls.redirected, READ, &ours),
    };
    let mut all = Vec::new();
    for is_new_connection in [false, true] {
        for request_bytes in REQUEST_BYTES {
            let request = request(request_bytes);
            let mut kept = [open(0)?, open(1)?, open(2)?];
            let mut times = [Vec::new(), Vec::new(), Vec::new()];
            // The first calls warm caches, and are not counted.
            let warm = calls.count / 10;
            for number in 0..calls.count + warm {
                for (way, kept) in kept.iter_mut().enumerate() {
                    let from = time::instant();
                    if is_new_connection {
                        *kept = open(way)?;
                    }
                    kept.ask(&request)?;
                    if number >= warm
                        && let Some(times) = times.get_mut(way)
                    {
                        times.push(from.elapsed().as_secs_f64() * 1e6);
                    }
                }
            }
            let [direct, unread, read] = &times;
            let added = |to: &[f64]| median(read.iter().zip(to).map(|(read, to)| read - to));
            all.push(Took {
                request_bytes,
                is_new_connection,
                p50_us: times.each_ref().map(|times| median(times.iter().copied())),
                added_to_unread_us: added(unread),
                added_to_direct_us: added(direct),
            });
        }
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(&all)?)?;
    Ok(out.flush()?)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    super::comparison::median(figures)
}

fn request(bytes: usize) -> Vec<u8> {
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: {READ}\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + bytes, b'x');
    request
}
