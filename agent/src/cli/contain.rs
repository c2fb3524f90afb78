//! The part of `icecore enter` that is about containers: which one, its network, and where it reads what it must trust.

use std::fs;
use std::io;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

use super::Exit;
use super::engines::{ENGINES, Pattern};
use super::enter::{Entered, PATIENCE, process, tell_notice};
use super::failure::Failure;
use super::looking::Sought;
use super::socket::{DaemonName, ask, connect, misunderstood};
use super::span::id;
use super::tell::tell;
use crate::connection::redirect::v2_mount;
use crate::control::line::Lines;
use crate::control::live::{Contain, LiveAsk, LiveReply, Take};
use crate::control::request::{Reply, Request};
use crate::id::SessionId;

/// Which container, and how it is seen from inside.
#[derive(Clone, Debug, clap::Args)]
#[group(id = "containers", multiple = true)]
pub(super) struct Args {
    /// A process of a container, whose cgroup is the session; nothing is moved
    #[arg(long, value_name = "PID", value_parser = process, group = "what")]
    container: Option<u32>,

    /// The container's cgroup itself: its folder, its path in the hierarchy, or its id
    #[arg(long, value_name = "PATH|ID", group = "what")]
    cgroup: Option<String>,

    /// A session that runs, in whose cgroup a container was started: has the proxy listen in the network of --netns-of
    #[arg(long, value_name = "SESSION", value_parser = id::<SessionId>, group = "what", requires = "netns_of")]
    session: Option<SessionId>,

    /// Goes on, and makes a session of each container whose first process has this variable in its environment
    ///
    /// Nothing of this command's own environment counts for a container: it shows the token of --token-inside, or none.
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable, group = "what",
        conflicts_with_all = ["identity_token_file", "identity_token_env", "started_at"])]
    watch: Option<String>,

    /// Watches below such cgroups instead of those that engines use; may be repeated
    ///
    /// From the hierarchy's root on, `*` for any letters of a name. What users can make themselves, as rootless engines do below
    /// user.slice, is watched only if it is named here; each user then has 16 sessions at most, and so has each container or pod.
    #[arg(long, value_name = "PATTERN", value_parser = Pattern::parse, requires = "watch")]
    watch_below: Vec<Pattern>,

    /// File in the container with its identity token, as a pod's projected service-account token is
    #[arg(long, value_name = "FILE", value_parser = absolute, conflicts_with_all = ["pid", "session"])]
    token_inside: Option<PathBuf>,

    /// A process in the container's network, if the container's first one is in another
    #[arg(long, value_name = "PID", value_parser = process, conflicts_with = "pid")]
    netns_of: Option<u32>,

    /// Refuses a container that would be advisory
    #[arg(long, value_name = "WHAT", value_parser = ["enforced"], conflicts_with_all = ["pid", "session"])]
    require: Option<String>,

    /// Folder for the files that drivers are to trust, which the container sees too
    #[arg(long, value_name = "DIR", requires = "export", value_parser = absolute)]
    trust_dir: Option<PathBuf>,

    /// What that folder is called in the container, if it is called otherwise there
    #[arg(long, value_name = "DIR", requires = "trust_dir", value_parser = absolute)]
    trust_at: Option<PathBuf>,
}

impl Args {
    /// Has a network told to a session that runs, if that is asked for.
    pub(super) fn join(&self, daemon: &DaemonName) -> Option<Result<(), Failure>> {
        let (session, pid) = (self.session?, self.netns_of?);
        let joined = || {
            let mut lines = connect(&daemon.socket()?)?;
            let request = Request::Live(LiveAsk::Join { session, pid });
            let Reply::Live(LiveReply::Joined { network }) = ask(&mut lines, &request, PATIENCE)?
            else {
                return Err(misunderstood());
            };
            tell(format_args!(
                "icecore: session {session}: {}",
                told(network)
            ));
            Ok(())
        };
        Some(joined())
    }

    /// Finds a process of the container, and its cgroup where that is not the process's own.
    pub(super) fn find(&self) -> Result<(u32, Option<PathBuf>), Failure> {
        if let Some(pid) = self.container {
            return Ok((pid, None));
        }
        let Some(named) = &self.cgroup else {
            let text = "expected one of --pid, --container, --cgroup and --session";
            return Err(Failure::text(Exit::Usage, text));
        };
        let failed = |error: io::Error| {
            let text = format!("cgroup `{named}` cannot be looked at");
            Failure::new(Exit::Refused, anyhow::Error::from(error).context(text))
        };
        let folder = folder_of(named).map_err(failed)?;
        let pid = first_process(&folder).map_err(failed)?;
        let pid = pid.ok_or_else(|| {
            let text = format!(
                "cgroup `{}`: expected a process in it, found none",
                folder.display()
            );
            Failure::text(Exit::Refused, text)
        })?;
        Ok((pid, Some(folder)))
    }

