//! Finds the program that a command names, as the shell and execvp(3) do.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use thiserror::Error;

/// Exit code of a shell whose command does not exist (POSIX, "Exit Status for Commands").
pub(super) const NOT_FOUND: u8 = 127;

/// Exit code of a shell whose command cannot be executed.
pub(super) const NOT_EXECUTABLE: u8 = 126;

/// Where execvp(3) looks when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why there is no program to run.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum ProgramError {
    /// There is none of that name.
    #[error("`{}`: not found", .0.display())]
    NotFound(OsString),
    /// There is one, but nobody may execute it.
    #[error("`{}`: not executable", .0.display())]
    NotExecutable(PathBuf),
}

impl ProgramError {
    /// Gives the exit code that a shell would.
    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::NotFound(_) => NOT_FOUND,
            Self::NotExecutable(_) => NOT_EXECUTABLE,
        })
    }
}

/// Finds a program by its path, or by its name along a search path.
pub(super) fn find(command: &OsStr, path: Option<&OsStr>) -> Result<PathBuf, ProgramError> {
    if command.as_bytes().contains(&b'/') {
        let file = std::path::absolute(command).unwrap_or_else(|_| PathBuf::from(command));
        return match kind(&file) {
            Kind::Program => Ok(file),
            Kind::Other => Err(ProgramError::NotExecutable(file)),
            Kind::None => Err(ProgramError::NotFound(command.to_owned())),
        };
    }
    let mut other = None;
    if !command.is_empty() {
        for folder in std::env::split_paths(path.unwrap_or(OsStr::new(DEFAULT_PATH))) {
            let Ok(file) = std::path::absolute(folder.join(command)) else {
                continue;
            };
            match kind(&file) {
                Kind::Program => return Ok(file),
                Kind::Other => other = other.or(Some(file)),
                Kind::None => {}
            }
        }
    }
    Err(match other {
        Some(file) => ProgramError::NotExecutable(file),
        None => ProgramError::NotFound(command.to_owned()),
    })
}

enum Kind {
    Program,
    Other,
    None,
}

fn kind(file: &Path) -> Kind {
    match fs::metadata(file) {
        Ok(facts) if facts.is_file() && facts.permissions().mode() & 0o111 != 0 => Kind::Program,
        Ok(_) => Kind::Other,
        Err(_) => Kind::None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use tempfile::TempDir;

    use super::*;

    fn folder() -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, mode) in [("runs", 0o755), ("text", 0o644)] {
            let file = folder.path().join(name);
            fs::write(&file, "").unwrap();
            fs::set_permissions(file, Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    #[test]
    fn programs_are_found_along_the_path() {
        let folder = folder();
        let path = std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap();
        assert_eq!(
            find(OsStr::new("runs"), Some(&path)),
            Ok(folder.path().join("runs"))
        );
    }

    #[test]
    fn missing_and_unexecutable_programs_are_told_apart() {
        let folder = folder();
        let path = Some(folder.path().as_os_str());
        let text = folder.path().join("text");
        assert_eq!(
            find(OsStr::new("text"), path),
            Err(ProgramError::NotExecutable(text.clone()))
        );
        assert_eq!(
            find(text.as_os_str(), None),
            Err(ProgramError::NotExecutable(text))
        );
        for name in ["absent", "", "/absent/x"] {
            assert_eq!(
                find(OsStr::new(name), path),
                Err(ProgramError::NotFound(name.into()))
            );
        }
    }

    #[test]
    fn folders_are_not_programs() {
        assert_eq!(
            find(OsStr::new("/tmp/"), None).map_err(|error| error.exit_code()),
            Err(ExitCode::from(NOT_EXECUTABLE))
        );
    }
}
