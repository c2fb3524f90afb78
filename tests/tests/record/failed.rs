//! A spool whose disk fails while it records: everything is refused with its cause, nothing hangs, and after a restart
//! what was promised is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use icecore::clock::Clock;
use icecore::id::StatementId;
use icecore::record::{RecordError, Recorder};
use icecore::replay::Archive;

use super::child;

/// Shuts a file system down, so that all that is asked of it is an I/O error (`EXT4_IOC_SHUTDOWN` without a flush of its
/// log, linux/fs/ext4/ext4.h).
const SHUT_DOWN: &str = "import fcntl, os, struct, sys\n\
    fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

/// How long a refusal may take.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn a_disk_with_io_errors_refuses_everything_and_a_restart_finds_what_was_promised() {
    fails("have the spool's disk fail");
}

#[test]
fn a_disk_that_turns_read_only_refuses_everything_and_a_restart_finds_what_was_promised() {
    fails("turn the spool's disk read-only");
}

/// Plays a part on a disk of its own.
#[track_caller]
fn fails(part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let image = folder.path().join("image");
    run(Command::new("truncate").args(["-s", "64M"]).arg(&image));
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&image));
    let status = child::command_with_image(part, folder.path(), (&image, &disk)).status();
    assert!(status.unwrap().success());
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

pub(crate) fn have_the_spools_disk_fail(folder: &Path) {
    let fail = |disk: &Path| run(Command::new("python3").args(["-c", SHUT_DOWN]).arg(disk));
    record_while(folder, &fail, "os error 5");
}

pub(crate) fn turn_the_spools_disk_read_only(folder: &Path) {
    let fail = |disk: &Path| {
        // What ext4 does by itself at an error of its own, where `errors=remount-ro` is set.
        let mut command = Command::new("findmnt");
        let found = command.args(["-no", "SOURCE", "-M"]).arg(disk).output();
        let source = String::from_utf8(found.unwrap().stdout).unwrap();
        let name = source.trim().strip_prefix("/dev/").unwrap();
        assert!(name.starts_with("loop"), "{name}");
        let trigger = PathBuf::from(format!("/sys/fs/ext4/{name}/trigger_fs_error"));
        fs::write(trigger, "a test").unwrap();
    };
    record_while(folder, &fail, "Read-only file system");
}

/// Records, has the disk fail, and looks at what is said then and after a restart.
fn record_while(folder: &Path, fail: &dyn Fn(&Path), cause: &str) {
    let (disk, store) = (folder.join("disk"), folder.join("store"));
    let recorder = child::open(&disk.join("state"), &store);
    let promised: Vec<StatementId> = (0..20).map(|_| StatementId::new()).collect();
    for id in &promised {
        drop(recorder.commit_blocking(child::intent(*id)).unwrap());
    }
    fail(&disk);
    refuses(&recorder, cause);
    let clock = Clock::system();
    let began_ns = clock.mono_ns();
    assert!(recorder.flush_blocking().is_err());
    assert!(recorder.is_degraded());
    drop(recorder);
    assert!(u128::try_from(clock.mono_ns() - began_ns).unwrap() < AT_ONCE.as_nanos());

    run(Command::new("umount").arg(&disk));
    run(Command::new("mount")
        .args(["-o", "loop"])
        .arg(folder.join("image"))
        .arg(&disk));
    let next = child::open(&disk.join("state"), &store);
    drop(
        next.commit_blocking(child::intent(StatementId::new()))
            .unwrap(),
    );
    next.close_blocking().unwrap();
    let archive = Archive::read(&format!("file://{}", store.display())).unwrap();
    for id in promised {
        let id = id.to_string();
        let rows = archive.table("statements").iter();
        let found = rows.filter(|row| row.text("statement_id") == Some(&id));
        assert_eq!(found.filter(|row| !row.is("is_final")).count(), 1, "{id}");
    }
}

/// Everything that is to be recorded is refused at once, with the cause and what to do.
#[track_caller]
fn refuses(recorder: &Recorder, cause: &str) {
    let clock = Clock::system();
    for _ in 0..3 {
        let began_ns = clock.mono_ns();
        let error = recorder
            .commit_blocking(child::intent(StatementId::new()))
            .unwrap_err();
        let took_ns = u128::try_from(clock.mono_ns() - began_ns).unwrap();
        assert!(took_ns < AT_ONCE.as_nanos(), "{took_ns}");
        assert!(matches!(error, RecordError::Degraded { .. }), "{error}");
        assert!(error.to_string().contains(cause), "{error}");
        assert_eq!(error.hint(), Some("check the disk, then restart icecore"));
    }
}
