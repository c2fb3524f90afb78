//! A command of another user's: root hands its process over as su(1) does.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::identity::{Groups, User, Users};

/// The user that a command runs as, with the groups of a login.
#[derive(Debug)]
pub(super) struct Login {
    user: User,
    gids: Vec<u32>,
}

impl Login {
    /// Finds a user of the host's list.
    pub(super) fn find(name: &str) -> Result<Self, Failure> {
        let found = Users::read().find(name);
        let user = found.ok_or_else(|| {
            let text = format!("--user: expected a user of /etc/passwd, found {name:?}");
            Failure::text(Exit::Usage, text)
        })?;
        let gids = Groups::read().of(&user);
        Ok(Self { user, gids })
    }

    /// Makes this process the user's, for good: groups first, since only root may set them.
    pub(super) fn begin(&self) -> Result<(), Failure> {
        self.hand_over().map_err(|error| {
            let text = format!("the command cannot be handed over to `{}`", self.user.name);
            Failure::new(Exit::Unreachable, anyhow::Error::from(error).context(text))
        })
    }

    fn hand_over(&self) -> io::Result<()> {
        // The kernel changes the thread that asks and no other (setresuid(2), "C library/kernel differences").
        if fs::read_dir("/proc/self/task")?.count() != 1 {
            return Err(io::Error::other("expected one thread, found more"));
        }
        let gids: Vec<Gid> = self.gids.iter().copied().map(Gid::from_raw).collect();
        let (uid, gid) = (Uid::from_raw(self.user.uid), Gid::from_raw(self.user.gid));
        set_thread_groups(&gids)?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)?;
        Ok(())
    }

    /// Tells whether the user may put files of its own choice into a folder, in place of others' too.
    pub(super) fn rules(&self, folder: &Metadata) -> bool {
        let mode = folder.mode();
        let writes = mode & 0o002 != 0 || mode & 0o020 != 0 && self.gids.contains(&folder.gid());
        // In a sticky folder only owners rename and remove (`S_ISVTX`, inode(7)).
        folder.uid() == self.user.uid || writes && mode & 0o1000 == 0
    }

    /// Gives the numbers of user and primary group.
    pub(super) fn ids(&self) -> (u32, u32) {
        (self.user.uid, self.user.gid)
    }

    /// Tells whether the user is root by another name.
    pub(super) fn is_root(&self) -> bool {
        self.user.uid == 0
    }

    /// Gives the user's name.
    pub(super) fn name(&self) -> &str {
        &self.user.name
    }

    /// Gives the variables that say whose process it is. Source: su(1), without `-`.
    pub(super) fn variables(&self) -> [(&'static str, &str); 4] {
        let User {
            name, home, shell, ..
        } = &self.user;
        let shell = if shell.is_empty() { "/bin/sh" } else { shell };
        [
            ("HOME", home),
            ("SHELL", shell),
            ("USER", name),
            ("LOGNAME", name),
        ]
    }
}
