//! The same binary as a child: what is killed, or runs where a disk was mounted for it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use icecore::clock::Clock;
use icecore::id::{LoginId, SessionId, StatementId};
use icecore::record::{
    Decision, Mode, Recorder, Row, Settings, StatementRow, StatementTextRow, Status, StoreAt,
};

/// Says by its value which part the child plays.
const PART: &str = "ICECORE_RECORD_PART";

/// Names the folder that parent and child share.
const FOLDER: &str = "ICECORE_RECORD_FOLDER";

/// Makes settings for a recorder whose state and store are at these places.
pub(crate) fn settings(state_dir: &Path, store: &Path) -> Settings {
    let store = StoreAt::read(&format!("file://{}", store.display())).unwrap();
    Settings {
        seal_interval: Duration::from_millis(40),
        policy_bundle_sha256: [2; 32],
        ..Settings::new(state_dir.to_owned(), store)
    }
}

/// Opens a recorder.
pub(crate) fn open(state_dir: &Path, store: &Path) -> Recorder {
    Recorder::open(&settings(state_dir, store), Clock::system()).unwrap()
}

/// Makes the rows of a statement's intent.
pub(crate) fn intent(id: StatementId) -> Vec<Row> {
    let row = statement(id);
    let text = StatementTextRow {
        session_id: row.session_id,
        statement_id: row.statement_id,
        sql_text: Some("select 1".into()),
        ..StatementTextRow::default()
    };
    vec![Row::from(row), Row::from(text)]
}

/// Makes the row of a statement's end.
pub(crate) fn end(id: StatementId) -> Vec<Row> {
    vec![Row::from(StatementRow {
        is_final: true,
        revision: 1,
        status: Status::Success,
        ..statement(id)
    })]
}

fn statement(id: StatementId) -> StatementRow {
    let now = Some(Clock::system().now());
    StatementRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        login_id: Some(LoginId::from_bytes([8; 16])),
        statement_id: Some(id),
        started_at: now,
        decided_at: now,
        sql_mac: Some([3; 32]),
        sql_kind: Some("select".into()),
        decision: Some(Decision::Allow),
        policy_bundle_sha256: Some([2; 32]),
        policy_mode: Some(Mode::Enforce),
        ..StatementRow::default()
    }
}

/// Makes a command that runs this binary as a child in a part.
pub(crate) fn command(part: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    prepare(&mut command, part, folder);
    command
}

/// Makes a command that runs this binary as a child in a part, with a small disk at a folder that only it sees.
pub(crate) fn command_with_disk(part: &str, folder: &Path, disk: &Path, options: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o \"$1\" none \"$2\" && shift 2 && exec \"$@\"";
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        script,
        "sh",
        options,
    ]);
    command.arg(disk).arg(std::env::current_exe().unwrap());
    prepare(&mut command, part, folder);
    command
}

/// Makes a command that runs this binary as a child in a part, with an image's file system at a folder that only it sees.
pub(crate) fn command_with_image(
    part: &str,
    folder: &Path,
    (image, disk): (&Path, &Path),
) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount -o loop,errors=remount-ro \"$1\" \"$2\" && shift 2 && exec \"$@\"";
    command.args([
        "--mount",
        "--propagation",
        "private",
        "sh",
        "-ec",
        script,
        "sh",
    ]);
    command
        .arg(image)
        .arg(disk)
        .arg(std::env::current_exe().unwrap());
    prepare(&mut command, part, folder);
    command
}

fn prepare(command: &mut Command, part: &str, folder: &Path) {
    command
        .args(["child::plays_its_part", "--exact", "--nocapture"])
        .env(PART, part)
        .env(FOLDER, folder)
        .stdin(Stdio::null());
}

/// In a child: plays the part. Otherwise there is nothing to do.
#[test]
fn plays_its_part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    match part.as_str() {
        "commit until killed" => crate::crash::commit_until_killed(&folder),
        "fill the spool's disk" => crate::disk::fill_the_spools_disk(&folder),
        "fill the store's disk" => crate::disk::fill_the_stores_disk(&folder),
        "open on a read-only disk" => crate::disk::open_on_a_read_only_disk(&folder),
        "have the spool's disk fail" => crate::failed::have_the_spools_disk_fail(&folder),
        "turn the spool's disk read-only" => crate::failed::turn_the_spools_disk_read_only(&folder),
        other => panic!("no part is called `{other}`"),
    }
}
