//! Days that were written again, as readers take them.

use std::collections::BTreeSet;

use chrono::{NaiveDate, TimeDelta};

use super::super::chain::keys::SigningKey;
use super::*;
use crate::compact::{Asked, Doubt, Until, compact};
use crate::record::encryption::Identity;
use crate::replay::{Days, Depth, Readers, Scope, StoredRows, pull, session, views};
use crate::verify::Trust;

/// Pins keys as a trust file does.
fn pinned(keys: &[&SigningKey]) -> Option<Trust> {
    let pin = |key: &&SigningKey| {
        let key = key.public_text();
        format!("[[installation]]\nname = \"host\"\nkey = \"{key}\"\n")
    };
    let text: String = keys.iter().map(pin).collect();
    Some(Trust::read(&text, &|name| Err(format!("no file {name}"))).unwrap())
}

impl Place {
    fn installation(&self) -> SigningKey {
        SigningKey::of_installation(&self.settings.state_dir).unwrap()
    }

    /// Readers who believe the host.
    fn readers(&self) -> Readers {
        Readers {
            trust: pinned(&[&self.installation()]),
            ..Readers::default()
        }
    }

    fn read_as(&self, readers: Readers) -> Archive {
        Archive::read_as(&self.settings.store.to_string(), readers).unwrap()
    }

    fn believed(&self) -> Archive {
        self.read_as(self.readers())
    }

    /// Writes all days again that the store has rows of.
    fn compact(&self) {
        self.compact_as(&self.installation());
    }

