//! `strict_remote`: what was acknowledged is in the store, whatever becomes of the host.

use std::io::Cursor;
use std::sync::atomic::{AtomicI64, Ordering};
use std::thread;

use chrono::NaiveDate;

use super::*;
use crate::record::encryption::{Closed, Identity};
use crate::replay::{Days, Readers, Scope, ShownRows, evidence, pull, session};

fn remote() -> Place {
    let mut place = Place::new();
    place.settings.mode = RecordMode::StrictRemote;
    place
}

/// Files of frames that the store has.
fn frames(place: &Place) -> Vec<PathBuf> {
    let names = files(&place.store()).into_keys();
    names
        .filter(|name| name.extension().is_some_and(|end| end == "frames"))
        .collect()
}

fn statuses(archive: &Archive) -> Vec<(String, bool, String)> {
    let rows = archive.table("statements").iter();
    rows.map(|row| {
        let text = |column| row.text(column).unwrap_or_default().to_owned();
        (text("statement_id"), row.is("is_final"), text("status"))
    })
    .collect()
}

#[test]
fn what_was_acknowledged_is_read_though_its_host_and_spool_are_gone() {
    let place = remote();
    let (first, second) = (StatementId::new(), StatementId::new());
    let recorder = place.open();
    put(&recorder, vec![intent(first)]);
    put(&recorder, vec![end(first)]);
    recorder.flush_blocking().unwrap();
    put(&recorder, vec![intent(second)]);
    drop(recorder);
    fs::remove_dir_all(&place.settings.state_dir).unwrap();
    let rows = place.dense();
    assert_eq!(rows.len(), 4);
    let archive = place.archive();
    let waiting: Vec<_> = archive
        .acknowledged()
        .iter()
        .map(|row| row.text("statement_id").unwrap().to_owned())
        .collect();
    assert_eq!(waiting, [second.to_string()]);
}

#[test]
fn what_the_next_chain_has_again_is_read_once() {
    let place = remote();
    let id = StatementId::new();
    let first = place.open();
    put(&first, vec![intent(id)]);
    drop(first);
    // Both chains have it in frames, none in a manifest.
    drop(place.open());
    assert_eq!(place.archive().table("statements").len(), 2);
    assert_eq!(place.archive().refused(), [] as [String; 0]);
    place.open().close_blocking().unwrap();
    let archive = place.archive();
    let status = |is_final, status: &str| (id.to_string(), is_final, status.to_owned());
    assert_eq!(
        statuses(&archive),
        [status(false, "running"), status(true, "abandoned")]
    );
    assert_eq!(archive.acknowledged(), []);
    let store = place.settings.store.to_string();
    let views = Archive::survey_if(&store, Readers::default(), &Scope::All, |_| false).unwrap();
    assert_eq!(views.acknowledged(), [], "views read objects themselves");
    place.dense();
}

#[test]
fn a_session_is_read_that_is_in_frames_alone() {
    let place = remote();
    let session = SessionId::new();
    lost(&place, session);
    let scope = Scope::Session(session.to_string());
    let store = place.settings.store.to_string();
    let archive = Archive::read_scope(&store, Readers::default(), &scope).unwrap();
    assert!(archive.has_session(&session.to_string()));
    assert_eq!(archive.acknowledged().len(), 2);
    let tomorrow = Utc::now().date_naive().succ_opt().unwrap();
    let scope = Scope::Days(days(tomorrow));
    let archive = Archive::read_scope(&store, Readers::default(), &scope).unwrap();
    assert_eq!(archive.acknowledged(), []);
}

/// Rows of one chain that was sealed once, of other sessions, and whose last rows are in frames alone.
fn lost(place: &Place, of: SessionId) {
    let opening = |id| {
        Row::from(SessionRow {
            session_id: Some(id),
            opened_at: Some(Utc::now()),
            enforcement: Some(Enforcement::Enforced),
            mode: Some(Mode::Enforce),
            ..SessionRow::default()
        })
    };
    let recorder = place.open();
    put(&recorder, vec![opening(SessionId::new())]);
    recorder.flush_blocking().unwrap();
    put(&recorder, vec![opening(of)]);
    put(&recorder, vec![opening(SessionId::new())]);
    drop(recorder);
    fs::remove_dir_all(&place.settings.state_dir).unwrap();
}

