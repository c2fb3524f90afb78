//! Reads a file of a folder that the proxy's user owns: a proxy that was taken over may put anything there.
//!
//! Below the folder no link is followed; a file is read that is plain and has one name, and no more of it than is said. So
//! root neither reads what lies elsewhere nor waits for a pipe's writer.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path};

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

/// Reads a file inside of a folder, of at most so many bytes.
///
/// # Errors
/// It is not there, or is something else than such a file; the text says what was expected.
pub(super) fn read(folder: &Path, inside: &str, max_bytes: u64) -> io::Result<Vec<u8>> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut at = open(folder, flags, Mode::empty())?;
    let inside = Path::new(inside);
    for folder in inside.parent().into_iter().flat_map(Path::components) {
        at = step(&at, folder, max_bytes)?;
    }
    let Some(name) = inside.file_name() else {
        return Err(other(max_bytes, "a link or no folder on the way"));
    };
    // A pipe without a writer would be waited for (fifo(7)).
    let flags =
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat(&at, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Err(other(max_bytes, "a link")),
        // What cannot be opened so is a socket or a device (open(2)).
        Err(Errno::NXIO | Errno::NODEV) => return Err(other(max_bytes, "something else")),
        Err(error) => return Err(error.into()),
    };
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(other(max_bytes, "something else"));
    }
    // Where `fs.protected_hardlinks` is off, the other name may be one of a file of root's.
    if facts.nlink() > 1 {
        return Err(other(max_bytes, "one with several names"));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_bytes) {
        return Ok(bytes);
    }
    Err(other(max_bytes, "a longer one"))
}

/// Goes one folder down, through no link.
///
/// Folder by folder, and not by openat2(2) at once: with `RestrictSUIDSGID=` systemd's filter answers that with ENOSYS, since it
/// cannot see which modes a call asks for.
fn step(at: &OwnedFd, folder: Component<'_>, max_bytes: u64) -> io::Result<OwnedFd> {
    let on_the_way = || other(max_bytes, "a link or no folder on the way");
    let Component::Normal(name) = folder else {
        return Err(on_the_way());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(at, name, flags, Mode::empty()) {
        Err(Errno::LOOP | Errno::NOTDIR) => Err(on_the_way()),
        opened => Ok(opened?),
    }
}

fn other(max_bytes: u64, found: &str) -> io::Error {
    io::Error::other(format!(
        "expected a plain file of at most {max_bytes} bytes, found {found}"
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, FileType, mknodat};
    use tempfile::TempDir;

    use super::*;

    #[track_caller]
    fn check(inside: &str, expected: Result<&str, &str>) {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("own")).unwrap();
        fs::create_dir(at("own/ca")).unwrap();
        fs::write(at("secret"), "secret").unwrap();
        fs::write(at("own/ca/plain"), "plain").unwrap();
        fs::write(at("own/ca/long"), "x".repeat(9)).unwrap();
        symlink(at("secret"), at("own/ca/link")).unwrap();
        symlink("ca", at("own/folder")).unwrap();
        fs::hard_link(at("secret"), at("own/ca/name")).unwrap();
        mknodat(CWD, at("own/ca/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
        let read = read(&at("own"), inside, 8).map_err(|error| error.to_string());
        let read = read.map(|bytes| String::from_utf8(bytes).unwrap());
        match expected {
            Ok(text) => assert_eq!(read.unwrap(), text),
            Err(part) => assert!(read.clone().unwrap_err().contains(part), "{read:?}"),
        }
    }

    #[test]
    fn a_plain_file_is_read() {
        check("ca/plain", Ok("plain"));
    }

    #[test]
    fn what_a_proxy_could_put_in_its_place_is_not() {
        check("ca/link", Err("found a link"));
        check("folder/plain", Err("found a link"));
        check("../secret", Err("found a link"));
        check("ca/name", Err("one with several names"));
        check("ca/pipe", Err("found something else"));
        check("ca", Err("found something else"));
        check("ca/long", Err("at most 8 bytes, found a longer one"));
        check("ca/absent", Err("No such file"));
    }
}
