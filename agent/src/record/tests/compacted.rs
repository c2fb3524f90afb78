//! Days that were written again, as readers take them. What writes them stands elsewhere: here files are made by hand.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;

use super::super::chain::compaction::{
    Compaction, Input, Output, ReadUpTo, Sources, SourcesAt, document_key, output_key, sources_key,
};
use super::super::chain::documents::Listed;
use super::super::chain::keys::SigningKey;
use super::super::chain::{envelope, read as read_chain};
use super::super::encryption::KeyRing;
use super::super::{columns, schema::Table};
use super::*;
use crate::replay::{Days, Readers, Scope, pull, session};

const ORG: &str = "default";

/// What a day has.
#[derive(Default)]
struct OfDay {
    sources: Sources,
    rows: BTreeMap<&'static str, Vec<Entry>>,
}

impl Place {
    /// Writes again what no compaction has; texts of statements stay where they are.
    fn compact(&self) {
        let mut days: BTreeMap<NaiveDate, OfDay> = BTreeMap::new();
        for entry in fs::read_dir(self.at("default/v1/chains")).unwrap() {
            let folder = entry.unwrap().path();
            let chain = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let mut documents: Vec<(String, Vec<u8>)> = Vec::new();
            for (path, _) in files(&folder) {
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if name.starts_with("m-") {
                    documents.push((name.clone(), fs::read(folder.join(&name)).unwrap()));
                }
            }
            let genesis = fs::read(folder.join("genesis.json")).unwrap();
            let read = read_chain::read(ORG, &chain, Some(&genesis), &documents);
            assert!(read.problems.is_empty(), "{:?}", read.problems);
            let mut own = BTreeSet::new();
            for listed in read.objects() {
                let Some(key) = Key::parse(&listed.key) else {
                    continue;
                };
                own.insert(key.day);
                self.add(days.entry(key.day).or_default(), &key, listed);
            }
            for day in own {
                let chains = &mut days.get_mut(&day).unwrap().sources.chains;
                chains.push(ReadUpTo {
                    chain: chain.clone(),
                    manifests: read.manifests.len() as u64,
                    sha256: read.manifests.last().map(|last| last.sha256.clone()),
                    tree_size: read
                        .manifests
                        .last()
                        .map_or(0, |last| last.manifest.tree_size),
                    closed: read.is_closed(),
                });
            }
        }
        for (day, of_day) in days {
            self.write(day, of_day);
        }
    }

    fn add(&self, of_day: &mut OfDay, key: &Key, listed: &Listed) {
        fs::create_dir_all(self.at("default/v1/compactions")).unwrap();
        let before = files(&self.at("default/v1/compactions"));
        let is_done = before.into_keys().any(|path| {
            let text = fs::read_to_string(self.at("default/v1/compactions").join(path)).unwrap();
            text.contains(&listed.key)
        });
        if is_done {
            return;
        }
        if listed.table == "statement_texts" {
            of_day.sources.kept.push(listed.clone());
            return;
        }
        let bytes = fs::read(self.at(&listed.key)).unwrap().into();
        let rows = read(key, bytes, &KeyRing::empty()).unwrap().rows;
        of_day.sources.inputs.push(Input {
            key: listed.key.clone(),
            sha256: listed.sha256.clone(),
            chain: key.chain.clone(),
            table: key.table.clone(),
            rows: rows.len() as u64,
        });
        let table = Table::by_name(&key.table).unwrap();
        of_day.rows.entry(table.name).or_default().extend(rows);
    }

    fn write(&self, day: NaiveDate, OfDay { sources, rows }: OfDay) {
        let mut outputs = Vec::new();
        for (name, rows) in rows {
            let table = Table::by_name(name).unwrap();
            let batch = columns::batch(table, &rows).unwrap();
            let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            let bytes = writer.into_inner().unwrap();
            let hash = hex(&sha256(&bytes));
            let key = output_key(ORG, table, day, 0, &hash);
            self.put(&key, &bytes);
            outputs.push(Output {
                key,
                sha256: hash,
                size: bytes.len() as u64,
                table: name.to_owned(),
                tier: table.tier.as_str().to_owned(),
                rows: rows.len() as u64,
            });
        }
        let document = |n| fs::read(self.at(&document_key(ORG, day, n))).ok();
        let n = (0..).find(|n| document(*n).is_none()).unwrap();
        let bytes = serde_json::to_vec(&sources).unwrap();
        let at = hex(&sha256(&bytes));
        let at_key = sources_key(ORG, day, n, &at);
        self.put(&at_key, &bytes);
        let key = SigningKey::of_installation(&self.settings.state_dir).unwrap();
        let compaction = Compaction {
            format_version: 1,
            org: ORG.to_owned(),
            day,
            n,
            prev_sha256: n
                .checked_sub(1)
                .map(|n| hex(&sha256(&document(n).unwrap()))),
            created_at: time("2026-01-04T00:00:00Z"),
            compactor: key.public_text(),
            writer_build: "1".to_owned(),
            outputs,
            sources: SourcesAt {
                key: at_key,
                sha256: at,
                inputs: sources.inputs.len() as u64,
                kept: sources.kept.len() as u64,
                chains: sources.chains.len() as u64,
            },
        };
        let sealed = envelope::seal(&compaction, key.pair()).unwrap();
        self.put(&document_key(ORG, day, n), &sealed);
    }

    fn at(&self, key: &str) -> PathBuf {
        self.store().join(key)
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        fs::create_dir_all(self.at(key).parent().unwrap()).unwrap();
        fs::write(self.at(key), bytes).unwrap();
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
