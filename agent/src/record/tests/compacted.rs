//! Days that were written again, as readers take them.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};

use super::super::chain::keys::SigningKey;
use super::*;
use crate::compact::{Asked, Doubt, Until, compact};
use crate::replay::{Days, Readers, Scope, pull, session};

impl Place {
    /// Writes all days again that the store has rows of.
    fn compact(&self) {
        let keys = files(&self.at("default/v1/t0")).into_keys();
        let days: BTreeSet<NaiveDate> = keys
            .filter_map(|path| {
                let (_, rest) = path.to_str()?.split_once("/dt=")?;
                rest.get(..10)?.parse().ok()
            })
            .collect();
        let key = SigningKey::of_installation(&self.settings.state_dir).unwrap();
        for day in days {
            let asked = Asked {
                day,
                trust: None,
                key: &key,
                doubt: Doubt::Stops,
                until: Until::Written,
                spill: self.dir.path(),
                now: Clock::system().now() + TimeDelta::days(2),
                build: "1",
                done: &|_| {},
            };
            compact(&self.settings.store.to_string(), &asked).unwrap();
        }
    }

    fn at(&self, key: &str) -> PathBuf {
        self.store().join(key)
    }

    /// Records a statement in a chain of its own, and names the chain.
    fn record(&self) -> String {
        let recorder = self.open();
        let id = StatementId::new();
        put(&recorder, vec![intent(id), end(id)]);
        recorder.close_blocking().unwrap();
        recorder.chain().to_owned()
    }

    fn files_of_layer(&self, part: &str) -> Vec<PathBuf> {
        let files = files(&self.at("default/v1/c")).into_keys();
        let files = files.map(|path| self.at("default/v1/c").join(path));
        files
            .filter(|path| path.to_str().unwrap().contains(part))
            .collect()
    }

    /// Takes all objects of a chain away.
    fn remove_objects(&self, chain: &str) {
        fs::remove_dir_all(self.at(&format!("default/v1/t0/{chain}"))).unwrap();
    }
}

#[test]
fn a_compacted_day_is_read_once_and_without_what_it_was_made_of() {
    let place = Place::new();
    let closed = place.record();
    let open = place.open();
    put(&open, vec![intent(StatementId::new())]);
    open.flush_blocking().unwrap();
    place.compact();
    let id = StatementId::new();
    put(&open, vec![intent(id), end(id)]);
    open.flush_blocking().unwrap();
    let before = place.dense();
    place.remove_objects(&closed);
    fs::remove_dir_all(place.at(&format!("default/v1/chains/{closed}"))).unwrap();
    assert_eq!(place.dense(), before);
    let archive = place.archive();
    assert_eq!(archive.table("statements").len(), 5);
    let chains = format!("{:?}", archive.chains());
    let is_read = |chain: &str| chains.contains(&format!("(\"default\", \"{chain}\")"));
    assert!(is_read(open.chain()) && !is_read(&closed));
}

#[test]
fn lists_of_sources_are_read_where_a_day_before_is_not_compacted_alone() {
    let place = Place::new();
    place.record();
    place.compact();
    let before = place.dense();
    let folder = place.at("default/v1/compactions");
    for path in files(&folder).into_keys() {
        if path.extension().is_some_and(|end| end == "sources") {
            fs::write(folder.join(path), "not it").unwrap();
        }
    }
    // All chains of the day are whole in it, as its document says.
    assert_eq!(place.dense(), before);
    // A chain of the day before, of which nothing is compacted: all chains since then are looked at.
    let earlier = "01890000-0000-7000-8000-000000000000";
    fs::create_dir_all(place.at(&format!("default/v1/chains/{earlier}"))).unwrap();
    let archive = place.archive();
    let refused = archive.refused().join("\n");
    assert!(refused.contains(".sources: its bytes"), "{refused}");
    assert_eq!(archive.table("statements").len(), 2);
}

#[test]
fn a_chain_that_came_late_is_found_by_the_next_compaction() {
    let place = Place::new();
    place.record();
    place.compact();
    let late = place.record();
    let has_late = || {
        let archive = place.archive();
        let mut rows = archive.table("statements").iter();
        rows.any(|row| row.text("chain_id") == Some(&late))
    };
    assert!(!has_late());
    place.compact();
    assert!(has_late());
    drop(place.dense());
}

#[test]
fn where_a_file_is_not_what_was_signed_its_inputs_are_read() {
    let place = Place::new();
    place.record();
    let before = place.dense();
    place.compact();
    let statements = place.files_of_layer("/statements/");
    fs::write(&statements[0], "not it").unwrap();
    let archive = place.archive();
    let [line] = archive.refused() else {
        panic!("one file is left out: {:?}", archive.refused());
    };
    assert!(
        line.ends_with("what it was made of is read in its place"),
        "{line}"
    );
    let expected = before.iter().filter(|row| row.table.name == "statements");
    assert_eq!(
        archive.table("statements").iter().collect::<Vec<_>>(),
        expected.collect::<Vec<_>>()
    );
}

#[test]
fn a_session_of_a_compacted_day_is_read_from_its_own_chain() {
    let place = Place::new();
    let wanted = SessionId::new();
    let recorder = place.open();
    let now = Clock::system().now();
    let opened = SessionRow {
        session_id: Some(wanted),
        phase: Phase::Open,
        opened_at: Some(now),
        enforcement: Some(Enforcement::Enforced),
        mode: Some(Mode::Enforce),
        ..SessionRow::default()
    };
    let ran = StatementRow {
        session_id: Some(wanted),
        started_at: Some(now),
        is_final: true,
        status: Status::Success,
        ..statement(StatementId::new())
    };
    put(&recorder, vec![Row::from(opened), Row::from(ran)]);
    recorder.close_blocking().unwrap();
    let other = place.record();
    place.compact();
    place.remove_objects(&other);
    let store = place.settings.store.to_string();
    let scope = Scope::Session(wanted.to_string());
    let archive = Archive::read_scope(&store, Readers::default(), &scope).unwrap();
    assert_eq!(archive.refused(), [""; 0]);
    assert_eq!(
        session(&archive, &wanted.to_string()).unwrap().steps.len(),
        1
    );
    let chains = format!("{:?}", archive.chains());
    assert!(!chains.contains(&format!("(\"default\", \"{other}\")")));
    // Where its objects are gone too, their time being over, the files of the day have its rows.
    place.remove_objects(recorder.chain());
    let archive = Archive::read_scope(&store, Readers::default(), &scope).unwrap();
    assert_eq!(
        session(&archive, &wanted.to_string()).unwrap().steps.len(),
        1
    );
}

#[test]
fn a_copy_of_a_compacted_day_has_its_files_and_no_objects_that_they_were_made_of() {
    let place = Place::new();
    place.record();
    place.compact();
    let day = "2026-01-02".parse().unwrap();
    let days = Days { from: day, to: day };
    let store = place.settings.store.to_string();
    let copy = place.dir.path().join("copy");
    let pulled = pull(&store, &copy, days, |_, _| {}).unwrap();
    assert_eq!(pulled.problems, [""; 0]);
    let archive = Archive::read(copy.to_str().unwrap()).unwrap();
    let whole = place.archive();
    assert_eq!(archive.table("statements"), whole.table("statements"));
    assert_eq!(archive.refused(), [""; 0]);
    assert!(!copy.join("default/v1/t0").exists());
}
