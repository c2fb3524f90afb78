//! The file of a session's token, which its owner may replace.
//!
//! Root can read every file. So where the launcher is root, nobody that it does not speak for chooses which one it reads:
//! no link stands for the file, it is root's or the caller's, and a command of another user's cannot put one in its place.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::process::geteuid;

use super::identity::token;
use super::user::Login;
use crate::cli::Exit;
use crate::cli::failure::Failure;
use crate::control::{HandedToken, TOKEN_TEXT_MAX_BYTES};

/// Names whoever had sudo make the launcher root (sudo(8), "ENVIRONMENT").
const SUDO_UID: &str = "SUDO_UID";

/// A file whose owner may replace the token in it.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    /// What root asks of the file; nobody else can read more than the caller may.
    rules: Option<Rules>,
    /// The token that the daemon was told last.
    last: HandedToken,
}

/// What root asks of a file.
#[derive(Debug)]
struct Rules {
    /// Whose it may be.
    owners: Vec<u32>,
    /// The user of the command, if it is another.
    command: Option<Login>,
}

impl TokenFile {
    /// Reads the token of a file, for a command of the caller's or of this user's.
    pub(super) fn read(path: PathBuf, user: Option<&str>) -> Result<Self, Failure> {
        let is_root = geteuid().is_root();
        let rules = is_root.then(|| Rules::of_root(user)).transpose()?;
        let last = of_file(&path, rules.as_ref())?;
        Ok(Self { path, rules, last })
    }

    /// Gives the token that was read last.
    pub(super) fn token(&self) -> &HandedToken {
        &self.last
    }

    /// Gives the token if it is another than the last one; one that cannot be read is looked for again.
    pub(super) fn fresh(&mut self) -> Option<HandedToken> {
        let found = of_file(&self.path, self.rules.as_ref()).ok()?;
        if found == self.last {
            return None;
        }
        self.last = found.clone();
        Some(found)
    }
}

impl Rules {
    fn of_root(user: Option<&str>) -> Result<Self, Failure> {
        let caller = env::var(SUDO_UID).ok().and_then(|uid| uid.parse().ok());
        Ok(Self {
            owners: [0].into_iter().chain(caller).collect(),
            command: user.map(Login::find).transpose()?,
        })
    }

