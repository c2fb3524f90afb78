//! When uses are open, and what they are remembered for.

use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn call(id: &str, name: &str, arguments: &serde_json::Value) -> Opened {
    Opened {
        id: id.to_owned(),
        llm_call_id: "m".to_owned(),
        name: name.to_owned(),
        arguments: arguments.to_string().into_bytes(),
        owner: Some(7),
        ..Opened::default()
    }
}

fn bash(id: &str, command: &str) -> Opened {
    call(id, "Bash", &serde_json::json!({ "command": command }))
}

fn opened(calls: &mut Calls, call: &Opened, at: DateTime<Utc>) {
    calls.put(call, Prepared::of(&call.name, &call.arguments), at);
}

#[test]
fn a_use_is_open_from_its_block_to_its_first_result() {
    let mut calls = Calls::default();
    opened(&mut calls, &bash("a", "x"), at(0));
    calls.result_seen("a", Some(7), at(10));
    calls.result_seen("a", Some(7), at(20));
    let open: Vec<bool> = [-1, 0, 9, 10, 15]
        .map(|second| calls.calls[0].is_open(at(second)))
        .to_vec();
    assert_eq!(open, [false, true, true, false, false]);
}

#[test]
fn a_result_of_another_process_closes_nothing() {
    let mut calls = Calls::default();
    opened(&mut calls, &bash("a", "x"), at(0));
    for other in [Some(8), None] {
        calls.result_seen("a", other, at(1));
        assert!(calls.calls[0].is_open(at(2)), "{other:?}");
    }
    calls.result_seen("a", Some(7), at(3));
    assert!(!calls.calls[0].is_open(at(4)));
}

#[test]
fn a_use_without_a_result_is_open_for_a_day() {
    let mut calls = Calls::default();
    opened(&mut calls, &bash("a", "x"), at(0));
    assert!(calls.calls[0].is_open(at(86_399)) && !calls.calls[0].is_open(at(86_400)));
    opened(&mut calls, &bash("b", "x"), at(86_400));
    assert_eq!(calls.calls.len(), 1);
}

#[test]
fn what_is_asked_for_twice_is_one_use() {
    let mut calls = Calls::default();
    opened(&mut calls, &bash("a", "x"), at(0));
    opened(&mut calls, &bash("a", "x"), at(1));
    assert_eq!(calls.calls.len(), 1);
    opened(&mut calls, &bash("a", "y"), at(1));
    assert_eq!(calls.calls.len(), 2);
}

#[test]
fn a_command_holds_what_stands_in_files_that_it_names() {
    let mut calls = Calls::default();
    let write = |path: &str, content: &str| {
        call(
            "w",
            "Write",
            &serde_json::json!({"file_path": path, "content": content}),
        )
    };
    opened(&mut calls, &write("/w/q.sql", "select 1 from old"), at(0));
    opened(&mut calls, &write("/w/q.sql", "select 1 from t"), at(1));
    opened(
        &mut calls,
        &write("/w/q.py", "c.execute(open('q.sql').read())"),
        at(2),
    );
    opened(&mut calls, &write("/w/z.sql", "select 2 from t"), at(3));
    for (command, expected) in [
        ("snow sql -f q.sql", 1),
        ("snowsql < ./q.sql", 1),
        ("python /w/q.py", 2),
        ("cd /w && python3 q.py --limit=5", 2),
        ("python -m q", 2),
        ("cat /v/q.sql", 0),
        ("make run", 0),
    ] {
        opened(&mut calls, &bash(command, command), at(4));
        let files = &calls.calls.back().unwrap().files;
        assert_eq!(files.len(), expected, "{command}");
        assert!(files.iter().all(|(file, _)| file.path != "/w/z.sql"));
    }
    let both = bash(
        "both",
        "cat > /tmp/r.py <<'E'\nc.execute('select 3 from t')\nE\npython3 /tmp/r.py",
    );
    opened(&mut calls, &both, at(4));
    assert!(calls.calls.back().unwrap().has_sql());
    // Another agent's files are not this one's.
    let other = Opened {
        owner: Some(8),
        ..bash("o", "snow sql -f q.sql")
    };
    opened(&mut calls, &other, at(5));
    assert_eq!(calls.calls.back().unwrap().files.len(), 0);
}

#[test]
fn there_is_a_most_and_what_was_open_is_told_to_be_lost() {
    let mut calls = Calls::default();
    for number in 0..CALLS_MAX {
        opened(&mut calls, &bash(&number.to_string(), "x"), at(0));
    }
    calls.result_seen("5", Some(7), at(1));
    opened(&mut calls, &bash("more", "x"), at(2));
    assert!(calls.is_whole(at(2)) && calls.calls.iter().all(|call| call.id != "5"));
    opened(&mut calls, &bash("most", "x"), at(3));
    assert!(!calls.is_whole(at(3)) && calls.is_whole(at(90_000)));
    assert_eq!(calls.calls.len(), CALLS_MAX);
}

#[test]
fn long_arguments_take_bounded_room() {
    let mut calls = Calls::default();
    for number in 0..64 {
        let text = format!("select {number}, '{}'", "x".repeat(60_000));
        opened(
            &mut calls,
            &bash(&number.to_string(), &format!("snow sql -q \"{text}\"")),
            at(0),
        );
    }
    assert!(calls.bytes <= BYTES_MAX, "{}", calls.bytes);
}
