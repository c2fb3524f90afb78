//! Files that commands write for whoever called them.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::replay::ReadError;

/// Creates a file that only its owner may read; one that is there is replaced only if that is asked for.
///
/// A link in its place is not followed: a name that somebody else put there must not decide where the record goes.
pub(super) fn create(path: &Path, is_forced: bool) -> Result<File, ReadError> {
    let failed = |cause: io::Error| ReadError::File {
        path: path.display().to_string(),
        cause,
    };
    if is_forced {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::AlreadyExists {
            return ReadError::There(path.display().to_string());
        }
        failed(error)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_private_and_replaced_only_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out");
        drop(create(&path, false).unwrap());
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(create(&path, false), Err(ReadError::There(_))));
        drop(create(&path, true).unwrap());
    }

    #[test]
    fn a_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (link, target) = (dir.path().join("link"), dir.path().join("target"));
        symlink(&target, &link).unwrap();
        assert!(matches!(create(&link, false), Err(ReadError::There(_))));
        drop(create(&link, true).unwrap());
        assert!(!target.exists());
    }
}