    /// Has a session made of the container.
    pub(super) fn contain(
        &self,
        lines: &mut Lines,
        take: Take,
        cgroup: Option<PathBuf>,
    ) -> Result<Entered, Failure> {
        let contain = Contain {
            take,
            cgroup,
            netns_of: self.netns_of,
            require_enforced: self.require.is_some(),
        };
        let ask_for = Request::Live(LiveAsk::Contain(Box::new(contain)));
        let Reply::Live(LiveReply::Contained(made)) = ask(lines, &ask_for, PATIENCE)? else {
            return Err(misunderstood());
        };
        let advisory = match &made.advisory {
            Some(reason) => format!("; advisory: {reason}"),
            None => String::new(),
        };
        tell(format_args!(
            "icecore: session {}: container in {}; {}{advisory}",
            made.session,
            made.cgroup.display(),
            told(made.network)
        ));
        tell_notice(made.notice.as_deref());
        Ok(Entered {
            session: made.session,
            cgroup: made.cgroup,
            network: made.network,
            enforcement: match made.advisory {
                Some(_) => "advisory",
                None => "enforced",
            },
            advisory: made.advisory,
            certificate: made.certificate,
        })
    }

    /// Tells what containers are looked for by, if they are watched for.
    pub(super) fn sought(&self) -> Option<Sought> {
        let variable = self.watch.clone()?;
        let token_file = self.token_inside.clone();
        Some(Sought {
            variable,
            token_file,
        })
    }

    /// Tells below which cgroups they are looked for.
    pub(super) fn engines(&self) -> Result<Vec<Pattern>, Failure> {
        if !self.watch_below.is_empty() {
            return Ok(self.watch_below.clone());
        }
        let usual: Result<Vec<Pattern>, String> =
            ENGINES.iter().map(|text| Pattern::parse(text)).collect();
        usual.map_err(|text| Failure::text(Exit::Usage, text))
    }

    /// Names the file in the container with its identity token, if it has one.
    pub(super) fn token_file(&self) -> Option<&Path> {
        self.token_inside.as_deref()
    }

    /// Gives the folder for what drivers are to trust, if one was named.
    pub(super) fn trust_dir(&self) -> Option<&Path> {
        self.trust_dir.as_deref()
    }

    /// Gives a variable's value as the container is to have it.
    pub(super) fn seen_inside(&self, value: &str) -> String {
        match (&self.trust_dir, &self.trust_at) {
            (Some(outside), Some(inside)) => {
                let (outside, inside) = (outside.to_string_lossy(), inside.to_string_lossy());
                value.replace(&*outside, &inside)
            }
            (_, _) => value.to_owned(),
        }
    }
}

fn told(network: Option<u64>) -> String {
    match network {
        Some(cookie) => format!("the proxy listens in its network (cookie {cookie})"),
        None => "it has the host's network".to_owned(),
    }
}

fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        Some(_) | None => Err(format!(
            "expected a variable such as ICECORE_SESSION=1, found {text:?}"
        )),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() && path.components().count() > 1 {
        return Ok(path);
    }
    Err(format!(
        "expected the whole path of a folder, found {text:?}"
    ))
}

/// Finds a cgroup's folder by what it is called: an id, a folder, or a path from the hierarchy's root.
fn folder_of(named: &str) -> io::Result<PathBuf> {
    let mount = v2_mount().ok_or_else(|| io::Error::other("cgroup v2 is not mounted"))?;
    if let Ok(id) = named.parse::<u64>() {
        let mut open = vec![mount];
        while let Some(folder) = open.pop() {
            // One that went meanwhile is not the one.
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    continue;
                }
                if entry.ino() == id {
                    return Ok(entry.path());
                }
                open.push(entry.path());
            }
        }
        return Err(io::ErrorKind::NotFound.into());
    }
    if Path::new(named).starts_with(&mount) {
        return Ok(named.into());
    }
    Ok(mount.join(named.trim_start_matches('/')))
}

/// Finds a process in a cgroup or, where it has none itself, below.
fn first_process(cgroup: &Path) -> io::Result<Option<u32>> {
    let mut open = vec![cgroup.to_owned()];
    while let Some(folder) = open.pop() {
        let procs = fs::read_to_string(folder.join("cgroup.procs"))?;
        // 0 stands for a process that this one cannot see (cgroups(7), "cgroup.procs").
        let mut pids = procs.lines().filter_map(|line| line.parse().ok());
        if let Some(pid) = pids.find(|pid| *pid > 0) {
            return Ok(Some(pid));
        }
        for entry in fs::read_dir(&folder)?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            }
        }
    }
    Ok(None)
}
