//! What a child process can be told to do, and its doing it: a session's process, an outsider, or the proxy.

use std::io::{self, BufRead, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use icecore::clock::Clock;
use icecore::connection::redirect::{Destinations, Heartbeat, LookUpError, netns_cookie};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Uid, pidfd_getfd, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space, set_thread_uid};
use serde::{Deserialize, Serialize};

/// A uid that may do nothing.
const NOBODY: u32 = 65534;

/// How often the heartbeat is shown, as the proxy does it.
const BEAT_EVERY: Duration = Duration::from_millis(250);

/// How long the other end of a connection may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);

/// An order; each is answered by one [`Said`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Act {
    /// Move into a cgroup.
    Enter(PathBuf),
    /// Make a TCP socket and connect it.
    Connect { to: SocketAddr, v6_only: bool },
    /// Connect a TCP socket that is bound to an address and a port of one's own, and keep it.
    ConnectFrom { from: SocketAddr, to: SocketAddr },
    /// Connect, disconnect by AF_UNSPEC, and connect the same socket elsewhere.
    Reconnect { first: SocketAddr, then: SocketAddr },
    /// Make a socket and leave it at that.
    Make {
        family: u16,
        kind: u32,
        protocol: u32,
    },
    /// Make a socket and keep it, for another process to take.
    Keep { kind: u32 },
    /// Close what was kept.
    Release,
    /// Bind a TCP socket.
    Bind(SocketAddr),
    /// Connect a UDP socket.
    ConnectUdp(SocketAddr),
    /// Connect a UDP socket, disconnect it by AF_UNSPEC, and connect it elsewhere.
    ReconnectUdp { first: SocketAddr, then: SocketAddr },
    /// Make a connection and keep it, for another process to take.
    KeepConnected(SocketAddr),
    /// Take a connection of another process and write on it; tells whether the other end answers.
    WriteTaken { pid: u32, fd: i32 },
    /// Run a program, which does nothing, and then connect from a child of one's own: `sh -c 'exec 3<>/dev/tcp/..'`.
    ConnectByBash { to: SocketAddr },
    /// Run a program of which a thread, not its first one, executes another: `bash -c 'exit 0'`.
    ExecByThread,
    /// Send a datagram from an unconnected socket.
    SendUdp(SocketAddr),
    /// Take a socket of another process and connect it.
    ConnectTaken { pid: u32, fd: i32, to: SocketAddr },
    /// Take a UDP socket of another process and send from it.
    SendTaken { pid: u32, fd: i32, to: SocketAddr },
    /// Connect many times, telling each time who one is.
    Many { to: SocketAddr, count: u32 },
    /// Connect again and again until told to stop.
    StartStorm { to: SocketAddr },
    /// Stop, and tell what happened.
    StopStorm,
    /// Connect many times and tell the time of one connect.
    Time { to: SocketAddr, count: u32 },
    /// Send many datagrams on a connected socket and tell the mean time of one.
    TimeSends { to: SocketAddr, count: u32 },
    /// Be the proxy: listen on both families, take the maps from another process, and tell each accepted connection.
    Proxy {
        port: u16,
        pid: u32,
        fd: i32,
        heartbeat: i32,
    },
    /// As the proxy, listen in the network namespace of a process too.
    ProxyIn {
        port: u16,
        of: u32,
        pid: u32,
        fd: i32,
    },
}

/// An answer, or what the proxy saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Said {
    Done,
    Connected {
        local: SocketAddr,
        peer: SocketAddr,
    },
    Kept {
        fd: i32,
    },
    Failed {
        errno: i32,
    },
    Listening {
        cookie: u64,
    },
    Answered(bool),
    Ended {
        code: Option<i32>,
    },
    Stormed {
        connected: u32,
        refused: u32,
        other: u32,
    },
    Took {
        socket_p50_ns: i64,
        connect_p50_ns: i64,
    },
    Sent {
        mean_ns: i64,
    },
    Accepted(Accepted),
}

/// A connection that the proxy accepted, with the first bytes that came on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) peer: SocketAddr,
    pub(crate) told: String,
    pub(crate) tag: Option<Tag>,
}

/// What the kernel said about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tag {
    pub(crate) session: String,
    pub(crate) nonce: u64,
    pub(crate) destination: SocketAddr,
    pub(crate) pid: u32,
    pub(crate) tid: u32,
    pub(crate) uid: u32,
    pub(crate) cgroup_id: u64,
    pub(crate) cookie: u64,
    pub(crate) boot_ns: u64,
    pub(crate) exec_id: u64,
    pub(crate) comm: String,
}

/// Reads orders from standard input and answers on standard output, each as a line of JSON.
pub(crate) fn take_orders() {
    let mut storm = None;
    let mut kept = Vec::new();
    for line in io::stdin().lock().lines() {
        let act: Act = serde_json::from_str(&line.unwrap()).unwrap();
        let said = follow(act, &mut storm, &mut kept).unwrap_or_else(|failure| Said::Failed {
            errno: failure.raw_os_error(),
        });
        say(&said);
    }
}