    /// Checks the folders on the way, as typed and without links: a link that the user cannot replace may lead on.
    fn check_way(&self, path: &Path) -> io::Result<()> {
        let Some(command) = &self.command else {
            return Ok(());
        };
        let typed = std::path::absolute(path)?;
        let parent = typed.parent().unwrap_or(Path::new("/"));
        let real = parent.canonicalize()?;
        for folder in parent.ancestors().chain(real.ancestors()) {
            if command.rules(&fs::metadata(folder)?) {
                let text = format!(
                    "expected folders in which `{}` cannot replace files, found `{}`",
                    command.name(),
                    folder.display()
                );
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }

    fn check_owner(&self, owner: u32) -> io::Result<()> {
        if self.owners.contains(&owner) {
            return Ok(());
        }
        let owners: Vec<String> = self.owners.iter().map(u32::to_string).collect();
        let text = format!(
            "expected a file of uid {}, found one of uid {owner}",
            owners.join(" or ")
        );
        Err(io::Error::other(text))
    }
}

fn of_file(path: &Path, rules: Option<&Rules>) -> Result<HandedToken, Failure> {
    let place = format!("`{}`", path.display());
    let bytes = bytes(path, rules).map_err(|error| {
        let error = anyhow::Error::from(error).context(format!("{place}: cannot read the token"));
        Failure::new(Exit::Usage, error)
    })?;
    token(&place, bytes)
}

fn bytes(path: &Path, rules: Option<&Rules>) -> io::Result<Vec<u8>> {
    let mut flags = OFlags::NONBLOCK;
    if let Some(rules) = rules {
        if fs::symlink_metadata(path)?.is_symlink() {
            let text = "expected a file that root is to read, found a link; name the file itself";
            return Err(io::Error::other(text));
        }
        rules.check_way(path)?;
        flags |= OFlags::NOFOLLOW;
    }
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(io::Error::other("expected a file, found something else"));
    }
    if let Some(rules) = rules {
        rules.check_owner(facts.uid())?;
    }
    // Base64 in lines is longer by its line ends: two bytes in 64 where the lines are shortest.
    let limit = (TOKEN_TEXT_MAX_BYTES + TOKEN_TEXT_MAX_BYTES / 32) as u64 + 2;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use tempfile::{NamedTempFile, TempDir};

    use super::*;

    fn root(command: Option<&str>) -> Rules {
        // The tests' own user stands for root, so that they need not be root's.
        Rules {
            owners: vec![geteuid().as_raw()],
            command: command.map(|name| Login::find(name).ok().unwrap()),
        }
    }

    #[test]
    fn a_file_that_is_longer_than_a_token_is_not_read_as_one() {
        let file = NamedTempFile::new().unwrap();
        let write = |text: &str| fs::write(file.path(), text).unwrap();
        write(&"a".repeat(TOKEN_TEXT_MAX_BYTES * 2));
        assert!(of_file(file.path(), None).is_err());
        let lines: Vec<String> = vec!["a".repeat(64); TOKEN_TEXT_MAX_BYTES / 64];
        write(&(lines.join("\r\n") + "\r\n"));
        let read = of_file(file.path(), None).ok().unwrap();
        assert_eq!(read.reveal().len(), TOKEN_TEXT_MAX_BYTES);
        write("a.b.c\n");
        assert_eq!(of_file(file.path(), None).ok().unwrap().reveal(), "a.b.c");
    }

    #[test]
    fn a_token_is_fresh_once() {
        let file = NamedTempFile::new().unwrap();
        let write = |text: &str| fs::write(file.path(), text).unwrap();
        let mut followed = TokenFile {
            path: file.path().to_owned(),
            rules: None,
            last: HandedToken::new("one".to_owned()),
        };
        write("one\n");
        assert_eq!(followed.fresh(), None);
        write("");
        assert_eq!(followed.fresh(), None);
        write("two\n");
        assert_eq!(followed.fresh(), Some(HandedToken::new("two".to_owned())));
        assert_eq!(followed.fresh(), None);
    }

    #[test]
    fn root_follows_no_link_and_reads_no_strangers_file() {
        let home = TempDir::new().unwrap();
        let (file, link) = (home.path().join("token"), home.path().join("link"));
        fs::write(&file, "a.b.c").unwrap();
        symlink(&file, &link).unwrap();
        assert!(of_file(&file, Some(&root(None))).is_ok());
        assert!(of_file(&link, Some(&root(None))).is_err());
        // Who is not root reads nothing more by it.
        assert!(of_file(&link, None).is_ok());
        assert!(of_file(home.path(), None).is_err());
        let stranger = Rules {
            owners: vec![geteuid().as_raw() + 1],
            command: None,
        };
        assert!(of_file(&file, Some(&stranger)).is_err());
    }

    #[test]
    fn root_reads_nothing_that_the_commands_user_may_put_in_its_place() {
        let home = TempDir::new().unwrap();
        let (open, link) = (home.path().join("open"), home.path().join("link"));
        let file = open.join("token");
        fs::create_dir(&open).unwrap();
        fs::write(&file, "a.b.c").unwrap();
        symlink(&open, &link).unwrap();
        let set = |mode| fs::set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        let read =
            |path: &Path| bytes(path, Some(&root(Some("nobody")))).map_err(|e| e.to_string());
        assert!(read(&file).is_ok());
        set(0o777);
        let told = format!(
            "expected folders in which `nobody` cannot replace files, found `{}`",
            open.display()
        );
        assert_eq!(read(&file), Err(told));
        assert!(read(&link.join("token")).is_err());
        assert!(bytes(&file, Some(&root(None))).is_ok());
        set(0o1777);
        assert!(read(&file).is_ok());
    }
}