    fn compact_as(&self, key: &SigningKey) {
        let keys = files(&self.at("default/v1/t0")).into_keys();
        let days: BTreeSet<NaiveDate> = keys
            .filter_map(|path| {
                let (_, rest) = path.to_str()?.split_once("/dt=")?;
                rest.get(..10)?.parse().ok()
            })
            .collect();
        for day in days {
            let asked = Asked {
                day,
                trust: None,
                key,
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
    let before = dense(&place.believed());
    place.remove_objects(&closed);
    fs::remove_dir_all(place.at(&format!("default/v1/chains/{closed}"))).unwrap();
    assert_eq!(dense(&place.believed()), before);
    let archive = place.believed();
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
    let before = dense(&place.believed());
    let folder = place.at("default/v1/compactions");
    for path in files(&folder).into_keys() {
        if path.extension().is_some_and(|end| end == "sources") {
            fs::write(folder.join(path), "not it").unwrap();
        }
    }
    // All chains of the day are whole in it, as its document says.
    assert_eq!(dense(&place.believed()), before);
    // A chain of the day before, of which nothing is compacted: all chains since then are looked at.
    let earlier = "01890000-0000-7000-8000-000000000000";
    fs::create_dir_all(place.at(&format!("default/v1/chains/{earlier}"))).unwrap();
    let archive = place.believed();
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
        let archive = place.believed();
        let mut rows = archive.table("statements").iter();
        rows.any(|row| row.text("chain_id") == Some(&late))
    };
    assert!(!has_late());
    place.compact();
    assert!(has_late());
    drop(dense(&place.believed()));
}

#[test]
fn where_a_file_is_not_what_was_signed_its_inputs_are_read() {
    let place = Place::new();
    place.record();
    let before = dense(&place.believed());
    place.compact();
    let statements = place.files_of_layer("/statements/");
    fs::write(&statements[0], "not it").unwrap();
    let archive = place.believed();
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

fn sql(archive: &Archive) -> String {
    let (mut sql, rows) = (Vec::new(), StoredRows::of(archive, |_| true));
    views(archive, archive.chains(), &rows, &mut sql).unwrap();
    String::from_utf8(sql).unwrap()
}

#[test]
fn views_over_views_are_defined_before_duckdb_opens_an_object() {
    let place = Place::new();
    place.record();
    let sql = sql(&place.believed());
    let (before, after) = sql.split_once("read_parquet([").unwrap();
    for view in ["trail", "statements", "denied", "runs", "record_health"] {
        let defined = format!("CREATE OR REPLACE VIEW {view} AS");
        assert!(before.contains(&defined) && !after.contains(&defined));
    }
}

#[test]
fn a_survey_compares_each_byte_and_keeps_no_rows() {
    let place = Place::new();
    let chain = place.record();
    place.compact();
    let url = place.settings.store.to_string();
    let survey = || Archive::survey(&url, place.readers(), &Scope::All, Depth::Small).unwrap();
    let archive = survey();
    assert_eq!(archive.refused(), [""; 0]);
    assert!(archive.table("statements").is_empty());
    let [file] = &place.files_of_layer("/statements/")[..] else {
        panic!("one file of statements");
    };
    let address = file.to_str().unwrap();
    let own = format!("/v1/t0/{chain}/statements/");
    assert!(sql(&archive).contains(address) && !sql(&archive).contains(&own));
    let whole = fs::read(file).unwrap();
    // One is of a column that nobody decodes here.
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        fs::write(file, changed).unwrap();
        let archive = survey();
        let [line] = archive.refused() else {
            panic!("one file is left out: {:?}", archive.refused());
        };
        let told =
            "its bytes are not those that were signed; what it was made of is read in its place";
        assert!(line.ends_with(told), "{line}");
        assert!(sql(&archive).contains(&own) && !sql(&archive).contains(address));
    }
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
    let archive = Archive::read_scope(&store, place.readers(), &scope).unwrap();
    assert_eq!(archive.refused(), [""; 0]);
    assert_eq!(
        session(&archive, &wanted.to_string()).unwrap().steps.len(),
        1
    );
    let chains = format!("{:?}", archive.chains());
    assert!(!chains.contains(&format!("(\"default\", \"{other}\")")));
    // Where its objects are gone too, their time being over, the files of the day have its rows.
    place.remove_objects(recorder.chain());
    let archive = Archive::read_scope(&store, place.readers(), &scope).unwrap();
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
    let pulled = pull(
        (&store, place.readers().trust.as_ref()),
        &copy,
        days,
        |_, _| {},
    )
    .unwrap();
    assert_eq!(pulled.problems, [""; 0]);
    let archive = Archive::read_as(copy.to_str().unwrap(), place.readers()).unwrap();
    let whole = place.believed();
    assert_eq!(archive.table("statements"), whole.table("statements"));
    assert_eq!(archive.refused(), [""; 0]);
    assert!(!copy.join("default/v1/t0").exists());
}

/// Compacts all days by a key of nobody's, as if a chain were not there, and gives what is listed of the store.
fn forged(place: &Place, hidden: &str) -> SigningKey {
    let stranger = SigningKey::make().unwrap();
    let aside = place.dir.path().join("aside");
    let [documents, objects] =
        ["chains", "t0"].map(|part| place.at(&format!("default/v1/{part}/{hidden}")));
    fs::create_dir(&aside).unwrap();
    fs::rename(&documents, aside.join("chains")).unwrap();
    fs::rename(&objects, aside.join("t0")).unwrap();
    place.compact_as(&stranger);
    fs::rename(aside.join("chains"), documents).unwrap();
    fs::rename(aside.join("t0"), objects).unwrap();
    stranger
}

#[test]
fn a_compaction_by_a_key_of_nobodys_hides_no_rows() {
    let place = Place::new();
    let hidden = place.record();
    place.record();
    let whole = dense(&place.archive());
    let stranger = forged(&place, &hidden);
    let has_hidden = |archive: &Archive| {
        let mut rows = archive.table("statements").iter();
        rows.any(|row| row.text("chain_id") == Some(&hidden))
    };
    let believing = Readers {
        trust: pinned(&[&place.installation(), &stranger]),
        ..Readers::default()
    };
    assert!(!has_hidden(&place.read_as(believing)), "it would hide them");
    for (readers, reason) in [
        (
            Readers::default(),
            "expected a trust file that pins who compacted",
        ),
        (place.readers(), "E10"),
    ] {
        let trust = readers.trust.clone();
        let archive = place.read_as(readers.clone());
        assert_eq!(rows(&archive), whole);
        let refused = archive.refused();
        assert!(!refused.is_empty());
        assert!(
            refused.iter().all(|line| line.contains(reason)),
            "{refused:?}"
        );
        let store = place.settings.store.to_string();
        let archive = Archive::survey(&store, readers, &Scope::All, Depth::Whole).unwrap();
        let sql = sql(&archive);
        assert!(sql.contains(&format!("/v1/t0/{hidden}/statements/")));
        assert!(!sql.contains("/v1/c/t0/"));
        let copy = place.dir.path().join(format!("copy-{}", trust.is_some()));
        let day = "2026-01-02".parse().unwrap();
        let days = Days { from: day, to: day };
        let pulled = pull((&store, trust.as_ref()), &copy, days, |_, _| {}).unwrap();
        assert_eq!(pulled.problems.is_empty(), trust.is_none(), "{pulled:?}");
        assert!(copy.join(format!("default/v1/t0/{hidden}")).exists());
        assert!(!copy.join("default/v1/c").exists());
    }
}

#[test]
fn a_chain_of_an_installation_that_nobody_pins_is_left_out_and_told_once() {
    let place = Place::new();
    place.record();
    let own = place.settings.state_dir.clone();
    let whole = dense(&place.archive());
    let mut place = place;
    place.settings.state_dir = place.dir.path().join("another");
    let strange = place.record();
    place.settings.state_dir = own;
    assert_eq!(place.archive().table("statements").len(), 4);
    let archive = place.believed();
    assert_eq!(rows(&archive), whole);
    let [line] = archive.refused() else {
        panic!("one line: {:?}", archive.refused());
    };
    assert!(
        line.contains(&strange) && line.contains("E10") && line.contains("pinned installation"),
        "{line}"
    );
}

#[test]
fn what_a_compaction_keeps_where_it_is_is_read_beside_its_files() {
    let mut place = Place::new();
    let identity = Identity::random().unwrap();
    place.settings.recipients = vec![identity.recipient()];
    let recorder = place.open();
    let id = StatementId::new();
    let text = StatementTextRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        statement_id: Some(id),
        sql_text: Some("select 1".to_owned()),
        salt: Some([1; 16]),
        ..StatementTextRow::default()
    };
    put(&recorder, vec![intent(id), Row::from(text), end(id)]);
    recorder.close_blocking().unwrap();
    let readers = || Readers {
        identities: vec![identity.clone()],
        ..place.readers()
    };
    let whole = dense(&place.read_as(readers()));
    place.compact();
    place.remove_objects(recorder.chain());
    fs::remove_dir_all(place.at(&format!("default/v1/chains/{}", recorder.chain()))).unwrap();
    let archive = place.read_as(readers());
    assert_eq!(archive.refused(), [""; 0]);
    assert_eq!(dense(&archive), whole);
    let [text] = archive.table("statement_texts") else {
        panic!("one text");
    };
    assert_eq!(text.text("sql_text"), Some("select 1"));
    // Without the key it is told as closed, and what the files hold is shown.
    let archive = place.believed();
    assert_eq!(archive.closed().map(|(_, count)| count).sum::<usize>(), 1);
    assert_eq!(archive.table("statements").len(), 2);
}

#[test]
fn views_of_some_days_show_the_objects_and_files_of_these() {
    let place = Place::new();
    place.record();
    let day: NaiveDate = "2026-01-02".parse().unwrap();
    let shown = |from: NaiveDate, to: NaiveDate| -> BTreeSet<String> {
        let store = place.settings.store.to_string();
        let days = Scope::Days(Days { from, to });
        let archive = Archive::survey(&store, place.readers(), &days, Depth::Small).unwrap();
        assert_eq!(archive.refused(), [""; 0]);
        let mut sql = Vec::new();
        let rows_kept = StoredRows::of(&archive, |_| true);
        views(&archive, archive.chains(), &rows_kept, &mut sql).unwrap();
        let sql = String::from_utf8(sql).unwrap();
        let of_days = sql.split('\'').filter_map(|text| {
            let (_, rest) = text.split_once("/dt=")?;
            let layer = if text.contains("/v1/c/") { "c" } else { "t0" };
            Some(format!("{layer} {}", rest.get(..10)?))
        });
        of_days.collect()
    };
    let (before, next) = (day.pred_opt().unwrap(), day.succ_opt().unwrap());
    let check = |layer: &str| {
        let own = BTreeSet::from([format!("{layer} {day}")]);
        assert_eq!(shown(day, day), own);
        assert_eq!(shown(NaiveDate::MIN, next), own);
        assert_eq!(shown(next, next), BTreeSet::new());
        assert_eq!(shown(NaiveDate::MIN, before), BTreeSet::new());
        assert!(shown(day, NaiveDate::MAX).len() > 1, "events are of today");
    };
    check("t0");
    place.compact();
    check("c");
}