fn days(of: NaiveDate) -> Days {
    Days { from: of, to: of }
}

#[test]
fn a_copy_has_what_waits_and_only_of_its_days() {
    let place = remote();
    let id = SessionId::new();
    lost(&place, id);
    let store = place.settings.store.to_string();
    let today = Utc::now().date_naive();
    let before = today.pred_opt().unwrap();
    for (day, name, chains, rows) in [(today, "copy", 1, 2), (before, "none", 0, 0)] {
        let copy = place.dir.path().join(name);
        let pulled = pull((&store, None), &copy, days(day), |_, _| {}).unwrap();
        assert_eq!((pulled.chains, pulled.problems), (chains, vec![]));
        let archive = Archive::read(&format!("file://{}", copy.display())).unwrap();
        assert_eq!(archive.refused(), [] as [String; 0]);
        assert_eq!(archive.acknowledged().len(), rows);
        assert_eq!(archive.has_session(&id.to_string()), rows > 0);
    }
}

#[test]
fn a_pack_has_the_frames_that_alone_tell_of_its_session() {
    let place = remote();
    let id = SessionId::new();
    lost(&place, id);
    let store = place.settings.store.to_string();
    let archive = place.archive();
    let session = session(&archive, &id.to_string()).unwrap();
    let mut zip = Cursor::new(Vec::new());
    let rows = ShownRows::default();
    let packed = evidence(&store, &archive, &session, &rows, None, &mut zip).unwrap();
    assert_eq!((packed.objects, packed.others.len()), (0, 0));
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    let out = place.dir.path().join("pack");
    zip.extract(&out).unwrap();
    let frames = files(&out).into_keys();
    let is_frames = |name: &PathBuf| name.extension().is_some_and(|end| end == "frames");
    assert_eq!(frames.filter(is_frames).count(), 1);
    let url = format!("file://{}", out.join("store").display());
    let archive =
        Archive::read_scope(&url, Readers::default(), &Scope::Session(id.to_string())).unwrap();
    assert_eq!(archive.acknowledged().len(), 1);
    assert!(archive.has_session(&id.to_string()));
}

#[test]
fn a_store_that_is_away_refuses_what_begins_withholds_what_ends_and_is_told() {
    let place = remote();
    let recorder = place.open();
    let [ended, refused, after] = [(); 3].map(|()| StatementId::new());
    put(&recorder, vec![intent(ended)]);
    let store = place.store();
    let away = place.dir.path().join("away");
    fs::rename(&store, &away).unwrap();
    place.take_store_away();
    for row in [intent(refused), end(ended)] {
        let error = recorder.commit_blocking(vec![row]).unwrap_err();
        assert!(
            matches!(error, RecordError::Unacknowledged { .. }),
            "{error}"
        );
    }
    assert!(recorder.is_degraded());
    // One that would begin is refused without a row and without a wait.
    let at_once = recorder.commit_blocking(vec![intent(StatementId::new())]);
    assert!(matches!(at_once, Err(RecordError::Unacknowledged { .. })));
    place.give_store_back();
    fs::rename(&away, &store).unwrap();
    while recorder.is_degraded() {
        thread::sleep(Duration::from_millis(20));
    }
    put(&recorder, vec![intent(after), end(after)]);
    recorder.close_blocking().unwrap();
    place.dense();
    let archive = place.archive();
    let of = |id: StatementId| -> Vec<(bool, String)> {
        let rows = statuses(&archive).into_iter();
        rows.filter(|(found, ..)| *found == id.to_string())
            .map(|(_, is_final, status)| (is_final, status))
            .collect()
    };
    let expected = [
        (false, "running".to_owned()),
        (true, "abandoned".to_owned()),
    ];
    assert_eq!(of(refused), expected);
    assert_eq!(statuses(&archive).len(), 6);
    let withheld: Vec<_> = place
        .events("RS002")
        .iter()
        .map(|event| event.text("statement_id").unwrap().to_owned())
        .collect();
    assert_eq!(withheld, [ended.to_string()]);
    assert_eq!(place.events(code::DEGRADED).len(), 1);
    let told: i64 = place
        .events(code::UNRECORDABLE)
        .iter()
        .map(|event| serde_json::from_str::<serde_json::Value>(event.text("detail").unwrap()))
        .map(|detail| detail.unwrap()["statements"].as_i64().unwrap())
        .sum();
    // The other one is told when the session ends, or after a while.
    assert_eq!(told, 1);
}

