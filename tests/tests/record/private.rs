//! Spool and store are nobody else's to read: files of other people's SQL, asked for by another user.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use icecore::clock::Clock;
use icecore::id::StatementId;
use icecore::record::Recorder;

use super::child;

/// The user that agents run as in tests. Source: `nobody` of Debian's base-passwd.
const NOBODY: u32 = 65534;

/// Tells whether another user can read a file, or list a folder.
fn reads(program: &str, path: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg(path).uid(NOBODY).gid(NOBODY);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        found.push(path.clone());
        if path.is_dir() {
            walk(&path, found)?;
        }
    }
    Ok(())
}

#[test]
fn another_user_reads_nothing_of_spool_and_store_and_what_is_for_all() {
    let folder = tempfile::tempdir().unwrap();
    // The folder above is no protection: `/var/lib` is for all.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (state, store) = (folder.path().join("state"), folder.path().join("store"));
    let mut settings = child::settings(&state, &store);
    // Nothing goes away while it is looked at.
    settings.seal_interval = Duration::from_secs(3600);
    let recorder = Recorder::open(&settings, Clock::system()).unwrap();
    let id = StatementId::new();
    let _receipt = recorder.commit_blocking(child::intent(id)).unwrap();
    recorder.flush_blocking().unwrap();
    let _receipt = recorder.commit_blocking(child::end(id)).unwrap();
    let mut found = vec![state.clone(), store.clone()];
    walk(&state, &mut found).unwrap();
    walk(&store, &mut found).unwrap();
    for end in [".wal", ".parquet"] {
        let is_it = |path: &PathBuf| path.to_string_lossy().ends_with(end);
        assert!(found.iter().any(is_it), "{end}");
    }
    for path in found {
        let program = if path.is_dir() { "ls" } else { "cat" };
        assert!(!reads(program, &path), "{} is for all", path.display());
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o077;
        assert_eq!(mode, 0, "{} would be", path.display());
    }
    let twin = folder.path().join("for all");
    fs::write(&twin, "").unwrap();
    fs::set_permissions(&twin, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(reads("cat", &twin));
    recorder.close_blocking().unwrap();
}
