//! Asks the kernel, before anything is installed, for each thing that the programs need.

use std::fmt;
use std::fs;

use aya::maps::MapType;
use aya::programs::ProgramType;
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported};

use super::hierarchy::v2_mount;
use crate::connection::sys;

/// Numbers of capabilities; source: linux/include/uapi/linux/capability.h.
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// Number of `BPF_PROG_TYPE_CGROUP_SOCK_ADDR` in linux/include/uapi/linux/bpf.h.
const SOCK_ADDR: u32 = 18;

/// Each address hook with its number in `enum bpf_attach_type` and the kernel that brought it.
const HOOKS: [(&str, u32, &str); 8] = [
    ("bind4", 8, "4.17"),
    ("bind6", 9, "4.17"),
    ("connect4", 10, "4.17"),
    ("connect6", 11, "4.17"),
    ("sendmsg4", 14, "4.18"),
    ("sendmsg6", 15, "4.18"),
    ("getpeername4", 29, "5.8"),
    ("getpeername6", 30, "5.8"),
];

/// How much a missing feature matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The programs cannot be installed without it.
    Required,
    /// Something works less well without it; nothing is less safe.
    Optional,
}

/// A feature that the host lacks; shown as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The feature.
    pub feature: String,
    /// What it is needed for.
    pub purpose: &'static str,
    /// The kernel that brought it, or what else gives it.
    pub since: &'static str,
    /// How much it matters.
    pub need: Need,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let need = match self.need {
            Need::Required => "missing",
            Need::Optional => "missing, optional",
        };
        let Self {
            feature,
            purpose,
            since,
            ..
        } = self;
        write!(f, "{feature}: {need}; needed to {purpose}; {since}")
    }
}

/// Lists what the host lacks; empty where everything is there.
#[must_use]
pub fn probe() -> Vec<Missing> {
    if !is_privileged() {
        // Without it every other question is answered with no.
        return vec![required(
            "privilege",
            "load and attach programs",
            "run as root, or with CAP_BPF and CAP_NET_ADMIN",
        )];
    }
    let mut missing = Vec::new();
    let mut look = |there: bool, otherwise: Missing| {
        if !there {
            missing.push(otherwise);
        }
    };
    look(
        v2_mount().is_some(),
        required(
            "cgroup v2 mount",
            "attach programs",
            "mount -t cgroup2 none /sys/fs/cgroup",
        ),
    );
    look(
        knows_bpffs(),
        required(
            "bpffs",
            "pin links and maps",
            "kernel 4.4 with CONFIG_BPF_SYSCALL",
        ),
    );
    look(
        aya::features().btf().is_some(),
        required(
            "BTF",
            "describe socket storage",
            "kernel 4.18 with CONFIG_DEBUG_INFO_BTF",
        ),
    );
    look(
        is_map_supported(MapType::SkStorage).unwrap_or(false),
        required("socket storage", "tag sockets", "kernel 5.2"),
    );
    look(
        sys::knows_links(),
        required("BPF links", "replace programs without a gap", "kernel 5.7"),
    );
    for (hook, number, since) in HOOKS {
        let otherwise = Missing {
            feature: format!("hook {hook}"),
            ..required("", "redirect connections", since)
        };
        look(sys::takes_program(SOCK_ADDR, number), otherwise);
    }
    look_for_helpers(&mut look);
    missing
}

fn look_for_helpers(look: &mut impl FnMut(bool, Missing)) {
    use BpfHelper as Helper;
    let has = |program, helper| is_helper_supported(program, helper).unwrap_or(false);
    look(
        has(ProgramType::CgroupSock, Helper::BPF_FUNC_sk_storage_get),
        required("socket storage in sock_create", "tag sockets", "kernel 5.9"),
    );
    look(
        has(ProgramType::SockOps, Helper::BPF_FUNC_sk_storage_get),
        required(
            "socket storage in sockops",
            "tell the proxy destinations",
            "kernel 5.2",
        ),
    );
    for (name, helper, since) in [
        (
            "bpf_get_current_ancestor_cgroup_id",
            Helper::BPF_FUNC_get_current_ancestor_cgroup_id,
            "kernel 5.7",
        ),
        (
            "bpf_get_netns_cookie",
            Helper::BPF_FUNC_get_netns_cookie,
            "kernel 5.7",
        ),
        (
            "bpf_ktime_get_boot_ns",
            Helper::BPF_FUNC_ktime_get_boot_ns,
            "kernel 5.8",
        ),
    ] {
        look(
            has(ProgramType::CgroupSockAddr, helper),
            required(name, "judge connections", since),
        );
    }
    look(
        has(ProgramType::CgroupSockAddr, Helper::BPF_FUNC_set_retval),
        Missing {
            need: Need::Optional,
            ..required(
                "bpf_set_retval",
                "refuse with ECONNREFUSED in place of EPERM while the proxy is away",
                "kernel 5.18",
            )
        },
    );
}

fn required(feature: &str, purpose: &'static str, since: &'static str) -> Missing {
    Missing {
        feature: feature.to_owned(),
        purpose,
        since,
        need: Need::Required,
    }
}

fn is_privileged() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .unwrap_or(0);
    let has = |capability: u32| effective >> capability & 1 == 1;
    has(CAP_SYS_ADMIN) || (has(CAP_BPF) && has(CAP_NET_ADMIN))
}

fn knows_bpffs() -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    known.lines().any(|line| line.ends_with("\tbpf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_feature_is_one_line_with_reason_and_remedy() {
        let missing = required("BPF links", "replace programs without a gap", "kernel 5.7");
        assert_eq!(
            missing.to_string(),
            "BPF links: missing; needed to replace programs without a gap; kernel 5.7"
        );
    }
}