#[test]
fn commits_that_come_together_share_puts() {
    let place = remote();
    let recorder = place.open();
    let commits = 16 * 25;
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| (0..25).for_each(|_| put(&recorder, vec![end(StatementId::new())])));
        }
    });
    drop(recorder);
    let puts = frames(&place).len();
    assert!(puts < commits / 2, "{puts} puts for {commits} commits");
    assert_eq!(place.dense().len(), commits + 1);
}

#[test]
fn frames_are_signed_by_the_key_that_the_store_names() {
    let moved_s: &'static AtomicI64 = Box::leak(Box::default());
    let place = remote();
    let recorder = Recorder::open(&place.settings, Clock::moved_by(moved_s)).unwrap();
    for rows in 1..=3 {
        put(&recorder, vec![end(StatementId::new())]);
        moved_s.fetch_add(16 * 60, Ordering::SeqCst);
        recorder.flush_blocking().unwrap();
        put(&recorder, vec![end(StatementId::new())]);
        assert_eq!(place.archive().acknowledged().len(), 1);
        assert_eq!(place.dense().len(), 1 + 2 * rows);
    }
}

#[test]
fn content_in_frames_is_for_its_readers() {
    let reader = Identity::random().unwrap();
    let mut place = remote();
    place.settings.recipients = vec![reader.recipient()];
    let recorder = place.open();
    let text = StatementTextRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        statement_id: Some(StatementId::new()),
        sql_text: Some("select 'marker-5c1e'".to_owned()),
        ..StatementTextRow::default()
    };
    put(&recorder, vec![Row::from(text)]);
    drop(recorder);
    fs::remove_dir_all(&place.settings.state_dir).unwrap();
    let is_legible = |bytes: &Vec<u8>| bytes.windows(11).any(|piece| piece == b"marker-5c1e");
    assert!(!files(&place.store()).values().any(is_legible));
    let archive = place.archive();
    let closed: Vec<&Closed> = archive.closed().map(|(closed, _)| closed).collect();
    assert_eq!(closed, [&Closed::NoIdentity]);
    let readers = Readers {
        identities: vec![reader],
        ..Readers::default()
    };
    let archive = Archive::read_as(&place.settings.store.to_string(), readers).unwrap();
    let texts = archive.table("statement_texts");
    assert_eq!(texts[0].text("sql_text"), Some("select 'marker-5c1e'"));
}

#[test]
fn changed_or_missing_frames_are_not_believed() {
    let place = remote();
    let recorder = place.open();
    (0..4).for_each(|_| put(&recorder, vec![end(StatementId::new())]));
    drop(recorder);
    let whole = frames(&place);
    assert!(whole.len() >= 4);
    let third = place.store().join(&whole[2]);
    let bytes = fs::read(&third).unwrap();
    let mut flipped = bytes.clone();
    let at = bytes.len() / 2;
    flipped[at] ^= 1;
    fs::write(&third, flipped).unwrap();
    assert_eq!(place.archive().refused().len(), 1);
    let believed = place.archive().table("statements").len();
    assert!(believed < 4, "{believed}");
    fs::remove_file(&third).unwrap();
    assert_eq!(place.archive().table("statements").len(), believed);
    assert_eq!(place.archive().refused().len(), 1);
    fs::write(&third, bytes).unwrap();
    assert_eq!(place.archive().table("statements").len(), 4);
    assert_eq!(place.archive().refused(), [] as [String; 0]);
}
