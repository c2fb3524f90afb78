//! A recorder that is killed at each of its steps, with statements in flight, keeps what it promised.
//!
//! A life is a process: this test program, started again. It records statements and tells on its standard error which it
//! began, which it forwarded (`intend` returned) and which it answered (`deliver` returned), until it is killed. After some
//! lives on the same spool and store the record must agree with what was told (`model`).

mod child;
mod model;
mod power;

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use super::*;
use crate::record::fault::{self, Step};
use model::Model;

/// Lives on one spool before the record is compared.
const LIVES: usize = 5;

/// Every step, and the greatest count that is drawn for it: a step of a recovery happens once or twice a life.
const STEPS: [(Step, u64); 25] = [
    (Step::WalBeforeWrite, 9),
    (Step::WalBeforeSync, 9),
    (Step::WalAfterSync, 9),
    (Step::RotateBeforeCreate, 4),
    (Step::RotateAfterCreate, 4),
    (Step::ReplaceBeforeRename, 5),
    (Step::SealBeforeObjects, 4),
    (Step::SealBetweenObjects, 8),
    (Step::SealBeforeManifest, 4),
    (Step::SealBeforeRename, 4),
    (Step::SealAfterRename, 4),
    (Step::SealBeforeRemember, 4),
    (Step::SealAfterRemember, 4),
    (Step::ShipBeforePut, 20),
    (Step::ShipAfterPut, 20),
    (Step::ShipBeforeRemove, 4),
    (Step::ShipBetweenRemoves, 4),
    (Step::RecoverAfterScan, 1),
    (Step::RecoverAfterGenesis, 1),
    (Step::RecoverBetweenFiles, 1),
    (Step::RecoverBeforeSync, 1),
    (Step::RecoverBeforeRemove, 1),
    (Step::RecoverBetweenRemoves, 1),
    (Step::RowsBeforeSync, 9),
    (Step::RowsAfterRename, 9),
];

/// The steps that only `strict_remote` has.
const REMOTE_STEPS: [(Step, u64); 3] = [
    (Step::RemoteBeforePut, 20),
    (Step::RemoteAfterPut, 20),
    (Step::RemoteAfterGenesis, 1),
];

fn store_at(folder: &Path) -> StoreAt {
    StoreAt::read(&format!("file://{}", folder.display())).unwrap()
}

/// How a life ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The process is killed; what it wrote is the kernel's to write.
    Kill,
    /// The machine stops with it; what was not synced may be lost.
    PowerCut,
    /// The process is killed in `strict_remote`, and every other time its host is gone with all of its disk.
    HostLost,
}

#[test]
fn what_was_forwarded_or_answered_is_recorded_whenever_the_recorder_is_killed() {
    if !child::lived() {
        check(End::Kill, points(60));
    }
}

#[test]
fn what_was_forwarded_or_answered_is_recorded_whenever_the_power_is_cut() {
    if !child::lived() {
        check(End::PowerCut, points(60));
    }
}

#[test]
fn what_was_forwarded_or_answered_is_in_the_store_whenever_the_host_is_lost() {
    if !child::lived() {
        check(End::HostLost, points(60));
    }
}

/// Makes a place in memory where there is such a file system: a kill asks nothing of a disk, and a sync then takes no time.
fn place() -> Place {
    let mut place = Place::new();
    if let Ok(dir) = tempfile::tempdir_in("/dev/shm") {
        place.settings.state_dir = dir.path().join("state");
        place.settings.store = store_at(&dir.path().join("store"));
        place.dir = dir;
    }
    place
}

fn points(short: usize) -> usize {
    if env::var_os("ICECORE_TEST_LONG").is_some() {
        500
    } else {
        short
    }
}

fn check(end: End, points: usize) {
    let mut draw = Draw(points as u64 ^ u64::from(end == End::PowerCut));
    let mut deck = VecDeque::from(STEPS);
    if end == End::HostLost {
        deck.extend(REMOTE_STEPS);
    }
    let mut histogram: BTreeMap<Step, usize> = deck.iter().map(|(step, _)| (*step, 0)).collect();
    let (mut killed, mut lives, mut forwarded) = (0, 0, 0);
    while killed < points || histogram.values().any(|count| *count == 0) {
        let place = place();
        let mut is_lost = false;
        let mut model = Model::default();
        for _ in 0..LIVES {
            let (step, most) = deck.pop_front().unwrap();
            let count = 1 + draw.below(most);
            let output = live(place.dir.path(), end, (step, count), &mut draw);
            model.hear(&String::from_utf8(output.stderr).unwrap());
            lives += 1;
            assert!(lives < points * 4, "steps are not reached: {histogram:?}");
            match (output.status.signal(), output.status.success()) {
                (Some(9), _) => {
                    killed += 1;
                    *histogram.get_mut(&step).unwrap() += 1;
                    deck.push_back((step, most));
                }
                // It ended before; the step comes again after a few others.
                (None, true) => {
                    let after = usize::try_from(2 + draw.below(4)).unwrap();
                    deck.insert(after.min(deck.len()), (step, most));
                }
                _ => panic!("a life at {step:?} {count} failed: {:?}", output.status),
            }
            if end == End::PowerCut {
                power::cut(place.dir.path(), &mut draw);
            }
            if end == End::HostLost && draw.below(2) == 0 {
                is_lost = true;
                fs::remove_dir_all(&place.settings.state_dir).unwrap();
            }
        }
        let last = Recorder::open(&place.settings, Clock::system()).unwrap();
        last.close_blocking().unwrap();
        drop(last);
        forwarded += if is_lost {
            model.agree_without_host(&place)
        } else {
            model.agree(&place)
        };
    }
    println!("{killed} of {lives} lives were killed; {forwarded} statements were forwarded");
    for (step, count) in &histogram {
        println!("{count:5} {step:?}");
    }
    assert!(histogram.values().all(|count| *count > 0), "{histogram:?}");
}

/// Runs one life to its end.
fn live(place: &Path, end: End, (step, count): (Step, u64), draw: &mut Draw) -> Output {
    let what = match end {
        End::Kill => "recorded_whenever_the_recorder_is_killed",
        End::PowerCut => "recorded_whenever_the_power_is_cut",
        End::HostLost => "in_the_store_whenever_the_host_is_lost",
    };
    let (_, module) = module_path!().split_once("::").unwrap();
    let test = format!("{module}::what_was_forwarded_or_answered_is_{what}");
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([&test, "--exact", "--nocapture", "--test-threads=1"])
        .env(child::PLACE, place)
        .env(fault::ARMED, format!("{step:?} {count}"));
    if end == End::PowerCut {
        command.env(fault::SYNCS, power::folder(place));
    }
    if end == End::HostLost {
        command.env(child::REMOTE, "1");
    }
    if draw.below(3) == 0 {
        command.env(fault::STORE, (2 + draw.below(5)).to_string());
    }
    command.output().unwrap()
}

/// Numbers that look drawn and are the same each time (xorshift64*).
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        let mut state = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.0 = state;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}
