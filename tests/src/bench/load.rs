//! The load generator: one thread, so many connections, as fast as answers come or at a constant rate.
//!
//! At a constant rate each request has a moment at which it is due, and its time runs from there, whether or not a
//! connection was free: a proxy that stalls pays for every request that had to wait (no coordinated omission).

use std::collections::VecDeque;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use serde::{Deserialize, Serialize};

use super::line::{self, Line};
use super::requests::{self, Ask, Requests};
use crate::time;

/// What one run of the load is.
#[derive(Clone, Debug, clap::Args)]
pub struct Load {
    /// Where to connect; in a session, an address that the kernel redirects.
    #[arg(long)]
    pub to: SocketAddr,
    /// Roots to trust; without it the file that `SSL_CERT_FILE` names.
    #[arg(long)]
    pub roots: Option<PathBuf>,
    /// What to ask.
    #[arg(long)]
    pub ask: Ask,
    /// How many connections.
    #[arg(long, default_value_t = 64)]
    pub connections: usize,
    /// Milliseconds of the same load before the measured time.
    #[arg(long)]
    pub warm_ms: u64,
    /// Milliseconds that are measured.
    #[arg(long)]
    pub measure_ms: u64,
    /// Requests a second; without it as fast as answers come.
    #[arg(long)]
    pub rate: Option<f64>,
}

/// What a run came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Ran {
    /// Requests that were answered in the measured time.
    pub requests: u64,
    /// Requests that were answered since the start, the warm time included.
    pub all_requests: u64,
    /// How long that was.
    pub seconds: f64,
    /// Median time of a request, in microseconds.
    pub p50_us: f64,
    /// Time that one request in a hundred takes at least.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
    /// CPU time of the load generator itself, in microseconds a request.
    pub own_cpu_us: f64,
}

/// What the load prints when the measured time begins and ends.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Told {
    /// It begins.
    Begin,
    /// It is over.
    End(Ran),
}

/// Runs the load and tells on stdout when the measured time begins and what it came to.
pub(super) fn run(load: &Load) -> Result<()> {
    let tell = |told: &Told| -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{}", serde_json::to_string(told)?)?;
        Ok(out.flush()?)
    };
    // The kernel may put waits off by 50 microseconds; at a constant rate that would be counted as latency.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut pool = Pool::open(load)?;
    let start = time::instant();
    let begin = start + Duration::from_millis(load.warm_ms);
    pool.drive(load.rate, start, begin)?;
    let warm_requests = pool.times.len() as u64;
    pool.times.clear();
    tell(&Told::Begin)?;
    let cpu = own_cpu()?;
    let begin = time::instant();
    pool.drive(
        load.rate,
        begin,
        begin + Duration::from_millis(load.measure_ms),
    )?;
    let seconds = begin.elapsed().as_secs_f64();
    let cpu = own_cpu()?.saturating_sub(cpu);
    let requests = pool.times.len() as u64;
    tell(&Told::End(Ran {
        requests,
        all_requests: warm_requests + requests,
        seconds,
        p50_us: percentile(&mut pool.times, 0.50),
        p99_us: percentile(&mut pool.times, 0.99),
        max_us: percentile(&mut pool.times, 1.0),
        own_cpu_us: cpu.as_secs_f64() * 1e6 / requests.max(1) as f64,
    }))?;
    pool.drain()
}

/// Connections, and what is under way on each.
struct Pool {
    lines: Vec<(Line, Option<Instant>)>,
    idle: Vec<usize>,
    due: VecDeque<Instant>,
    epoll: rustix::fd::OwnedFd,
    requests: Requests,
    request: Vec<u8>,
    // Nanoseconds of each answered request.
    times: Vec<u64>,
}

impl Pool {
    /// Opens the connections and logs in on the first.
    fn open(load: &Load) -> Result<Self> {
        let roots = load.roots.clone();
        let roots = roots.or_else(|| std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
        let trust = line::trust(&roots.context("expected --roots or SSL_CERT_FILE")?)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut lines = Vec::new();
        for number in 0..load.connections.max(1) {
            let line = Line::open(load.to, &trust)?;
            let data = epoll::EventData::new_u64(number as u64);
            epoll::add(&epoll, line.socket(), data, epoll::EventFlags::IN)?;
            lines.push((line, None));
        }
        let (first, _) = lines.first_mut().context("no connection")?;
        let token = requests::token(&first.ask(&requests::login())?)?;
        Ok(Self {
            idle: (0..lines.len()).collect(),
            lines,
            due: VecDeque::new(),
            epoll,
            requests: Requests::new(load.ask, token),
            request: Vec::new(),
            times: Vec::with_capacity(1 << 20),
        })
    }

    /// Sends and receives from one moment to another.
    fn drive(&mut self, rate: Option<f64>, from: Instant, until: Instant) -> Result<()> {
        let mut next = from;
        let apart = rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
        let mut events = Vec::with_capacity(256);
        loop {
            let now = time::instant();
            if now >= until {
                self.due.clear();
                return Ok(());
            }
            match apart {
                Some(apart) => {
                    while next <= now {
                        self.due.push_back(next);
                        next += apart;
                    }
                    while let Some(number) = self.idle.last().copied()
                        && let Some(due) = self.due.pop_front()
                    {
                        self.idle.pop();
                        self.send(number, due)?;
                    }
                }
                None => {
                    while let Some(number) = self.idle.pop() {
                        self.send(number, time::instant())?;
                    }
                }
            }
            let wake = if apart.is_some() {
                next.min(until)
            } else {
                until
            };
            self.wait(&mut events, wake)?;
        }
    }

    fn send(&mut self, number: usize, due: Instant) -> Result<()> {
        self.requests.next(&mut self.request);
        let (line, under_way) = self.lines.get_mut(number).context("no such connection")?;
        *under_way = Some(due);
        line.send(&self.request)
    }

    /// Waits for answers until a moment at the latest and takes those that are there.
    fn wait(&mut self, events: &mut Vec<epoll::Event>, until: Instant) -> Result<()> {
        let left = until.saturating_duration_since(time::instant());
        let timeout = Timespec::try_from(left)?;
        events.clear();
        epoll::wait(&self.epoll, spare_capacity(events), Some(&timeout))?;
        for event in events.iter() {
            let number = usize::try_from(event.data.u64())?;
            let (line, under_way) = self.lines.get_mut(number).context("no such connection")?;
            let Some(answer) = line.receive()? else {
                continue;
            };
            ensure!(
                answer.succeeded(),
                "an answer says no: {}",
                String::from_utf8_lossy(answer.body)
            );
            line.clear();
            if let Some(due) = under_way.take() {
                let took = due.elapsed();
                self.times.push(u64::try_from(took.as_nanos())?);
                self.idle.push(number);
            }
        }
        Ok(())
    }

    /// Takes the answers that are still to come, so that no request is cut off.
    fn drain(&mut self) -> Result<()> {
        let mut events = Vec::with_capacity(256);
        let end = time::instant() + Duration::from_secs(10);
        while self.lines.iter().any(|(_, under_way)| under_way.is_some()) {
            ensure!(time::instant() < end, "answers are missing");
            self.wait(&mut events, end)?;
        }
        Ok(())
    }
}

fn percentile(times: &mut [u64], part: f64) -> f64 {
    if times.is_empty() {
        return 0.0;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a part of a length"
    )]
    let place = ((times.len() - 1) as f64 * part).round() as usize;
    let (_, time, _) = times.select_nth_unstable(place);
    *time as f64 / 1_000.0
}

/// Gives the CPU time that this process has used.
fn own_cpu() -> Result<Duration> {
    super::process::cpu(std::process::id())
}
