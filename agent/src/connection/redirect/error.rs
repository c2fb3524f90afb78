//! What can go wrong with the kernel's part, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use aya::maps::MapError;

/// Why the programs could not be installed, told or taken away.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The capture root is not a cgroup v2 folder.
    #[error("capture.root: expected a cgroup v2 folder, found `{}`", found.display())]
    NotACgroup {
        /// What was configured.
        found: PathBuf,
    },
    /// The process sees only a part of the cgroup hierarchy.
    #[error("cgroup namespace: expected the host's initial one, found `{found}`")]
    CgroupNamespace {
        /// The namespace's name in `/proc/self/ns`.
        found: String,
    },
    /// The daemon's cgroup is not where the programs look for it.
    #[error("daemon cgroup: expected a child of `{}`, found id {found}", home.display())]
    DaemonCgroup {
        /// Folder that holds the daemon's and the sessions' cgroups.
        home: PathBuf,
        /// Id that was given.
        found: u64,
    },
    /// The pin folder is not on a BPF file system.
    #[error("capture.pin_dir: expected a folder on bpffs, found `{}` on another file system", found.display())]
    NotBpffs {
        /// The nearest folder that exists.
        found: PathBuf,
    },
    /// Somebody else can change the pins.
    #[error("capture.pin_dir: expected `{}` to be owned by uid {expected_uid} with mode 700, found uid {found_uid} with mode {found_mode:o}", path.display())]
    PinsNotOurs {
        /// The folder.
        path: PathBuf,
        /// Uid of this process.
        expected_uid: u32,
        /// Uid of the folder.
        found_uid: u32,
        /// Permission bits of the folder.
        found_mode: u32,
    },
    /// The pins were made by a version with other maps or programs.
    #[error("pins in `{}`: expected schema {expected}, found {found}", path.display())]
    OtherSchema {
        /// The pin folder.
        path: PathBuf,
        /// This version's schema.
        expected: u32,
        /// What was found, as it is named there.
        found: String,
    },
    /// The links are attached to another cgroup that is alive, and sessions are open.
    #[error("pinned link `{link}`: expected cgroup {expected}, found {found}, with sessions open")]
    OtherRoot {
        /// Name of the link.
        link: String,
        /// Id of the configured capture root.
        expected: u64,
        /// Id of the cgroup it is attached to.
        found: u64,
    },
    /// A container lies too deep.
    #[error(
        "container: expected a cgroup 1 to 16 levels below the hierarchy's root, found one {found} levels below"
    )]
    ContainerDepth {
        /// Its depth.
        found: u32,
    },
    /// Containers lie at too many depths.
    #[error(
        "containers: expected cgroups at most 16 levels apart and below the root, found levels {from} to {to}"
    )]
    ContainerDepths {
        /// The shallowest.
        from: u32,
        /// The deepest.
        to: u32,
    },
    /// A listener of the proxy has not the daemon's tag.
    #[error("listener: expected the daemon's tag, found none")]
    ListenerUntagged,
    /// The programs could not be brought back to work.
    #[error("programs: expected to be at work again, found: {}", found.join("; "))]
    Unmended {
        /// What is not as it must be, a sentence each.
        found: Vec<String>,
    },
    /// The kernel cannot tell network namespaces apart where connections are established.
    #[error(
        "network namespaces: expected a kernel that tells them apart in socket operations, found none"
    )]
    NoNamespaces,
    /// A tracepoint is not as any kernel that is known writes it.
    #[error("tracepoint: expected a layout that is known, found another in `{}`", path.display())]
    UnknownTracepoint {
        /// The file that describes it.
        path: PathBuf,
    },
    /// The embedded object lacks something that this version needs.
    #[error("BPF object: expected `{missing}`, found nothing of that name and kind")]
    Object {
        /// Name of the map or program.
        missing: &'static str,
    },
    /// The kernel did not take the object or one of its programs.
    #[error("load BPF program `{program}`")]
    Load {
        /// Name of the program, or `all`.
        program: String,
        /// What aya and the verifier say.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A map could not be read or written.
    #[error("{action} in BPF map `{map}`")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What was being done.
        action: &'static str,
        /// What aya says.
        source: MapError,
    },
    /// A system call failed.
    #[error("{action} `{at}`")]
    System {
        /// What was being done.
        action: &'static str,
        /// To what.
        at: String,
        /// What the kernel says.
        source: io::Error,
    },
}

impl KernelError {
    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotACgroup { .. } => {
                Some("leave out capture.root to use the host's cgroup v2 mount")
            }
            Self::CgroupNamespace { .. } => {
                Some("run the daemon on the host, or its container with --cgroupns=host")
            }
            Self::DaemonCgroup { .. } => {
                Some("make <capture.root>/icecore/daemon before the programs are installed")
            }
            Self::NotBpffs { .. } => Some("mount one: mount -t bpf bpf /sys/fs/bpf"),
            Self::PinsNotOurs { .. } => {
                Some("look who made the folder; remove it, or choose another capture.pin_dir")
            }
            Self::OtherSchema { .. } => {
                Some("end the sessions and run `icecore detach`, then start again")
            }
            Self::OtherRoot { .. } => Some(
                "set capture.root back, or end the sessions and run `icecore detach`, then start again",
            ),
            Self::ContainerDepths { .. } => Some("close those that lie elsewhere first"),
            Self::ListenerUntagged => Some(
                "make listeners after the programs are installed, in a process that is in <capture.root>/icecore/daemon",
            ),
            Self::Load { .. } => Some("`icecore check` lists what this kernel lacks"),
            Self::Unmended { .. } => Some("restart the daemon"),
            Self::NoNamespaces => Some("kernel 5.15 has it"),
            Self::UnknownTracepoint { .. }
            | Self::Object { .. }
            | Self::Map { .. }
            | Self::ContainerDepth { .. }
            | Self::System { .. } => None,
        }
    }
}

/// Tells whether it only says that there is no such entry.
pub(super) fn is_absent(failure: &MapError) -> bool {
    matches!(failure, MapError::KeyNotFound | MapError::ElementNotFound)
        || matches!(failure, MapError::SyscallError(call) if call.io_error.kind() == io::ErrorKind::NotFound)
}

/// Says which map and what was being done.
pub(super) fn map(map: &'static str, action: &'static str) -> impl Fn(MapError) -> KernelError {
    move |source| KernelError::Map {
        map,
        action,
        source,
    }
}

/// Says which file and what was being done.
pub(super) fn system(action: &'static str, path: &Path, source: io::Error) -> KernelError {
    KernelError::System {
        action,
        at: path.display().to_string(),
        source,
    }
}

/// Says which program did not load.
pub(super) fn load<E>(program: &str) -> impl Fn(E) -> KernelError
where
    E: std::error::Error + Send + Sync + 'static,
{
    let program = program.to_owned();
    move |source| KernelError::Load {
        program: program.clone(),
        source: Box::new(source),
    }
}