fn say(said: &Said) {
    let mut out = io::stdout().lock();
    // libtest leaves its own line unfinished: ours starts anew, with a mark to know it by.
    writeln!(out, "\n> {}", serde_json::to_string(said).unwrap()).unwrap();
    out.flush().unwrap();
}

fn follow(act: Act, storm: &mut Option<Storm>, kept: &mut Vec<OwnedFd>) -> Result<Said, Errno> {
    match act {
        Act::StartStorm { to } => *storm = Some(Storm::start(to)),
        Act::StopStorm => return Ok(storm.take().unwrap().stop()),
        Act::Keep { kind } => {
            let socket = net::socket(AddressFamily::INET, SocketType::from_raw(kind), None)?;
            let fd = socket.as_raw_fd();
            kept.push(socket);
            return Ok(Said::Kept { fd });
        }
        Act::Enter(cgroup) => {
            std::fs::write(cgroup.join("cgroup.procs"), process::id().to_string()).unwrap();
        }
        Act::Connect { to, v6_only } => {
            let socket = tcp(to)?;
            if v6_only {
                net::sockopt::set_ipv6_v6only(&socket, true)?;
            }
            net::connect(&socket, &to)?;
            return connected(&socket);
        }
        Act::ConnectFrom { from, to } => {
            let socket = tcp(to)?;
            net::sockopt::set_socket_reuseaddr(&socket, true)?;
            net::bind(&socket, &from)?;
            net::connect(&socket, &to)?;
            let said = connected(&socket);
            kept.push(socket);
            return said;
        }
        Act::Reconnect { first, then } => {
            let socket = tcp(first)?;
            net::connect(&socket, &first)?;
            net::connect_unspec(&socket)?;
            net::connect(&socket, &then)?;
            return connected(&socket);
        }
        Act::Make {
            family,
            kind,
            protocol,
        } => {
            net::socket(
                AddressFamily::from_raw(family),
                SocketType::from_raw(kind),
                protocol.try_into().ok().map(Protocol::from_raw),
            )?;
        }
        Act::Release => kept.clear(),
        Act::Bind(at) => net::bind(tcp(at)?, &at)?,
        Act::ConnectUdp(to) => net::connect(udp(to)?, &to)?,
        Act::ReconnectUdp { first, then } => {
            let socket = udp(first)?;
            net::connect(&socket, &first)?;
            net::connect_unspec(&socket)?;
            net::connect(&socket, &then)?;
        }
        Act::KeepConnected(to) => {
            let socket = tcp(to)?;
            net::connect(&socket, &to)?;
            let fd = socket.as_raw_fd();
            kept.push(socket);
            return Ok(Said::Kept { fd });
        }
        Act::WriteTaken { pid, fd } => {
            let mut stream = TcpStream::from(take(pid, fd)?);
            stream.set_read_timeout(Some(ANSWER_WITHIN)).unwrap();
            stream.write_all(b"x").unwrap();
            return Ok(Said::Answered(stream.read(&mut [0]).is_ok_and(|n| n == 1)));
        }
        Act::ConnectByBash { to } => {
            let script = format!("exec 3<>/dev/tcp/{}/{}", to.ip(), to.port());
            let ended = process::Command::new("bash").args(["-c", &script]).status();
            return Ok(Said::Ended {
                code: ended.unwrap().code(),
            });
        }
        Act::ExecByThread => {
            const SCRIPT: &str = "import os, threading, time\n\
                threading.Thread(target=lambda: os.execv('/bin/bash', ['bash', '-c', 'exit 0'])).start()\n\
                time.sleep(10)";
            let ended = process::Command::new("/usr/bin/python3")
                .args(["-c", SCRIPT])
                .status();
            return Ok(Said::Ended {
                code: ended.unwrap().code(),
            });
        }
        Act::SendUdp(to) => {
            net::sendto(udp(to)?, b"datagram", SendFlags::empty(), &to)?;
        }
        Act::ConnectTaken { pid, fd, to } => {
            let socket = take(pid, fd)?;
            net::connect(&socket, &to)?;
            return connected(&socket);
        }
        Act::SendTaken { pid, fd, to } => {
            net::sendto(take(pid, fd)?, b"datagram", SendFlags::empty(), &to)?;
        }
        Act::Many { to, count } => {
            for number in 0..count {
                let socket = tcp(to)?;
                net::connect(&socket, &to)?;
                let mut stream = TcpStream::from(socket);
                write!(stream, "{} {number}", process::id()).unwrap();
            }
        }
        Act::Time { to, count } => return time(to, count),
        Act::TimeSends { to, count } => {
            let socket = udp(to)?;
            net::connect(&socket, &to)?;
            let clock = Clock::system();
            let start = clock.mono_ns();
            for _ in 0..count {
                net::send(&socket, b"x", SendFlags::empty())?;
            }
            let mean_ns = (clock.mono_ns() - start) / i64::from(count);
            return Ok(Said::Sent { mean_ns });
        }
        Act::Proxy {
            port,
            pid,
            fd,
            heartbeat,
        } => {
            beat(take(pid, heartbeat)?);
            be_the_proxy(port, take(pid, fd)?);
        }
        Act::ProxyIn { port, of, pid, fd } => {
            let map = take(pid, fd)?;
            return Ok(Said::Listening {
                cookie: listen_in(of, port, map),
            });
        }
    }
    Ok(Said::Done)
}

