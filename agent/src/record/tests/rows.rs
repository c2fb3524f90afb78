//! Rows of results: kept as they were delivered, shipped with what tells of them, or gone.

use super::masks::{bundle, intent, permit, runtime};
use super::*;
use crate::config::{Mode as PolicyMode, ResultRows};
use crate::mask::mask_for;
use crate::record::event::ResultRow;
use crate::record::rows::RowsForm;
use crate::replay::{ShownRows, StoredRows, session};
use crate::snowflake::answer::Form;
use crate::snowflake::column_told::ColumnTold;
use crate::snowflake::route::QueryId;
use crate::statement::Kind;
use crate::upstream::Unmasked;

const SQL: &str = "select id, email from t";

fn policies(rows: &str) -> String {
    format!("@id(\"reads\") @rows(\"{rows}\") permit (principal, action, resource);")
}

/// An answer with this many rows.
fn answer(rows: usize) -> &'static str {
    let rows: Vec<String> = (0..rows).map(|id| format!(r#"["{id}.50",null]"#)).collect();
    let text = format!(
        r#"{{"data":{{"queryId":"01bf3a2e-0000-4a52-9f0b-3f3f2f3a0c11","total":{},"statementTypeId":4096,"rowtype":[{{"name":"ID","type":"fixed","precision":5,"scale":2,"nullable":false}},{{"name":"EMAIL","type":"text","nullable":true}}],"rowset":[{}],"queryResultFormat":"json"}},"code":null,"message":null,"success":true}}"#,
        rows.len(),
        rows.join(",")
    );
    text.leak()
}

/// Records a statement under policies and delivers an answer to it.
fn deliver_under(
    recorder: &Recorder,
    policies: &str,
    mode: PolicyMode,
    answer: &'static str,
) -> Result<Delivered, RecordError> {
    let intent = intent(recorder, permit(&bundle(policies), mode, SQL), mode);
    let unmasked = Unmasked::of_answer(Kind::Query, answer).under(intent);
    let masked = mask_for(unmasked, QueryId::mint(), Form::V1, "host");
    let session = SessionId::from_bytes([7; 16]);
    let now = Clock::system().now();
    runtime().block_on(deliver(recorder, session, masked, None, now))
}

fn spooled_rows(place: &Place) -> usize {
    let spool = files(&place.settings.state_dir.join("spool"));
    let is_rows = |path: &PathBuf| super::super::rows::is_rows(path.to_str().unwrap());
    spool.keys().filter(|path| is_rows(path)).count()
}

/// The rows of the one session's statements, as the store has them.
fn shown(archive: &Archive, limit: usize) -> Vec<Vec<Option<String>>> {
    let rows = ShownRows {
        stored: StoredRows::of(archive, |_| true),
        limit,
    };
    assert_eq!(rows.stored.refused(), [] as [String; 0]);
    let id = SessionId::from_bytes([7; 16]).to_string();
    let document = session(archive, &id).unwrap().to_json(&rows);
    let rows = document["statements"][0]["result_rows"].clone();
    serde_json::from_value(rows).unwrap_or_default()
}

#[test]
fn rows_are_kept_as_they_are_delivered() {
    let place = Place::new();
    let recorder = place.open();
    deliver_under(&recorder, &policies("full"), PolicyMode::Enforce, answer(3)).unwrap();
    assert_eq!(spooled_rows(&place), 1);
    recorder.close_blocking().unwrap();
    assert_eq!(spooled_rows(&place), 0);
    let archive = place.archive();
    assert_eq!(archive.refused(), [] as [String; 0]);
    let [part] = archive.table("results") else {
        panic!("{:?}", archive.table("results"))
    };
    assert_eq!(
        (part.text("stored"), part.int("rows")),
        (Some("full"), Some(3))
    );
    let file = place.store().join(part.text("object_key").unwrap());
    let found = sha256(&fs::read(&file).unwrap());
    assert_eq!(part.get("object_sha256"), &value::Value::from(found));
    let row = |id: &str| vec![Some(id.to_owned()), None];
    assert_eq!(shown(&archive, 9), [row("0.50"), row("1.50"), row("2.50")]);
    assert_eq!(shown(&archive, 2), [row("0.50"), row("1.50")]);
    fs::write(&file, "other").unwrap();
    assert_eq!(StoredRows::of(&archive, |_| true).refused().len(), 1);
}

#[test]
fn policies_say_how_many_rows_are_kept_and_the_config_where_they_do_not() {
    for (default, rows, expected) in [
        (ResultRows::None, "none", 0),
        (ResultRows::None, "sample:2", 2),
        (ResultRows::Full, "sample:2", 2),
        (ResultRows::Full, "none", 0),
        (ResultRows::None, "full", 5),
    ] {
        let mut place = Place::new();
        place.settings.result_rows = default;
        let recorder = place.open();
        let policies = policies(rows);
        deliver_under(&recorder, &policies, PolicyMode::Enforce, answer(5)).unwrap();
        recorder.close_blocking().unwrap();
        assert_eq!(
            shown(&place.archive(), 9).len(),
            expected,
            "{default} {rows}"
        );
    }
    let mut place = Place::new();
    place.settings.result_rows = ResultRows::Sample(1);
    let recorder = place.open();
    let silent = "@id(\"reads\") permit (principal, action, resource);";
    deliver_under(&recorder, silent, PolicyMode::Enforce, answer(5)).unwrap();
    recorder.close_blocking().unwrap();
    assert_eq!(shown(&place.archive(), 9).len(), 1);
}

#[test]
fn observe_keeps_no_rows_that_enforce_would_mask_or_refuse() {
    let mask = r#"@id("pii") @remedy("mask:null") forbid (principal, action == Icecore::Action::"project", resource == Icecore::Column::"ACME.DB.S.T.EMAIL");"#;
    let refuse = r#"@id("no") forbid (principal, action, resource);"#;
    for (more, expected) in [(mask, 0), (refuse, 0), ("", 5)] {
        let mut place = Place::new();
        place.settings.result_rows = ResultRows::Full;
        let recorder = place.open();
        let policies = policies("full") + more;
        deliver_under(&recorder, &policies, PolicyMode::Observe, answer(5)).unwrap();
        recorder.close_blocking().unwrap();
        assert_eq!(shown(&place.archive(), 9).len(), expected, "{more}");
    }
}

/// Rows that the spool has no room for, of a statement that is let through or not.
#[track_caller]
fn no_room(rows: &str, mode: RecordMode) -> (Result<(), RecordError>, Place) {
    let mut place = Place::new();
    place.settings.mode = mode;
    place.settings.spool_max_bytes = 100_000;
    let recorder = place.open();
    // What is before them in the spool leaves rows no room, and the record some.
    recorder.keeper().use_up_for_tests(74_000);
    let delivered = deliver_under(&recorder, &policies(rows), PolicyMode::Enforce, answer(5));
    assert_eq!(spooled_rows(&place), 0);
    recorder.close_blocking().unwrap();
    (delivered.map(drop), place)
}

#[test]
fn rows_that_must_be_kept_and_cannot_are_not_delivered() {
    let (delivered, place) = no_room("full", RecordMode::StrictLocal);
    assert!(
        matches!(delivered, Err(RecordError::Rows { .. })),
        "{delivered:?}"
    );
    assert_eq!(place.events("RS005").len(), 1);
    assert_eq!(place.events("RS002").len(), 1);
    let archive = place.archive();
    let last = archive.table("statements").last().unwrap();
    assert_eq!(
        (last.is("is_final"), last.text("status")),
        (true, Some("blocked"))
    );
    assert_eq!(last.get("delivered_mac"), &value::Value::Null);
    assert_eq!(archive.table("results"), []);
}

#[test]
fn rows_that_may_be_lost_are_delivered_and_the_loss_is_told() {
    for (rows, mode) in [
        ("sample:3", RecordMode::StrictLocal),
        ("full", RecordMode::BestEffort),
    ] {
        let (delivered, place) = no_room(rows, mode);
        delivered.unwrap();
        assert_eq!(place.events("RS005").len(), 1);
        let archive = place.archive();
        let last = archive.table("statements").last().unwrap();
        assert_eq!(last.text("status"), Some("success"));
        assert_eq!(
            StoredRows::of(&archive, |_| true).refused(),
            [] as [String; 0]
        );
    }
}

#[test]
fn rows_without_a_receipt_are_gone_after_a_crash() {
    let place = Place::new();
    let recorder = place.open();
    let id = StatementId::new();
    let keeper = recorder.keeper();
    let session = SessionId::from_bytes([7; 16]);
    keeper.keep(session, (id, Clock::system().now()), Some(ResultRows::Full));
    let kept = keeper.of(id).unwrap();
    let write = |is_over: bool| {
        let form = RowsForm::Json(Vec::new().into());
        runtime().block_on(async {
            let mut part = keeper.begin(&kept, 0, &form).unwrap();
            part.push(bytes::Bytes::from_static(b"[],[]")).await;
            match is_over {
                true => part.finish(true).await.unwrap(),
                false => None,
            }
        })
    };
    // Whoever delivers is gone in the middle of it: the writer sees that and leaves nothing.
    assert!(write(false).is_none());
    assert_eq!(spooled_rows(&place), 0);
    // The process dies after the file is whole and before the receipt.
    write(true).unwrap().keep();
    assert_eq!(spooled_rows(&place), 1);
    drop(recorder);
    let second = place.open();
    assert_eq!(spooled_rows(&place), 0);
    second.close_blocking().unwrap();
    assert_eq!(place.archive().table("results"), []);
    assert!(
        !files(&place.store())
            .keys()
            .any(|name| name.to_str().unwrap().contains("t2"))
    );
}

#[test]
fn rows_with_a_receipt_are_stored_once_after_any_crash() {
    let place = Place::new();
    place.take_store_away();
    let first = place.open();
    deliver_under(&first, &policies("full"), PolicyMode::Enforce, answer(3)).unwrap();
    drop(first);
    // Before the seal, then after it.
    let second = place.open();
    assert_eq!(spooled_rows(&place), 1);
    assert!(second.flush_blocking().is_err());
    assert_eq!(spooled_rows(&place), 0);
    drop(second);
    place.give_store_back();
    place.open().close_blocking().unwrap();
    let archive = place.archive();
    let told: Vec<_> = archive
        .table("results")
        .iter()
        .filter_map(|row| row.text("object_key"))
        .collect();
    assert_eq!(told.len(), 1);
    assert!(place.store().join(told[0]).is_file());
    assert_eq!(shown(&archive, 9).len(), 3);
    let spool = Spool::open(&place.settings.state_dir).unwrap();
    assert_eq!(spool.leftovers().unwrap(), []);
}

#[test]
fn of_a_part_that_was_delivered_twice_the_last_counts() {
    let place = Place::new();
    let recorder = place.open();
    deliver_under(&recorder, &policies("full"), PolicyMode::Enforce, answer(3)).unwrap();
    recorder.flush_blocking().unwrap();
    let archive = place.archive();
    let id: StatementId = archive.table("results")[0]
        .text("statement_id")
        .unwrap()
        .parse()
        .unwrap();
    let earlier = crate::upstream::Earlier {
        statement: id,
        kind: Kind::Query,
        plan: crate::policy::Plan::Open,
        types: None,
        parts: Vec::new().into(),
    };
    let unmasked = Unmasked::of_answer(Kind::Query, answer(2)).of_earlier(earlier);
    let masked = mask_for(unmasked, QueryId::mint(), Form::V1, "host");
    let now = Clock::system().now();
    let session = SessionId::from_bytes([7; 16]);
    runtime()
        .block_on(deliver(&recorder, session, masked, None, now))
        .unwrap();
    recorder.close_blocking().unwrap();
    assert_eq!(place.archive().table("results").len(), 2);
    assert_eq!(shown(&place.archive(), 9).len(), 2);
}

#[test]
fn the_next_process_keeps_rows_of_a_session_that_goes_on() {
    let place = Place::new();
    let (id, session) = (StatementId::new(), SessionId::from_bytes([7; 16]));
    let first = place.open();
    let wanted = Some(ResultRows::Sample(3));
    let keeper = first.keeper();
    keeper.keep(session, (id, Clock::system().now()), wanted);
    let column = ColumnTold {
        name: "A".to_owned(),
        scale: Some(3),
        ..ColumnTold::default()
    };
    let columns = vec![column];
    let form = RowsForm::Json(columns.clone().into());
    keeper.comes_as(&keeper.of(id).unwrap(), form, true);
    drop(first);
    let second = place.open();
    let known = second.keeper().of(id).unwrap();
    assert_eq!(Some(known.wanted()), wanted);
    let Some(RowsForm::Json(told)) = known.form() else {
        panic!("{:?}", known.form())
    };
    assert_eq!(told[..], columns);
    second.keeper().forget(session);
    drop(second);
    assert!(place.open().keeper().of(id).is_none());
}

/// A row of `results` that tells of rows which are not there, as after a disk lost them.
#[test]
fn rows_that_are_gone_hold_nothing_up() {
    let place = Place::new();
    let recorder = place.open();
    let key = format!(
        "default/v1/t2/{0}/result_rows/dt=2026-11-26/{0}-{1}-0123456789abcdef.parquet",
        recorder.chain(),
        "0".repeat(32),
    );
    let row = ResultRow {
        session_id: Some(SessionId::from_bytes([7; 16])),
        statement_id: Some(StatementId::new()),
        upstream_mac: Some([1; 32]),
        delivered_mac: Some([1; 32]),
        stored: Some("full".to_owned()),
        object_key: Some(key),
        object_sha256: Some([1; 32]),
        ..ResultRow::default()
    };
    put(&recorder, vec![Row::from(row)]);
    recorder.close_blocking().unwrap();
    let archive = place.archive();
    assert_eq!(archive.table("results").len(), 1);
    assert_eq!(StoredRows::of(&archive, |_| true).refused().len(), 1);
}
