//! Files and folders of the daemon's that a job must not be able to open: keys, credentials, the spool, the local store, pins.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, open, openat};

use crate::config::{Config, SYSTEMD_FOLDER};

/// Most files that are tried.
const FILES_MAX: usize = 128;

/// Most entries of a folder of the proxy's that are looked at.
const ENTRIES_MAX: usize = 4096;

/// Root's file of AWS keys, where no variable names another.
/// Source: AWS SDKs and Tools Reference Guide, "Shared config and credentials files".
const AWS_DEFAULT: &str = "/root/.aws/credentials";

/// Those that there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SecretFiles {
    /// Those that are to be tried.
    pub(super) tried: Vec<PathBuf>,
    /// How many more there are.
    pub(super) left_out: usize,
    /// Why there may be others that are not known.
    pub(super) unknown: Vec<String>,
}

/// Lists those that there are: what the daemon makes, and all that its config and its environment name.
pub(super) fn of(config: &Config, daemon: u32) -> SecretFiles {
    let state = &config.daemon.state_dir;
    let environment = PathBuf::from(format!("/proc/{daemon}/environ"));
    let mut unknown = Vec::new();
    let variables = fs::read(&environment).map_or_else(
        |error| {
            let file = environment.display();
            unknown.push(format!("the daemon's environment, `{file}`: {error}"));
            BTreeMap::new()
        },
        |text| variables(&text),
    );
    let mut files: BTreeSet<PathBuf> = [
        state.join("spool"),
        state.join("keys"),
        config.daemon.proxy_dir(),
        config.capture.pin_dir.clone(),
        AWS_DEFAULT.into(),
        // Secrets may be in it.
        environment,
    ]
    .into();
    files.extend(config.local_store());
    for inside in [None, Some("ca"), Some("keys")] {
        match keys(state, inside) {
            Ok(keys) => files.extend(keys),
            Err(error) => {
                let folder = state.join(inside.unwrap_or_default());
                unknown.push(format!("`{}` cannot be listed: {error}", folder.display()));
            }
        }
    }
    files.extend(config.secret_files(|name| variables.get(OsStr::new(name)).cloned()));
    if config.has_systemd_secrets() && !variables.contains_key(OsStr::new(SYSTEMD_FOLDER)) {
        let text = format!("{SYSTEMD_FOLDER}, which is not in the daemon's environment");
        unknown.push(text);
    }
    SecretFiles {
        unknown,
        ..there(files, FILES_MAX)
    }
}

/// Reads the variables that a process began with, each with a NUL behind it (proc_pid_environ(5)).
fn variables(text: &[u8]) -> BTreeMap<OsString, OsString> {
    let of = |one: &[u8]| {
        let at = one.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (one.get(..at)?, one.get(at + 1..)?);
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        // One without a value names nothing.
        (!value.is_empty()).then(|| (text(name), text(value)))
    };
    text.split(|byte| *byte == 0).filter_map(of).collect()
}

fn there(files: BTreeSet<PathBuf>, tried_max: usize) -> SecretFiles {
    let is_absent = |error: &io::Error| {
        let absent = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        absent.contains(&error.kind())
    };
    let mut tried: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| !matches!(file.symlink_metadata(), Err(error) if is_absent(&error)))
        .collect();
    let left_out = tried.len().saturating_sub(tried_max);
    tried.truncate(tried_max);
    SecretFiles {
        tried,
        left_out,
        unknown: Vec::new(),
    }
}