fn tcp(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)
}

fn udp(to: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = match to {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

pub(crate) fn take(pid: u32, fd: i32) -> Result<OwnedFd, Errno> {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    pidfd_getfd(process, fd, PidfdGetfdFlags::empty())
}

fn connected(socket: &OwnedFd) -> Result<Said, Errno> {
    let local = net::getsockname(socket)?.try_into()?;
    let peer = net::getpeername(socket)?
        .ok_or(Errno::NOTCONN)?
        .try_into()?;
    Ok(Said::Connected { local, peer })
}

fn time(to: SocketAddr, count: u32) -> Result<Said, Errno> {
    let clock = Clock::system();
    let (mut sockets, mut connects) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let start = clock.mono_ns();
        let socket = tcp(to)?;
        let made = clock.mono_ns();
        net::connect(&socket, &to)?;
        connects.push(clock.mono_ns() - made);
        sockets.push(made - start);
        // One at a time: a full backlog would be timed otherwise.
        let mut stream = TcpStream::from(socket);
        stream.shutdown(Shutdown::Write).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    sockets.sort_unstable();
    connects.sort_unstable();
    Ok(Said::Took {
        socket_p50_ns: sockets[sockets.len() / 2],
        connect_p50_ns: connects[connects.len() / 2],
    })
}

struct Storm {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Said>,
}

impl Storm {
    fn start(to: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let (mut connected, mut refused, mut other) = (0, 0, 0);
            while !seen.load(Ordering::Relaxed) {
                let socket = tcp(to).unwrap();
                match net::connect(&socket, &to) {
                    Ok(()) => connected += 1,
                    Err(Errno::CONNREFUSED) => refused += 1,
                    Err(_) => other += 1,
                }
            }
            Said::Stormed {
                connected,
                refused,
                other,
            }
        });
        Self { over, thread }
    }

    fn stop(self) -> Said {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn be_the_proxy(port: u16, map: OwnedFd) {
    let destinations = Arc::new(Destinations::from_fd(map).unwrap());
    let loopbacks = [
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    for at in loopbacks {
        let listener = TcpListener::bind(at).unwrap();
        let destinations = Arc::clone(&destinations);
        thread::spawn(move || {
            // What the proxy will run as: the look-up needs the descriptor and nothing else.
            set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
            loop {
                let (stream, peer) = listener.accept().unwrap();
                say(&Said::Accepted(read(&destinations, stream, peer)));
            }
        });
    }
}

/// Listens in the network namespace of a process, from a thread that is in there; gives the namespace's cookie.
fn listen_in(of: u32, port: u16, map: OwnedFd) -> u64 {
    let destinations = Destinations::from_fd(map).unwrap();
    let (say_cookie, cookie) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let namespace = std::fs::File::open(format!("/proc/{of}/ns/net")).unwrap();
        let kind = Some(LinkNameSpaceType::Network);
        move_into_link_name_space(namespace.as_fd(), kind).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        say_cookie
            .send(netns_cookie(listener.as_fd()).unwrap())
            .unwrap();
        loop {
            let (stream, peer) = listener.accept().unwrap();
            say(&Said::Accepted(read(&destinations, stream, peer)));
        }
    });
    cookie.recv().unwrap()
}

/// Shows the heartbeat for as long as the process runs, as a user that may do nothing else.
fn beat(map: OwnedFd) {
    let mut heartbeat = Heartbeat::from_fd(map).unwrap();
    thread::spawn(move || {
        set_thread_uid(Uid::from_raw(NOBODY)).unwrap();
        loop {
            heartbeat.beat().unwrap();
            thread::sleep(BEAT_EVERY);
        }
    });
}

fn read(destinations: &Destinations, mut stream: TcpStream, peer: SocketAddr) -> Accepted {
    // Before any byte is read: a program at work must have put it there before the accept.
    let tag = match destinations.look_up(stream.as_fd()) {
        Ok(found) => Some(Tag {
            session: found.session.to_string(),
            nonce: found.nonce,
            destination: found.destination,
            pid: found.pid,
            tid: found.tid,
            uid: found.uid,
            cgroup_id: found.cgroup_id,
            cookie: found.cookie,
            boot_ns: found.boot_ns,
            exec_id: found.exec_id,
            comm: found.comm,
        }),
        Err(LookUpError::NotRedirected) => None,
        Err(
            other @ (LookUpError::Foreign { .. }
            | LookUpError::NotTheMap { .. }
            | LookUpError::Map { .. }),
        ) => panic!("{other}"),
    };
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap_or_default();
    Accepted { peer, told, tag }
}