/// Finds the files of keys in the state folder, or in one inside of it, which is the proxy's user's: over no link, by which root
/// would list what lies elsewhere.
fn keys(state: &Path, inside: Option<&str>) -> io::Result<Vec<PathBuf>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = open(state, flags, Mode::empty()).and_then(|folder| match inside {
        Some(inside) => openat(&folder, inside, flags | OFlags::NOFOLLOW, Mode::empty()),
        None => Ok(folder),
    });
    let folder = match opened.map_err(io::Error::from) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let path = state.join(inside.unwrap_or_default());
    let mut found = Vec::new();
    for (number, entry) in Dir::read_from(&folder)?.enumerate() {
        if number == ENTRIES_MAX {
            let text = format!("expected at most {ENTRIES_MAX} entries, found more");
            return Err(io::Error::other(text));
        }
        let name = PathBuf::from(OsStr::from_bytes(entry?.file_name().to_bytes()));
        if name.extension().is_some_and(|kind| kind == "key") {
            found.push(path.join(name));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;
    use crate::config::read_for_tests;

    #[test]
    fn those_that_are_too_many_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c", "nowhere"];
        let files: BTreeSet<PathBuf> = names.map(|name| folder.path().join(name)).into();
        for file in files.iter().take(3) {
            fs::write(file, "").unwrap();
        }
        let all = there(files.clone(), 3);
        assert_eq!((all.tried.len(), all.left_out), (3, 0));
        let some = there(files, 2);
        assert_eq!((some.tried.len(), some.left_out), (2, 1));
    }

    #[test]
    fn keys_are_found_over_no_link() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["state/ca", "elsewhere"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        for name in [
            "state/mask.key",
            "state/ca/ca.key",
            "state/ca/ca.pem",
            "elsewhere/roots.key",
        ] {
            fs::write(at(name), "").unwrap();
        }
        let state = at("state");
        assert_eq!(keys(&state, None).unwrap(), [at("state/mask.key")]);
        assert_eq!(keys(&state, Some("ca")).unwrap(), [at("state/ca/ca.key")]);
        assert_eq!(keys(&state, Some("keys")).unwrap(), [] as [PathBuf; 0]);
        symlink(at("elsewhere"), at("state/keys")).unwrap();
        keys(&state, Some("keys")).unwrap_err();
        let listed = fs::read_dir(&state).unwrap().count();
        assert_eq!(listed, 3);
    }

    #[test]
    fn the_daemons_environment_names_files_too() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["pat", "aws", "vault"] {
            fs::write(at(name), "").unwrap();
        }
        let text = format!(
            "[daemon]\nstate_dir = \"{0}/state\"\n[[account]]\nhost = \"a.snowflakecomputing.com\"\nuser = \"U\"\n\
             role = \"R\"\ncredential = {{ kind = \"pat\", token = {{ source = \"systemd\", name = \"pat\" }} }}\n\
             [[account]]\nhost = \"b.snowflakecomputing.com\"\nuser = \"U\"\nrole = \"R\"\n\
             credential = {{ kind = \"pat\", token = {{ source = \"vault\", address = \"https://v.test\", path = \"s\", \
             field = \"t\", token_file = \"{0}/vault\" }} }}\n",
            folder.path().display()
        );
        let config = read_for_tests(&text);
        let variables = format!(
            "CREDENTIALS_DIRECTORY={0}\nAWS_SHARED_CREDENTIALS_FILE={0}/aws",
            folder.path().display()
        );
        let daemon = |variables: &str| {
            let mut sleep = Command::new("/bin/sleep");
            sleep.arg("60").env_clear();
            sleep.envs(variables.lines().filter_map(|one| one.split_once('=')));
            sleep.spawn().unwrap()
        };
        let mut with = daemon(&variables);
        let mut without = daemon("A=b");
        let [found, less] = [&with, &without].map(|child| of(&config, child.id()));
        for child in [&mut with, &mut without] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        for name in ["pat", "aws", "vault"] {
            assert!(found.tried.contains(&at(name)), "{name}: {found:?}");
        }
        assert_eq!(found.unknown, [""; 0]);
        assert!(less.tried.contains(&at("vault")), "{less:?}");
        assert!(
            less.unknown
                .iter()
                .any(|why| why.contains("CREDENTIALS_DIRECTORY")),
            "{less:?}"
        );
        assert!(!of(&config, u32::MAX).unknown.is_empty());
    }
}
